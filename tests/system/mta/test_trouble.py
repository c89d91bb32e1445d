"""Hosts, networks, Postgres and we ourselves fail: nothing is lost."""
import json
import time

import pytest
from mtalib import WORLD, wait_for
from penguin import Worker, uuid7


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def test_smtp_M15_the_worker_killed_ten_times_loses_nothing(stack):
    slow = "\nrules:\n  - at: mail\n    delay: 20ms\n"
    with stack(world=WORLD + slow, config={"lease": {"duration": "3s", "renew": "300ms", "autonomy": "0s"},
                                           "timeouts": {"scale": 0.001}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(3000))
        for round_ in range(10):
            s.start()
            s.wait(campaign, lambda a, n=round_: len(s.world.ledger()) > 60 * (n + 1))
            s.kill()
        s.start()
        s.wait(campaign, timeout=300)
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported
        assert s.account(campaign) == {"delivered": 3000}
        assert {line["recipient"] for line in s.world.ledger()} == set(people(3000))
        # Ten kills, and at most one message of each connection: two at each of fifty sites.
        assert len(duplicate) <= 10 * 2 * 50
        doubted = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 16}
        assert set(duplicate) <= doubted
        s.stop()


def test_a_dead_host_defers_and_the_next_one_delivers(stack):
    world = WORLD + """
  - domain: half.test
    mx: ["10 dead.post.test", "20 mx1.post.test"]
  - domain: dead.test
    mx: ["10 dead.post.test"]
  - domain: dead.post.test
    a: 127.0.99.9
  - domain: null.test
    mx: "0 ."
"""
    with stack(world=world) as s:
        campaign = s.campaign(expires_s=6)
        s.enqueue(campaign, ["a@half.test", "a@dead.test", "a@null.test", "a@nowhere.test", "a@d1.test"])
        s.start()
        account = s.check(campaign)
        assert account == {"delivered": 2, "expired": 1, "bounced": 2}, s.attempts(campaign)
        reached = {line["recipient"] for line in s.world.ledger()}
        assert reached == {"a@half.test", "a@d1.test"}
        s.stop()


def test_postgres_away_in_mid_campaign_loses_nothing(stack):
    slow = "\nrules:\n  - at: mail\n    delay: 50ms\n"
    with stack(world=WORLD + slow) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1500))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) > 50)
        for _ in range(5):
            s.shop.session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                                 " WHERE application_name = 'penguin-mta' AND datname = current_database()")
            time.sleep(0.4)
        assert s.check(campaign) == {"delivered": 1500}
        s.stop()


def test_behind_a_broken_connection_nobody_is_waited_for(stack):
    """The server ran on, so it has forgotten nothing of what a worker that is silent had done."""
    with stack() as s:
        Worker(s.dsn, "w9")
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.shop.session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                             " WHERE application_name = 'penguin-mta' AND datname = current_database()")
        wait_for(lambda: s.log_text().count("postgres_up") == 2)
        second = s.campaign()
        s.enqueue(second, ["bob@d1.test"])
        assert s.wait(second) == {"delivered": 1}
        s.stop()
        assert "claims_wait" not in s.log_text()


def test_smtp_M14_a_lost_answer_to_the_dot_is_in_doubt_and_sent_again(stack):
    rule = "\nrules:\n  - at: dot\n    nth: 1-1\n    accept: true\n    then: reset\n"
    with stack(world=WORLD + rule) as s:
        campaign = s.campaign()
        (job,) = s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign)
        assert s.account(campaign) == {"delivered": 1}
        first, second = s.attempts(campaign)
        assert first["phase"] == "dot"
        assert [first["flags"], second["flags"]] == [16, 1]  # in doubt, possible duplicate: said, not hidden
        assert s.shop.session.value("SELECT sum(duplicates) FROM penguin.campaign_stats") == 1
        lines = [json.loads(line) for line in (s.directory / "delivery.log").read_text().splitlines()]
        assert [(line["action"], line["possible_duplicate"]) for line in lines] == [("doubt", False), ("deliver", True)]
        assert [line["job"] for line in s.world.ledger()] == [job, job]
        assert len({line["sha256"] for line in s.world.ledger()}) == 1
        s.stop()


def test_smtp_M14_who_sends_a_doubt_again_by_hand_is_told_that_it_is_one(stack):
    """on_in_doubt: hold; the operator decides that it goes again, and the receiver puts that off once."""
    rule = ("\nrules:\n  - {at: dot, nth: 1-1, accept: true, then: reset}\n"
            "  - {at: dot, nth: 1-1, reply: 451 4.3.0 later}\n")
    with stack(world=WORLD + rule) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'hold'")
        (job,) = s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign)
        assert s.account(campaign) == {"in_doubt": 1}
        assert s.shop.session.run("doubt_retry", s.shop.tenant, job, 0)
        assert s.wait(campaign) == {"delivered": 1}
        assert [row["flags"] & 17 for row in s.attempts(campaign)] == [0, 16, 1, 1]
        assert [line["job"] for line in s.world.ledger()] == [job, job]
        s.stop()


