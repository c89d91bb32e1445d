"""Postgres forgets what it had committed: a standby that lagged is promoted, or a backup is put back."""
import collections
import os
import pathlib
import shutil
import signal
import subprocess
import time

import psycopg2
import pytest
from mtalib import ROOT, WORLD, Stack
from nodelib import Node

pytestmark = pytest.mark.alone

PGTEMP = ROOT / "tests" / "pgtemp"
MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))
SLOW = "\nrules:\n  - at: mail\n    delay: 10ms\n"
CONFIG = {"default_site": {"connections": 2}, "lease": {"duration": "20s", "renew": "500ms", "autonomy": "10s"},
          "timeouts": {"scale": 0.01}, "retry": {"first": "1s", "jitter": "0%"}}


def people(n, domains=10):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def taken(s):
    """How often each job is in the ledger."""
    return collections.Counter(line["job"] for line in s.world.ledger())


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


class Server:
    """A throwaway cluster that is stopped, copied, followed and promoted."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.data = self.directory / "data"
        self.bin = pathlib.Path(subprocess.run(
            ["bash", "-c", "ls -d /usr/lib/postgresql/*/bin /usr/local/pgsql/bin 2>/dev/null | tail -n 1"],
            stdout=subprocess.PIPE, text=True, check=True).stdout.strip())
        self.user = [] if os.getuid() else ["setpriv", f"--reuid={self.directory.owner()}", f"--regid={self.directory.group()}",
                                            "--clear-groups"]

    @classmethod
    def start(cls):
        answer = subprocess.run([PGTEMP, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        server = cls(answer[0])
        for path in MIGRATIONS:
            server.execute(path.read_text())
        return server

    def run(self, *command):
        subprocess.run([*self.user, *map(str, command)], check=True, cwd=self.directory, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def control(self, *words):
        self.run(self.bin / "pg_ctl", "-D", self.data, "-l", self.directory / "log", "-w", *words)

    def dsn(self):
        return f"host={self.directory} user=postgres dbname=postgres"

    def execute(self, text):
        connection = psycopg2.connect(self.dsn())
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(text)
            rows = cursor.fetchall() if cursor.description else None
        connection.close()
        return rows

    def backup(self):
        """Copied while it is stopped; it runs again afterwards."""
        self.control("stop", "-m", "fast")
        self.run("cp", "-a", self.data, self.directory / "copy")
        self.control("start")

    def restore(self):
        self.control("stop", "-m", "immediate")
        shutil.rmtree(self.data)
        os.rename(self.directory / "copy", self.data)
        self.control("start")

    def follow(self, other):
        """Becomes a standby of the other, asynchronous."""
        self.control("stop", "-m", "immediate")
        shutil.rmtree(self.data)
        self.run(self.bin / "pg_basebackup", "-D", self.data, "-R", "-X", "stream", "-c", "fast", "-d", other.dsn())
        with open(self.data / "postgresql.conf", "a", encoding="ascii") as conf:
            conf.write(f"unix_socket_directories = '{self.directory}'\n")
        self.control("start")

    def lag(self):
        """It hears nothing more of its primary."""
        self.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.execute("SELECT pg_reload_conf()")
        until(lambda: self.execute("SELECT count(*) FROM pg_stat_wal_receiver") == [(0,)])

    def close(self):
        subprocess.run([PGTEMP, "stop", self.directory], check=True)


@pytest.fixture
def servers():
    made = []

    def make():
        made.append(Server.start())
        return made[-1]

    yield make
    for server in made:
        server.close()


def reconnect(s):
    """The test's own session, after the server went."""
    from penguin import Session
    s.shop.session = Session(s.dsn)


def enter(s, campaign, recipients):
    """As an application does that fills the inbox."""
    from penguin import uuid7
    for recipient in recipients:
        s.shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient, vars) VALUES (%s, %s, %s, %s,"
                             " '{\"name\": \"x\"}')", s.shop.tenant, uuid7(), campaign, recipient)


@pytest.mark.parametrize("ended", ["in order", "killed"])
def test_fault_F23_a_restore_to_earlier_sends_nothing_twice(servers, tmp_path, ended):
    """The backup has the whole campaign waiting, a third of it in the inbox; much is sent, some was deferred before."""
    rule = SLOW + "  - at: rcpt\n    nth: 1-1\n    per: recipient\n    domain: d1.test\n    reply: 451 4.7.1 later\n"
    server = servers()
    with Stack(server.dsn(), tmp_path, world=WORLD + rule, config=CONFIG) as s:
        s.alone = True
        campaign = s.campaign()
        s.enqueue(campaign, people(100))
        enter(s, campaign, [f"late{i}@d{i % 10 + 1}.test" for i in range(50)])
        s.shop.session.close()
        server.backup()
        reconnect(s)
        s.start()
        s.wait(campaign, lambda a: a.get("delivered", 0) >= 60)
        if ended == "in order":
            s.stop()
        else:
            s.kill()
        sent = taken(s)
        known = len(s.attempts(campaign))
        assert known >= 60
        s.shop.session.close()
        server.restore()
        reconnect(s)
        assert s.account(campaign) == {"waiting": 150} and s.attempts(campaign) == []
        s.start()
        assert s.wait(campaign) == {"delivered": 150}
        count = taken(s)
        twice = {job for job, n in count.items() if n > 1}
        assert len(count) == 150
        doubts = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 16}
        assert twice <= doubts and len(twice) <= (0 if ended == "in order" else 20), (len(twice), len(doubts))
        assert {row["flags"] & 1 for row in s.attempts(campaign) if row["job_id"] in twice and not row["flags"] & 16} <= {1}
        assert set(sent) <= set(count)
        s.shop.account(campaign)
        assert s.log_text().count("\nhistory_lost ") == 1
        s.stop()
        s.start()
        until(lambda: s.log_text().count("postgres_up") == 3)
        time.sleep(1)
        assert s.log_text().count("\nhistory_lost ") == 1, "it is mended"
        s.stop()


