"""Several engines on one Postgres: who may be which node, what they see of each other, and a Postgres that moves."""
import collections
import json
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest
from mtalib import MTA, WORLD, merged

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "ctl"))

from ctllib import Ctl  # noqa: E402

pytestmark = pytest.mark.alone

SLOW = "\nrules:\n  - at: mail\n    delay: 10ms\n"
QUICK = {"lease": {"duration": "20s", "renew": "300ms", "autonomy": "5s"}, "timeouts": {"scale": 0.01},
         "retry": {"first": "1s", "jitter": "0%"}}
MACHINE_ID = "/etc/machine-id"


def people(n, domains=10):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def taken(s):
    return collections.Counter(line["job"] for line in s.world.ledger())


def until(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def nodes(ctl):
    return [json.loads(line) for line in ctl.run("node", "list", "--json").splitlines()]


class Proxy:
    """A Unix socket before Postgres.  With `until` in what a client says, that client hears nothing more."""

    def __init__(self, server_dir, deaf_after=None):
        self.target = f"{server_dir}/.s.PGSQL.5432"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgproxy."))
        self.deaf_after, self.deaf = deaf_after, threading.Event()
        self.open = True
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.directory / ".s.PGSQL.5432"))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        pairs = {}
        while self.open:
            for ready in select.select([self.listener, *pairs], [], [], 0.05)[0]:
                if ready is self.listener:
                    client, server = self.listener.accept()[0], socket.socket(socket.AF_UNIX)
                    server.connect(self.target)
                    pairs[client], pairs[server] = (server, True), (client, False)
                elif ready in pairs:
                    self.pass_on(ready, pairs)
        for one in pairs:
            one.close()

    def pass_on(self, ready, pairs):
        peer, from_client = pairs[ready]
        try:
            data = ready.recv(65536)
            if self.deaf_after and from_client and self.deaf_after in data:
                self.deaf.set()
            if data and not (self.deaf.is_set() and not from_client):
                peer.sendall(data)
        except OSError:
            data = b""
        if not data:
            for one in (ready, peer):
                del pairs[one]
                one.close()

    def close(self):
        self.open = False
        self.thread.join()
        self.listener.close()
        shutil.rmtree(self.directory)


def start_on_another_machine(s, directory):
    """The machine's id is another; and so is the name of the lock, which one network namespace shares."""
    if not os.path.exists(MACHINE_ID):
        pytest.skip("there is no /etc/machine-id to be another")
    other = directory / "machine-id"
    other.write_text("0123456789abcdef0123456789abcdef\n")
    if subprocess.run(["unshare", "-m", "mount", "--bind", other, MACHINE_ID], check=False, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no mount namespace may be made here: the machine's id cannot be another")
    s.run(["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/machine-id && exec "$@"', other, MTA, "-c",
           s.write_config(postgres={"dsn": s.dsn + " application_name=other"})])


def test_fault_F25_a_second_machine_with_the_same_node_does_not_start(stack, tmp_path):
    with stack(world=WORLD + SLOW, config=QUICK) as first, stack(config=QUICK) as second:
        ctl = Ctl(first.dsn, tmp_path)
        campaign = first.campaign()
        first.enqueue(campaign, people(30))
        first.start(node="n1")
        first.wait(campaign, lambda a: first.world.ledger())
        theirs = second.campaign()
        second.enqueue(theirs, people(3))
        second.config = merged(second.config, {"node": "n1", "pools": {"default": None, "other": {"sources": ["s1"]}}})
        start_on_another_machine(second, tmp_path)
        assert second.mta.wait(20) == 77
        said = second.log_text()
        assert "\nnode_taken " in said and pathlib.Path(MACHINE_ID).read_text().strip() in said
        assert "penguinctl node dead n1" in said
        assert second.world.ledger() == []
        assert first.wait(campaign) == {"delivered": 30}, "and the first goes on"
        assert first.mta.poll() is None and [n["state"] for n in nodes(ctl)].count("live") == 1
        first.kill()
        start_on_another_machine(second, tmp_path)
        assert second.mta.wait(20) == 77, "its lease holds: it may be alive"
        ctl.run("node", "dead", "n1", "--yes", "--force")
        start_on_another_machine(second, tmp_path)
        until(lambda: [n["state"] for n in nodes(ctl)].count("live") == 1)
        second.stop()


def test_fault_F25_a_second_engine_on_the_same_machine_does_not_start(stack):
    with stack(config=QUICK) as first, stack(config=QUICK) as second:
        first.start(node="n1")
        until(lambda: "postgres_up" in first.log_text())
        second.start(node="n1")
        assert second.mta.wait(20) == 75
        assert "another penguin-mta of node 'n1' runs on this machine" in second.log_text()
        assert first.mta.poll() is None
        first.stop()


def test_node_N1_a_worker_that_an_operator_calls_dead_stops_at_its_next_word(stack, tmp_path):
    """It renews once an hour, and hears of it with its next report."""
    config = {**QUICK, "lease": {"duration": "6h", "renew": "1h"}, "timeouts": {"scale": 0.001}}
    with stack(world=WORLD + SLOW.replace("10ms", "250ms"), config=config) as s:
        ctl = Ctl(s.dsn, tmp_path)
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start(node="n1")
        s.wait(campaign, lambda a: len(s.attempts(campaign)) > 5)
        said = ctl.run("node", "dead", "n1", "--yes", "--force")
        assert "sent twice" in said and "dead; " in said
        assert s.mta.wait(20) == 75
        s.log.close()
        sent = len(s.world.ledger())
        assert sent < 300
        s.start(node="n1")
        assert s.wait(campaign) == {"delivered": 300}
        count = taken(s)
        flagged = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 3}
        assert len(count) == 300 and {job for job, n in count.items() if n > 1} <= flagged
        s.shop.account(campaign)
        s.stop()


