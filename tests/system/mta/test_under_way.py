"""Reload, drain, fence, erase, and policies, while jobs are queued and messages on the wire."""
import os
import pathlib
import re
import signal
import subprocess
import time

from mtalib import BUILD, MTA, WORLD
from nodelib import Node

SLOW = "\nrules:\n  - at: mail\n    delay: 100ms\n"
CLOSES_LATE = "\nrules:\n  - at: mail\n    messages: 1-1000\n    delay: 2s\n    then: close\n"


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def test_a_reload_takes_what_is_queued_along(stack):
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        for jobs in (500, 600, 700):
            s.reload(limits={"jobs": jobs})
            time.sleep(0.5)
        assert s.check(campaign) == {"delivered": 300}
        s.stop()


def test_a_reload_that_removes_the_source_uses_the_other(stack):
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(200))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        s.reload(sources={"s1": None, "s2": {"ipv4": "127.0.5.2", "ehlo": "s2.shop.test"}},
                 pools={"default": {"sources": ["s2"]}})
        assert s.check(campaign) == {"delivered": 200}
        assert {line["source"] for line in s.world.ledger()} == {"127.0.5.1", "127.0.5.2"}
        assert s.world.ledger()[-1]["source"] == "127.0.5.2"
        s.stop()


def test_a_drain_ends_when_jobs_come_back_from_the_wire(stack):
    with stack(world=WORLD + CLOSES_LATE, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(10))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 3)
        time.sleep(0.5)
        s.stop()
        account = s.account(campaign)
        assert account.pop("delivered") == len(s.world.ledger())
        assert sum(account.values()) == 10 - len(s.world.ledger()) and "leased" not in account


def test_sup_D3_the_second_term_does_not_wait(stack):
    with stack(world=WORLD + "\nrules:\n  - at: mail\n    delay: 60s\n", config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(10))
        s.start()
        s.wait(campaign, lambda a: a.get("leased") == 10)
        time.sleep(1)
        s.mta.terminate()
        time.sleep(1)
        assert s.mta.poll() is None
        s.stop(timeout=30)  # of 60
        assert "leased" not in s.account(campaign)


def test_a_fenced_worker_ends_and_its_successor_sends_the_rest(stack):
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 2}, "lease": {"renew": "300ms"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start_worker()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        s.shop.session.query("UPDATE penguin.workers SET state = 'dead'")
        assert s.mta.wait(30) == 75
        s.start()
        s.wait(campaign, timeout=90)
        lost, _, misreported = s.join(campaign)
        assert s.account(campaign) == {"delivered": 300} and not lost and not misreported
        s.stop()


def test_a_second_instance_of_the_node_does_not_start(stack):
    with stack(world=WORLD + SLOW) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(200))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        second = subprocess.run([MTA, "-c", s.directory / "penguin-mta.yaml"], stderr=subprocess.PIPE, text=True,
                                timeout=30, check=False)
        assert second.returncode == 75 and "another penguin-mta of node" in second.stderr
        assert s.check(campaign) == {"delivered": 200}
        s.stop()


def two_domains(stack, **config):
    """After d2's mail a connection may be open; d1, on the same host, demands TLS that is not offered."""
    world = WORLD.replace('mx: ["10 mx{1%3+1}.post.test"]', 'mx: ["10 mx1.post.test"]')
    with stack(world=world, config=config) as s:
        if "routes" in s.config:
            for route in s.config["routes"].values():
                route["host"] = f"127.0.10.1:{s.world.smtp_port}"
        first = s.campaign()
        second = s.campaign(expires_s=4)
        s.enqueue(first, ["x@d2.test"])
        s.start()
        s.wait(first)
        s.enqueue(second, ["secret@d1.test"])
        s.wait(second)
        assert s.account(second) == {"expired": 1}
        assert [line["recipient"] for line in s.world.ledger()] == ["x@d2.test"]
        s.stop()


def test_threat_C18_a_providers_tls_is_not_lost_on_a_shared_host(stack):
    two_domains(stack, providers={"big": {"domains": ["d1.test"], "tls": "required"}})


def test_threat_C18_a_routes_tls_is_not_lost_on_a_shared_host(stack):
    two_domains(stack, routes={"d2.test": {"tls": "none", "host": ""}, "d1.test": {"tls": "required", "host": ""}})


