"""What a delivered message costs: penguin-mta's CPU beside one bare RSA-2048 signature of the same run.

    tools/bench [MESSAGES]      (20,000; unsigned; signed with a durable journal, with one that is not, and durable again)

Prints a table and, as the last line, JSON.  The world is on the same machine and counts apart, and so do
Postgres and the journal alone (tests/bench/journal_bench.c).  Where the directory for temporary files is in
memory no journal can be durable; then TMPDIR must name one on a disk.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql")]

import psycopg2  # noqa: E402
from mtalib import CONTENT, WORLD, Stack  # noqa: E402

MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))
BODY = ("Good news for {{name}}, week after week, with all that the shop has to tell.\n" * 118)
SPEED = {
    "default_site": {"connections": 10, "messages_per_connection": 1000},
    "limits": {"jobs": 20000},
    "report": {"interval": "500ms", "retry_interval": "30s"},
    "postgres": {"poll_busy": "20ms", "poll_idle": "50ms", "sweep": "1s", "feed": "1s"},
}


def bare_signature_us():
    """User time of one RSA-2048 signature by OpenSSL, on this machine, now."""
    text = subprocess.run(["openssl", "speed", "-seconds", "3", "rsa2048"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return float(re.search(r"rsa 2048 bits ([0-9.]+)s", text).group(1)) * 1e6


def usage(pid):
    """CPU seconds, peak RSS in KiB, minor page faults of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    peak = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
    return (int(fields[11]) + int(fields[12])) / tick, peak, int(fields[7])


def processes_cpu(root):
    """CPU seconds of a process, its children, and those of them that have ended."""
    tick = os.sysconf("SC_CLK_TCK")
    children = pathlib.Path(f"/proc/{root}/task/{root}/children").read_text().split()
    total = 0
    for pid in [root, *children]:
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue  # it ended meanwhile, and is counted with the root
        total += sum(int(f) for f in fields[11:15 if str(pid) == str(root) else 13])
    return total / tick


def journal_alone(count):
    """What journal_bench prints of so many records: writing, and reading as a restarted worker does."""
    program = ROOT / os.environ["PENGUIN_BUILD"] / "tests" / "bench" / "journal_bench"
    with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
        done = subprocess.run([program, str(count), directory], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def run(dsn, directory, count, signed, sync, postmaster):
    content = dict(CONTENT, text=BODY)
    content.pop("html")
    with Stack(dsn, directory, world=WORLD, content=content, config=SPEED, judge=False) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(count)])
        if not signed:
            (s.directory / "empty").mkdir()
        s.start_worker(spool={"segment": "64MiB", "sync": sync},
                **({} if signed else {"keys": {"directory": str(s.directory / "empty"), "allow_unsigned": True}}))
        begin = time.monotonic()
        s.wait(campaign, lambda a: a.get("delivered", 0) > 0, timeout=60)
        cpu0, _, faults0 = usage(s.mta.pid)
        pg0 = processes_cpu(postmaster)
        done0 = len(s.world.ledger())
        s.wait(campaign, timeout=600)
        seconds = time.monotonic() - begin
        cpu, peak, faults = usage(s.mta.pid)
        pg = processes_cpu(postmaster)
        ledger = s.world.ledger()
        size = sum(line["size"] for line in ledger) // len(ledger)
        assert len(ledger) == count
        s.stop()
        part = count - done0
        return {"messages": count, "signed": signed, "durable": sync, "bytes": size,
                "cpu_us": round((cpu - cpu0) / part * 1e6, 1), "postgres_us": round((pg - pg0) / part * 1e6, 1),
                "faults": round((faults - faults0) / part, 3), "peak_rss_kib": peak, "per_second": round(count / seconds)}


def system_calls(dsn, directory, count):
    """System calls a message, all of the worker's, counted by strace in a run of their own."""
    content = dict(CONTENT, text=BODY)
    content.pop("html")
    with Stack(dsn, directory, world=WORLD, content=content, config=SPEED, judge=False) as s:
        campaign = s.campaign()
        s.start_worker(spool={"segment": "64MiB"})
        s.wait(campaign)
        table = directory / "strace"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", table, "-p", str(s.mta.pid)], stderr=subprocess.DEVNULL)
        time.sleep(1)
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(count)])
        s.wait(campaign, timeout=300)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        s.stop()
        rows = [line.split() for line in table.read_text().splitlines()]
        calls = {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit()}
        calls.pop("total", None)
        return {name: round(n / count, 2) for name, n in sorted(calls.items(), key=lambda c: -c[1])[:12]}


def new_database(place, name):
    connection = psycopg2.connect(f"host={place} user=postgres dbname=postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    dsn = f"host={place} user=postgres dbname={name}"
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    for path in MIGRATIONS:
        connection.cursor().execute(path.read_text())
    connection.close()
    return dsn


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    pgtemp = ROOT / "tests" / "pgtemp"
    place = subprocess.run([pgtemp, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
    postmaster = int((pathlib.Path(place) / "data" / "postmaster.pid").read_text().split()[0])
    rows = []
    kinds = ((False, True), (True, True), (True, False), (True, True))
    try:
        bare = bare_signature_us()
        for number, (signed, sync) in enumerate(kinds):
            with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
                rows.append(run(new_database(place, f"bench{number}"), pathlib.Path(directory), count, signed, sync, postmaster))
        with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
            calls = system_calls(new_database(place, "traced"), pathlib.Path(directory), count // 5)
    finally:
        subprocess.run([pgtemp, "stop", place], check=True)
    print(f"{'':10} {'journal':>8} {'bytes':>7} {'CPU us':>8} {'x RSA':>6} {'PG us':>7} {'PG/CPU':>6} {'msg/CPU s':>9} {'msg/s':>7}"
          f" {'faults':>7} {'RSS KiB':>8}")
    for row in rows:
        row["ratio"] = round(row["cpu_us"] / bare, 2)
        row["per_cpu_second"] = round(1e6 / row["cpu_us"])
        row["postgres_ratio"] = round(row["postgres_us"] / row["cpu_us"], 2)
        name = "signed" if row["signed"] else "unsigned"
        print(f"{name:10} {'durable' if row['durable'] else 'sync off':>8} {row['bytes']:>7} {row['cpu_us']:>8} {row['ratio']:>6}"
              f" {row['postgres_us']:>7} {row['postgres_ratio']:>6} {row['per_cpu_second']:>9} {row['per_second']:>7}"
              f" {row['faults']:>7} {row['peak_rss_kib']:>8}")
    print("system calls a message:", ", ".join(f"{name} {n}" for name, n in calls.items()))
    alone = journal_alone(1000000)
    print("a journal of 1,000,000 records:", alone, sep="\n", end="")
    print(json.dumps({"system_calls": calls, "bare_rsa2048_us": round(bare, 1), "runs": rows, "journal": alone.splitlines()}))


if __name__ == "__main__":
    main()