def test_smtp_R2_a_doubt_at_the_end_of_a_lifetime_is_no_expiry(stack):
    """The receiver has them. One is in doubt to the end, one is put off behind it, one meets no worker any more."""
    world = WORLD.replace("d[1-50].test", "d[1-3].test") + """
rules:
  - {at: dot, domain: d1.test, accept: true, then: reset}
  - {at: dot, domain: d2.test, nth: 1-1, accept: true, then: reset}
  - {at: dot, domain: d2.test, reply: 451 4.3.0 later}
  - {at: dot, domain: d3.test, accept: true, then: reset}
"""
    with stack(world=world) as s:
        campaign, late = s.campaign(expires_s=6), s.campaign(expires_s=6)
        s.enqueue(campaign, ["ann@d1.test", "bob@d2.test"])
        s.start(retry={"first": "4s", "max": "4s"})
        assert s.check(campaign, duplicates=True) == {"in_doubt": 2}
        s.enqueue(late, ["eve@d3.test"])
        s.wait(late, lambda a: a.get("retrying") == 1)
        s.stop()
        time.sleep(6)
        s.start()
        assert s.wait(late) == {"in_doubt": 1}
        assert {line["recipient"] for line in s.world.ledger()} == {"ann@d1.test", "bob@d2.test", "eve@d3.test"}
        s.stop()


SUPPRESS = "INSERT INTO penguin.suppressions (tenant_id, address, stream, reason) VALUES (%s, 'ann@d1.test', '*', 'unsubscribe')"


@pytest.mark.parametrize("end", ["campaign_cancel", "campaign_finish", "suppressed"])
def test_smtp_R2_a_doubt_that_is_not_tried_again_is_not_said_to_be_unsent(stack, end):
    """The receiver took it and its answer was lost; before the next attempt nobody wants it sent any more."""
    rule = "\nrules:\n  - at: dot\n    nth: 1\n    accept: true\n    then: reset\n"
    with stack(world=WORLD + rule, config={"retry": {"first": "4s", "max": "4s"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: a == {"retrying": 1})
        if end == "suppressed":
            s.shop.session.query(SUPPRESS, s.shop.tenant)
        else:
            s.shop.session.run(end, s.shop.tenant, campaign, "enough")
        assert s.check(campaign) == {"in_doubt": 1}
        assert s.attempts(campaign)[-1]["state"] == "in_doubt"
        (told,) = s.shop.session.run("doubt_list", s.shop.tenant, campaign, 10)
        assert s.shop.session.run("doubt_end", s.shop.tenant, told["job_id"], "delivered", "they said so", 0)
        assert s.check(campaign) == {"delivered": 1}
        s.stop()


def test_loopback_is_refused_by_default(stack):
    with stack(config={"guard": {"allow": []}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(10))
        s.start()
        account = s.check(campaign)
        assert account == {"bounced": 10} or account == {"failed": 10}, s.attempts(campaign)
        assert s.world.events("connect") == []
        s.stop()


def test_sigterm_gives_back_what_was_not_sent(stack):
    slow = "\nrules:\n  - at: mail\n    delay: 100ms\n"
    with stack(world=WORLD + slow, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(500))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) > 10)
        s.stop()
        account = s.account(campaign)
        assert account == {"delivered": len(s.world.ledger()), "waiting": 500 - len(s.world.ledger())}
        s.start()
        assert s.check(campaign) == {"delivered": 500}
        s.stop()


def test_results_that_postgres_does_not_take_bound_what_is_sent(stack):
    """limits.unreported: a table that is locked stands for a Postgres that takes no reports."""
    import psycopg2

    with stack(config={"limits": {"unreported": 60}}) as s:
        campaign = s.campaign()
        s.start()
        s.wait(campaign)
        lock = psycopg2.connect(s.dsn)
        lock.cursor().execute("LOCK TABLE penguin.attempts IN EXCLUSIVE MODE")
        s.enqueue(campaign, people(500))
        time.sleep(4)
        sent = len(s.world.ledger())
        time.sleep(2)
        assert 60 <= sent <= 60 + 9 and len(s.world.ledger()) == sent  # and what was on the wire
        lock.rollback()
        lock.close()
        assert s.check(campaign) == {"delivered": 500}
        s.stop()