def test_who_is_erased_while_at_hand_gets_nothing(stack):
    slow = "\nrules:\n  - at: mail\n    delay: 2s\n"
    with stack(world=WORLD + slow, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d1.test" for i in range(4)])
        s.start()
        s.wait(campaign, lambda a: a.get("leased") == 4)
        subprocess.run([BUILD / "src/main/penguinctl", "-d", s.dsn, "erase", "u3@d1.test"], check=True,
                       stdout=subprocess.DEVNULL)
        s.wait(campaign)
        assert {line["recipient"] for line in s.world.ledger()} == {"u0@d1.test", "u1@d1.test", "u2@d1.test"}
        assert s.account(campaign) == {"delivered": 3, "suppressed": 1}
        s.stop()


def test_term_during_the_start_is_a_drain(stack):
    """The start is held up for a second behind the first thing the loop asks of the kernel."""
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        slow = ["strace", "-qq", "-o", "/dev/null", "-e", "trace=epoll_create1",
                "-e", "inject=epoll_create1:delay_enter=1s:when=1"]
        tracer = subprocess.Popen([*slow, MTA, "-c", s.write_config(), "--worker", "w0"], stderr=subprocess.PIPE, text=True,
                                  env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        children = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children")
        time.sleep(0.6)
        os.kill(int(children.read_text().split()[0]), signal.SIGTERM)
        _, said = tracer.communicate(timeout=30)
        assert tracer.returncode == 0 and "stopped" in said, said
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()


def test_a_pool_without_a_source_is_told_once_a_minute(stack):
    with stack() as s:
        for _ in range(3):
            s.enqueue(s.campaign(pool="nowhere"), [f"user{i}@d1.test" for i in range(50)])
        works = s.campaign()
        s.enqueue(works, ["ann@d1.test"])
        s.start()
        assert s.check(works) == {"delivered": 1}
        time.sleep(2)
        s.stop()
        assert len(re.findall("^no_source pool=nowhere", s.log_text(), re.M)) == 1
        assert len(s.world.ledger()) == 1


def test_a_worker_has_one_name(stack):
    """w7 and w007 would be two journals, and the supervisor looks for one."""
    with stack() as s:
        for name in ("w007", "w00", "w", "x1", "w1x", "w1000000"):
            done = subprocess.run([MTA, "-c", s.write_config(), "--worker", name], capture_output=True, text=True, check=False,
                                  timeout=30)
            assert done.returncode == 64 and "no name of a worker" in done.stderr, name


def test_jobs_of_a_pool_that_another_node_has_are_left_to_it(stack):
    """This one claims few of them, to say that it has no such pool."""
    with stack() as s, Node(s, "b", "127.0.5.2") as b:
        b.config["pools"] = {"theirs": {"sources": ["b"]}}
        theirs = s.campaign(pool="theirs")
        s.enqueue(theirs, [f"user{i}@d{i % 50 + 1}.test" for i in range(500)])
        s.start()
        s.wait(theirs, lambda a: "no_source pool=theirs" in s.log_text())
        b.start()
        s.wait(theirs, lambda a: a.get("delivered", 0) >= 490)
        assert {line["source"] for line in s.world.ledger()} == {"127.0.5.2"}
        b.stop()
        s.stop()
        assert len(s.world.ledger()) >= 490


def test_smtp_M14_the_second_term_leaves_a_doubt_behind_a_dot(stack):
    """The host has all of the message and thinks; whoever ends us then cannot know."""
    rule = "\nrules:\n  - at: dot\n    nth: 1-1\n    accept: true\n    delay: 20s\n"
    with stack(world=WORLD + rule, config={"retry": {"first": "1s", "jitter": "0%"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: s.world.ledger())
        s.mta.terminate()
        time.sleep(0.3)
        s.stop(timeout=15)  # of 20
        rows = s.attempts(campaign)
        assert [(row["state"], row["flags"]) for row in rows] == [("retrying", 16)], rows
        s.start()
        assert s.check(campaign, duplicates=True) == {"delivered": 1}
        assert [row["flags"] for row in s.attempts(campaign)] == [16, 1]
        s.stop()


def test_smtp_M14_a_reset_behind_the_354_is_sent_again_without_a_doubt(stack):
    """Nothing of body and dot left; a campaign that assumes doubts sent must not assume this."""
    rule = "\nrules:\n  - at: data\n    nth: 1-1\n    reply: 354 go\n    then: reset\n"
    with stack(world=WORLD + rule, config={"retry": {"first": "1s", "jitter": "0%"}}) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'assume_sent'")
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        assert [row["flags"] & 1 for row in s.attempts(campaign)] == [0, 0]
        s.stop()


SLOW_CLAIMS = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3); RETURN NEW; END';
CREATE TRIGGER slow BEFORE UPDATE ON penguin.batches FOR EACH ROW
    WHEN (OLD.owner IS NULL AND NEW.owner IS NOT NULL) EXECUTE FUNCTION slow();
"""


def claiming(s):
    return s.shop.session.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                "AND wait_event = 'PgSleep'")


def test_a_drain_gives_back_what_was_being_claimed(stack):
    """The claim's answer is three seconds away when the worker is told to stop."""
    with stack() as s:
        campaign = s.campaign()
        s.shop.session.query(SLOW_CLAIMS)
        s.enqueue(campaign, people(40))
        s.start()
        s.wait(campaign, lambda _: claiming(s))
        s.stop()
        assert s.account(campaign) == {"waiting": 40}
        assert s.shop.session.query("SELECT bool_or(suspect), max(leases) FROM penguin.batches") == [(False, 0)]
        s.shop.session.query("DROP TRIGGER slow ON penguin.batches")
        s.start()
        assert s.check(campaign) == {"delivered": 40}
        assert {row[0] for row in s.shop.session.query("SELECT DISTINCT flags FROM penguin.attempts")} == {0}
        s.stop()


def test_a_drain_gives_back_what_a_lost_answer_had_claimed(stack):
    """The claim was committed, and the connection went before its answer came."""
    with stack() as s:
        campaign = s.campaign()
        s.shop.session.query(SLOW_CLAIMS)
        s.enqueue(campaign, people(40))
        s.start()
        s.wait(campaign, lambda _: claiming(s))
        # As if the claim had gone through: its rows, under a token that the worker does not remember.
        s.shop.session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                             "current_database() AND wait_event = 'PgSleep'")
        s.mta.terminate()
        s.shop.session.query("DROP TRIGGER slow ON penguin.batches")
        s.shop.session.query("UPDATE penguin.batches SET owner = w.id, token = gen_random_uuid(), leases = 1 "
                             "FROM penguin.workers w WHERE w.state = 'live'")
        s.stop()
        assert s.account(campaign) == {"waiting": 40}
        assert s.shop.session.query("SELECT bool_or(suspect), max(leases) FROM penguin.batches") == [(True, 0)], "who claims them looks"