def fail_over(s, one, other):
    """The primary is gone, the standby takes its place; the engine finds out, and ends."""
    s.shop.session.close()
    one.control("stop", "-m", "immediate")
    other.control("promote")
    reconnect(s)
    assert s.mta.wait(30) == 75
    s.log.close()


@pytest.mark.parametrize("claimed", ["known", "forgotten"])
def test_fault_F22_a_promoted_standby_that_lagged_sends_nothing_twice(servers, tmp_path, claimed):
    """Half of the campaign was sent while the standby heard nothing: claims, results, closes and retries are lost."""
    rule = SLOW + "  - at: rcpt\n    nth: 1-1\n    per: recipient\n    domain: d1.test\n    reply: 451 4.7.1 later\n"
    one, other = servers(), servers()
    other.follow(one)
    dsn = f"host={one.directory},{other.directory} user=postgres dbname=postgres target_session_attrs=read-write"
    with Stack(dsn, tmp_path, world=WORLD + rule, config=CONFIG) as s:
        s.alone = True
        campaign = s.campaign()
        s.enqueue(campaign, people(200))
        replicated = one.execute("SELECT pg_current_wal_flush_lsn()")[0][0]
        until(lambda: other.execute(f"SELECT pg_last_wal_replay_lsn() >= '{replicated}'") == [(True,)])
        if claimed == "forgotten":
            other.lag()
        s.start()
        s.wait(campaign, lambda a: a.get("delivered", 0) + a.get("leased", 0) >= 100)
        if claimed == "known":
            s.wait(campaign, lambda a: len(s.world.ledger()) >= 30)
            other.lag()
        behind = len(s.world.ledger())
        until(lambda: sum(row["state"] == "delivered" for row in s.attempts(campaign)) >= behind + 50)
        fail_over(s, one, other)
        known = other.execute("SELECT count(*) FROM penguin.workers")
        assert known == [(1 if claimed == "known" else 0,)]
        assert s.account(campaign).get("leased", 0) == 0 or claimed == "known"
        assert sum(s.account(campaign).values()) == 200
        s.start()
        assert s.wait(campaign) == {"delivered": 200}
        count = taken(s)
        assert len(count) == 200 and set(count.values()) == {1}
        assert len({row["job_id"] for row in s.attempts(campaign) if row["state"] == "delivered"}) == 200
        s.shop.account(campaign)
        s.stop()


def test_fault_F22_another_node_waits_until_the_first_has_told(servers, tmp_path):
    """A has sent what the standby knows nothing of, and stands still when that is promoted: B comes back first."""
    one, other = servers(), servers()
    other.follow(one)
    dsn = f"host={one.directory},{other.directory} user=postgres dbname=postgres target_session_attrs=read-write"
    with Stack(dsn, tmp_path, world=WORLD + SLOW, config=CONFIG) as s, Node(s, "b", "127.0.5.2") as b:
        s.alone = b.alone = True
        campaign = s.campaign()
        b.start()
        s.start()
        until(lambda: one.execute("SELECT count(*) FROM penguin.workers") == [(2,)])
        for node in (s, b):
            node.mta.send_signal(signal.SIGSTOP)
        s.enqueue(campaign, people(200))
        replicated = one.execute("SELECT pg_current_wal_flush_lsn()")[0][0]
        until(lambda: other.execute(f"SELECT pg_last_wal_replay_lsn() >= '{replicated}'") == [(True,)])
        other.lag()
        s.mta.send_signal(signal.SIGCONT)
        until(lambda: sum(row["state"] == "delivered" for row in s.attempts(campaign)) >= 50)
        s.mta.send_signal(signal.SIGSTOP)
        known = len(s.attempts(campaign))
        s.shop.session.close()
        one.control("stop", "-m", "immediate")
        other.control("promote")
        reconnect(s)
        assert len(s.attempts(campaign)) < known
        b.mta.send_signal(signal.SIGCONT)
        time.sleep(3)
        s.mta.send_signal(signal.SIGCONT)
        assert s.mta.wait(30) == 75
        s.log.close()
        time.sleep(1)
        s.start()
        assert s.wait(campaign) == {"delivered": 200}
        count = taken(s)
        assert len(count) == 200 and set(count.values()) == {1}
        s.shop.account(campaign)
        s.stop()
        b.stop()
