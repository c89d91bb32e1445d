"""Postgres goes away in every way it can, in mid-run; afterwards the accounting holds."""
import os
import pathlib
import shutil
import signal
import subprocess
import time
from collections import Counter

import psycopg2
import pytest

from claimlib import MIGRATIONS, ROOT, claim_jobs
from penguin import Session, Shop

PGTEMP = ROOT / "tests" / "pgtemp"
MANY = 6000


def is_alive(pid):
    """Running, or at least not only waiting to be waited for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Server:
    """A Postgres of one test's own, for rough handling.  fsync is on: it will be killed."""

    def __init__(self):
        answer = subprocess.run(
            [PGTEMP, "start", "fsync=on", "full_page_writes=on"], check=True,
            stdout=subprocess.PIPE, text=True).stdout.splitlines()
        self.directory = pathlib.Path(answer[0])
        self.databases = 0
        self.name = "postgres"

    @property
    def dsn(self):
        return f"host={self.directory} user=postgres dbname={self.name}"

    def new_database(self):
        self.name = "postgres"
        session = Session(self.dsn)
        self.databases += 1
        session.query(f"CREATE DATABASE t{self.databases}")
        session.close()
        self.name = f"t{self.databases}"
        session = Session(self.dsn)
        for path in MIGRATIONS:
            session.query(path.read_text())
        session.close()

    def pid(self):
        return int((self.directory / "data" / "postmaster.pid").read_text().split()[0])

    def control(self, *words):
        directories = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        command = [directories[-1] / "pg_ctl", "-D", self.directory / "data", "-w", "-t", "60"]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] + command
        subprocess.run(command + list(words), check=True, stdout=subprocess.DEVNULL,
                       cwd=self.directory)

    def start(self):
        self.control("-l", str(self.directory / "log"), "start")

    def kill(self):
        """As if the machine had lost its power."""
        pid = self.pid()
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)],
                                  stdout=subprocess.PIPE, text=True).stdout.split()
        family = [pid] + [int(c) for c in children]
        for member in family:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + 10
        while any(is_alive(member) for member in family) and time.monotonic() < deadline:
            time.sleep(0.02)
        # Nobody may have waited for the dead yet, and then Postgres thinks they live.
        for lock in ("data/postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.directory / lock).unlink(missing_ok=True)

    def stop(self):
        subprocess.run([PGTEMP, "stop", self.directory], check=True)


@pytest.fixture(scope="module")
def rough_server():
    it = Server()
    yield it
    it.stop()


@pytest.fixture
def server(rough_server):
    rough_server.new_database()
    return rough_server


class Pooler:
    """PgBouncer 1.18 in transaction mode, with fewer server connections than clients."""

    def __init__(self, server, directory):
        self.directory = directory
        config = directory / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host={server.directory} user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {directory}\n"
            "listen_port = 6432\nauth_type = any\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nserver_login_retry = 1\n"
            f"logfile = {directory}/log\npidfile = {directory}/pid\n")
        command = [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(config)]
        os.chmod(directory, 0o777)
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres",
                       "--clear-groups"] + command
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd=directory)
        self.dsn = f"host={directory} port=6432 user=postgres dbname={server.name}"
        for _ in range(50):
            try:
                psycopg2.connect(self.dsn).close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.1)
        raise AssertionError((directory / "log").read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait()


@pytest.fixture
def pooler(server):
    directory = pathlib.Path(subprocess.run(
        ["mktemp", "-d", "/tmp/pgbouncer.XXXXXX"], stdout=subprocess.PIPE, text=True,
        check=True).stdout.strip())
    it = Pooler(server, directory)
    yield it
    it.stop()
    shutil.rmtree(directory)


def check_all(server_dsn, shop_ids, lines_of_runs, campaign, tenant):
    """Nothing lost; the counters agree with a recount; what was seen twice is known."""
    session = Session(server_dsn)
    for line in session.run("verify", tenant):
        assert line["recounted"] == line["accounted"], line
    row = session.run("accounting", tenant, campaign)[0]
    session.close()
    assert row["committed"] == row["delivered"] == len(shop_ids)
    seen = Counter(job for lines in lines_of_runs for job in claim_jobs(lines))
    assert set(seen) == set(shop_ids)
    return [job for job, times in seen.items() if times > 1]


def terminate(server):
    session = Session(server.dsn)
    for _ in range(12):
        session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        time.sleep(0.15)
    session.close()


def kill_twice(server):
    for _ in range(2):
        server.kill()
        time.sleep(0.5)
        server.start()
        time.sleep(0.7)


def stop_fast(server):
    server.control("-m", "fast", "stop")
    time.sleep(1.5)
    server.start()


def freeze(server):
    """Answers stop coming, the connection stays: until the statement timeout."""
    session = Session(server.dsn)
    pids = [row[0] for row in session.query(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'claim-cli'")]
    session.close()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)


@pytest.mark.parametrize("trouble", [terminate, kill_twice, stop_fast, freeze])
def test_nothing_is_lost(server, run, trouble):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    cli = run(server.dsn, credit=300, hold_ms=40, jobs=MANY, idle_ms=60000, statement_ms=1500)
    time.sleep(0.4)
    trouble(server)
    lines = cli.finish()
    assert "down" in [line["event"] for line in lines]
    twice = check_all(server.dsn, ids, [lines], campaign, shop.tenant)
    # The worker lived and remembers: whatever the database did, nobody gets two messages.
    assert twice == []


def test_nothing_is_lost_when_both_die(server, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    cli = run(server.dsn, credit=300, hold_ms=40)
    time.sleep(0.5)
    server.kill()
    cli.process.kill()
    cli.process.wait()
    server.start()
    first = cli.lines()
    second = run(server.dsn).finish()
    twice = check_all(server.dsn, ids, [first, second], campaign, shop.tenant)
    flagged = {line["job"] for line in second if line["event"] == "job" and line["duplicate"]}
    assert set(twice) <= flagged


def test_away_at_the_start(server, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 500)
    shop.session.close()
    server.control("-m", "fast", "stop")
    cli = run(server.dsn, jobs=500, idle_ms=60000)
    time.sleep(1)
    server.start()
    check_all(server.dsn, ids, [cli.finish()], campaign, shop.tenant)


def test_through_a_pooler(server, pooler, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    # More workers than the pool has connections; names must differ, or they replace each other.
    runs = [run(pooler.dsn, credit=500, hold_ms=20, name=i) for i in range(4)]
    lines = [cli.finish() for cli in runs]
    assert check_all(server.dsn, ids, lines, campaign, shop.tenant) == []


def test_pooler_loses_its_servers(server, pooler, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    cli = run(pooler.dsn, credit=300, hold_ms=40, jobs=MANY, idle_ms=60000)
    time.sleep(0.4)
    kill_twice(server)
    assert check_all(server.dsn, ids, [cli.finish()], campaign, shop.tenant) == []