def test_node_N2_nodes_that_send_by_other_rules_are_told(stack, tmp_path):
    with stack(config=QUICK) as first, stack(config=QUICK) as second:
        ctl = Ctl(first.dsn, tmp_path)
        port = {"port": first.world.smtp_port}
        first.start(node="n1", delivery=port)
        second.start(node="n2", delivery=port, sources={"s1": {"ipv4": "127.0.5.2"}}, limits={"memory": "64MiB"})
        until(lambda: len(nodes(ctl)) == 2 and len({n["config"] for n in nodes(ctl)}) == 1)
        time.sleep(1)
        assert not any(n["differs"] for n in nodes(ctl)), "addresses and sizes are the machine's"
        assert "settings_differ" not in first.log_text() + second.log_text()
        second.reload(retry={"first": "2s"})
        until(lambda: "\nsettings_differ " in first.log_text() and "\nsettings_differ " in second.log_text())
        assert [n["differs"] for n in nodes(ctl)] == [True, True]
        assert len(ctl.run("node", "list").splitlines()) == 3
        time.sleep(1)
        assert first.log_text().count("\nsettings_differ ") == 1, "once"
        second.reload(retry={"first": "1s"})
        until(lambda: "\nsettings_alike " in first.log_text() and "\nsettings_alike " in second.log_text())
        assert not any(n["differs"] for n in nodes(ctl))
        second.stop()
        first.stop()


def test_node_N3_a_worker_that_drains_says_so(stack, tmp_path):
    rule = "\nrules:\n  - at: mail\n    delay: 3s\n"
    with stack(world=WORLD + rule, config=QUICK) as s:
        ctl = Ctl(s.dsn, tmp_path)
        campaign = s.campaign()
        s.enqueue(campaign, people(1))
        s.start(node="n1")
        s.wait(campaign, lambda a: a.get("leased") == 1)
        assert [(n["state"], n["held"], n["ended_us"]) for n in nodes(ctl)] == [("live", 1, None)]
        time.sleep(0.5)
        s.mta.send_signal(signal.SIGTERM)
        until(lambda: nodes(ctl)[0]["state"] == "draining")
        s.stop()
        (node,) = nodes(ctl)
        assert (node["state"], node["held"]) == ("stopped", 0) and node["ended_us"] is not None and node["version"] == "0.1.0"


def test_fault_F2_a_claim_that_was_committed_and_never_heard_of_is_freed(cluster, stack):
    """The claim's COMMIT is through, its answer is not, and the worker dies: nothing of it was sent, nothing is flagged."""
    proxy = Proxy(cluster.directory, deaf_after=b"WITH asked AS (")
    try:
        with stack(config=QUICK) as s:
            campaign = s.campaign()
            s.start(postgres={"dsn": s.dsn.replace(cluster.directory, str(proxy.directory))})
            until(lambda: s.shop.session.value("SELECT count(*) FROM penguin.workers WHERE state = 'live'") == 1)
            time.sleep(1)
            s.enqueue(campaign, people(20))
            s.wait(campaign, lambda a: a.get("leased", 0) > 0)
            assert proxy.deaf.is_set()
            s.kill()
            assert s.world.ledger() == []
            s.start(postgres={"dsn": s.dsn})
            assert s.check(campaign) == {"delivered": 20}
            assert {row["flags"] for row in s.attempts(campaign)} == {0}
            s.stop()
    finally:
        proxy.close()


def test_fault_F21_postgres_comes_back_elsewhere_with_all_its_commits(cluster, stack):
    """A claim is committed and not answered when the connections end; two seconds later the next host of the list is there."""
    one = Proxy(cluster.directory)
    other = None
    try:
        with stack(world=WORLD + SLOW, config=QUICK) as s:
            place = pathlib.Path(tempfile.mkdtemp(prefix="pgproxy."))
            s.enqueue(campaign := s.campaign(), people(100))
            s.start(postgres={"dsn": s.dsn.replace(cluster.directory, f"{one.directory},{place}")})
            s.wait(campaign, lambda a: len(s.world.ledger()) > 20)
            one.deaf_after = b"WITH asked AS ("
            s.enqueue(campaign, people(200))
            s.wait(campaign, lambda a: one.deaf.is_set() and a.get("leased", 0) >= 200)
            one.close()
            time.sleep(2)
            other = Proxy(cluster.directory)
            place.rmdir()
            place.symlink_to(other.directory)
            assert s.check(campaign) == {"delivered": 300}
            assert {row["flags"] for row in s.attempts(campaign)} == {0}
            assert s.log_text().count("\npostgres_up") == 2 and "history_lost" not in s.log_text()
            s.stop()
            place.unlink()
    finally:
        for proxy in (one, other):
            if proxy is not None and proxy.open:
                proxy.close()
