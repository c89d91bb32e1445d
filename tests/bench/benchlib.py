"""What benches share: a throwaway Postgres whose CPU is counted, engines whose CPU is counted, tables.

CPU is read from the processes' own clocks, to the nanosecond, and is what a message costs however busy the machine
is; messages a second are what was left of it.  So a figure is the median of rounds that alternate, and a ratio is
made within one round.
"""
import contextlib
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql")]

import psycopg2  # noqa: E402
from mtalib import CONTENT, WORLD  # noqa: E402

PGTEMP = ROOT / "tests" / "pgtemp"
MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))
LETTER = {key: value for key, value in CONTENT.items() if key != "html"} | {
    "text": "Good news for {{name}}, week after week, with all that the shop has to tell.\n" * 118}  # 10 KB on the wire

# Sites enough that none gets more than its share of a worker's jobs, and has to wait for the rest.
WIDE = WORLD.replace("mx[1-3]", "mx[1-12]").replace("{1%3+1}", "{1%12+1}")


def cpu_s(pid):
    """User and system time of a process and its threads so far; 0 when it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED: as clock_getcpuclockid() makes it
    except OSError:
        return 0.0


def children_of(pid):
    return [int(word) for word in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Postgres:
    """A throwaway server without fsync, and databases in it.

    with Postgres() as server:
        dsn = server.database("one")
    """

    def __enter__(self):
        self.place = subprocess.run([PGTEMP, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
        self.postmaster = int((pathlib.Path(self.place) / "data" / "postmaster.pid").read_text().split()[0])
        try:
            self.execute("CREATE DATABASE migrated")
            for path in MIGRATIONS:
                self.execute(path.read_text(), "migrated")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run([PGTEMP, "stop", self.place], check=True)

    def dsn(self, name):
        return f"host={self.place} user=postgres dbname={name}"

    def execute(self, text, name="postgres"):
        with contextlib.closing(psycopg2.connect(self.dsn(name))) as connection:
            connection.autocommit = True
            connection.cursor().execute(text)

    def database(self, name):
        self.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
        return self.dsn(name)

    def drop(self, name):
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def cpu_s(self, but):
        """Of all its processes, those that have ended too, but not of the backend that is our own."""
        fields = pathlib.Path(f"/proc/{self.postmaster}/stat").read_text().rsplit(")", 1)[1].split()
        ended = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        return ended + sum(cpu_s(pid) for pid in [self.postmaster, *children_of(self.postmaster)] if pid != but)


class Reading:
    """The CPU of engines and of Postgres now, and what else is counted; a later one less an earlier one is what was
    used between."""

    def __init__(self, server, nodes, counts=dict):
        self.engines = {pid: cpu_s(pid) for node in nodes for pid in node.processes().values()}
        self.postgres = server.cpu_s(but=nodes[0].shop.session.connection.get_backend_pid())
        self.counts = counts()
        self.at = time.monotonic()

    def since(self, before, count):
        """A message's share of it, in microseconds."""
        spent = sum(cpu - before.engines.get(pid, 0.0) for pid, cpu in self.engines.items())
        return {"cpu_us": spent / count * 1e6, "postgres_us": (self.postgres - before.postgres) / count * 1e6,
                "per_second": count / (self.at - before.at),
                **{name: (n - before.counts[name]) / count for name, n in self.counts.items()}}


def people(count):
    return [f"u{i}@d{i % 50 + 1}.test" for i in range(count)]


def finish(nodes, campaign, timeout=900):
    """Until all is delivered.  Asks seldom, since that is work of the Postgres that is measured."""
    end = time.monotonic() + timeout
    while any(nodes[0].account(campaign).get(state) for state in ("waiting", "leased", "retrying")):
        assert all(node.mta.poll() is None for node in nodes), "penguin-mta is gone"
        assert time.monotonic() < end, "not done in time"
        time.sleep(0.2)


def accepted(stack):
    """Lines of the world's ledger."""
    return stack.world.ledger_path.read_bytes().count(b"\n") if stack.world.ledger_path.exists() else 0


def send(server, nodes, count, counts=dict):
    """Sends so many messages, between a reading before the first was accepted and one when Postgres has the last
    result.  Those who send are warm, and the messages wait in Postgres before.

    `counts` gives numbers that grow, by name; the result has how much for each message."""
    stack = nodes[0]
    for_warmth = stack.campaign()
    stack.enqueue(for_warmth, people(max(count // 20, 20)))
    finish(nodes, for_warmth)
    campaign = stack.campaign(start=False)
    stack.enqueue(campaign, people(count))
    lines, before = accepted(stack), Reading(server, nodes, counts)
    stack.shop.session.run("campaign_start", stack.shop.tenant, campaign)
    while accepted(stack) == lines:  # the next look for work finds them
        before = Reading(server, nodes, counts)
        time.sleep(0.02)
    finish(nodes, campaign)
    result = Reading(server, nodes, counts).since(before, count)
    assert stack.account(campaign) == {"delivered": count} and accepted(stack) == lines + count
    return result


def middle(rows, name, digits=1):
    return round(statistics.median(row[name] for row in rows), digits)


def ratios(rows, base, name):
    """Of each round of one kind to the same round of another: median, least, most."""
    each = sorted(row[name] / other[name] for row, other in zip(rows, base))
    return [round(value, 3) for value in (statistics.median(each), each[0], each[-1])]


def table(head, rows):
    """Columns as wide as they must be, words to the left and numbers to the right."""
    texts = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in texts) for i in range(len(head))]
    for row in texts:
        print("  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))))
