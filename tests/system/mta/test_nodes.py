"""Two nodes on one Postgres: one stands still, is cut off or is lost, the other takes over."""
import collections
import json
import signal
import time
from datetime import datetime

import pytest
from mtalib import WORLD, merged
from nodelib import Node, Wire, wait_for
from penguin import Worker

pytestmark = pytest.mark.alone

SLOW = "\nrules:\n  - at: mail\n    delay: 200ms\n"
SHORT = {"lease": {"duration": "3s", "renew": "300ms", "autonomy": "0s"}, "timeouts": {"scale": 0.001},
         "retry": {"first": "1s", "jitter": "0%"}}
B = "127.0.5.2"


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def lines_of(s, source):
    return [line for line in s.world.ledger() if line["source"] == source]


def instants(lines):
    """When the receivers had the dots, in seconds of 1970."""
    return [datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() for line in lines]


def twice(s):
    return {job for job, n in collections.Counter(line["job"] for line in s.world.ledger()).items() if n > 1}


def flagged(s, campaign, flag=1):
    return {row["job_id"] for row in s.attempts(campaign) if row["flags"] & flag}


def declare_dead(s):
    """As penguinctl node dead does: an operator knows that the machine is off."""
    return s.shop.session.query("UPDATE penguin.workers SET state = 'dead' WHERE state = 'live' RETURNING id")


def duplicates_counted(s, campaign):
    return int(s.shop.session.value("SELECT sum(duplicates) FROM penguin.campaign_stats WHERE campaign_id = %s", campaign))


def test_fault_F17_a_node_lost_for_ever_is_replaced_by_another(stack):
    """What it had sent and not reported, half a second of it, comes again and is flagged."""
    slow = "\nrules:\n  - at: mail\n    delay: 20ms\n"
    with stack(world=WORLD + slow, config=SHORT) as s, Node(s, "b", B) as b:
        campaign = s.campaign()
        s.enqueue(campaign, people(1200))
        s.start(report={"interval": "500ms"})

        def known():
            return sum(row["state"] == "delivered" for row in s.attempts(campaign))

        s.wait(campaign, lambda a: len(s.world.ledger()) >= max(500, known() + 20))
        s.kill()
        sent, unknown = len(s.world.ledger()), len(s.world.ledger()) - known()
        wait_for(lambda: s.shop.session.run("mark_dead", 0))
        b.start()
        assert b.wait(campaign, timeout=120) == {"delivered": 1200}
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported
        assert set(duplicate) <= flagged(s, campaign)
        assert 0 < len(duplicate) == unknown < sent and unknown <= duplicates_counted(s, campaign)
        s.shop.account(campaign)
        b.stop()


@pytest.mark.parametrize("policy", ["assume_sent", "hold"])
def test_fault_F17_where_nothing_may_come_twice_nothing_does(stack, policy):
    """What the lost node held ends as the campaign says.  When it is found again its word stands beside the doubt."""
    with stack(world=WORLD + SLOW, config=SHORT) as s, Node(s, "b", B) as b:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = %s", policy)
        s.enqueue(campaign, people(600))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 100)
        s.kill()
        held = s.account(campaign)["leased"]
        assert 0 < held < 400
        wait_for(lambda: s.shop.session.run("mark_dead", 0))
        b.start()
        account = b.wait(campaign, timeout=120)
        assert not twice(s)
        ended = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 4 or row["state"] == "in_doubt"}
        assert 0 < len(ended) <= held
        assert account == ({"delivered": 600} if policy == "assume_sent" else
                           {"delivered": 600 - len(ended), "in_doubt": len(ended)})
        s.start()
        of_a = {line["job"] for line in lines_of(s, "127.0.5.1")}
        wait_for(lambda: len(of_a & flagged(s, campaign, 2)) == len(of_a))
        told = {row["job_id"]: row["evidence"] for row in s.shop.session.run("doubt_list", s.shop.tenant, campaign, 1000)}
        assert set(told) == (ended if policy == "hold" else set())
        known = {job for job, state in told.items() if state == "delivered"}
        assert known <= of_a and len(known) >= (len(of_a) - 9 if policy == "hold" else 0), "a doubt a connection"
        assert s.account(campaign) == account
        s.shop.account(campaign)
        s.stop()
        b.stop()


def test_fault_F19_two_that_were_lost_and_say_different_things_count_once(stack):
    """The second one's word comes when the job has been counted by the word of the first."""
    with stack(world=WORLD, config=SHORT) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'hold'")
        s.enqueue(campaign, people(3))
        first, second = Worker(s.dsn, "w8"), Worker(s.dsn, "w9")
        for worker in (first, second):
            worker.batches = worker.claim((s.shop.tenant, "default", "other", 10, 3), careful=True)
            assert sum(batch["size"] for batch in worker.batches) == 3
            worker.held = [dict(job, campaign_id=campaign) for job in worker.jobs(worker.batches)]
            worker.session.run("worker_kill", [worker.id], 0)
            worker.session.run("take_over", 10)
        first.report(first.held, "delivered")
        s.start()
        assert s.wait(campaign) == {"delivered": 3}
        second.report(second.held, "in_doubt")
        s.shop.account(campaign)
        assert s.account(campaign) == {"delivered": 3}
        assert not s.world.ledger(), "they said that it was sent"
        s.stop()


def test_fault_F18_a_node_that_stood_still_sends_no_dot_behind_its_lease(stack):
    """It sleeps with nine messages before their 354.  The replies have come when it wakes, no timer of theirs
    is due, and nobody has told it yet that its lease is over."""
    rule = "\nrules:\n  - at: data\n    delay: 1s\n    nth: 1-9\n"
    short = {"lease": {"duration": "1s"}, "timeouts": {"data": "30m"}}
    with stack(world=WORLD + rule, config=merged(SHORT, short)) as s, Node(s, "b", B) as b:
        campaign = s.campaign()
        s.enqueue(campaign, people(60))
        s.start()
        wait_for(lambda: sum("DATA" in json.dumps(e) for e in s.world.events()) >= 9)
        s.mta.send_signal(signal.SIGSTOP)
        wait_for(lambda: s.shop.session.run("mark_dead", 0))
        s.mta.send_signal(signal.SIGCONT)
        assert s.mta.wait(30) == 75, "fenced"
        assert s.world.ledger() == []
        b.start()
        assert b.check(campaign) == {"delivered": 60}
        b.stop()


def test_fault_F18_what_it_had_sent_before_is_evidence(stack):
    """It sleeps before it could report; the other has some of its jobs at hand when it wakes, and leaves them."""
    with stack(world=WORLD + SLOW, config=SHORT) as s, Node(s, "b", B, default_site={"connections": 1}) as b:
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 60)
        s.mta.send_signal(signal.SIGSTOP)
        sent = len(lines_of(s, "127.0.5.1"))
        assert s.attempts(campaign) == []
        wait_for(lambda: s.shop.session.run("mark_dead", 0))
        b.start()
        b.wait(campaign, lambda a: len(lines_of(s, B)) >= 3)
        s.mta.send_signal(signal.SIGCONT)
        assert s.mta.wait(30) == 75
        assert b.check(campaign, duplicates=True) == {"delivered": 300}
        assert twice(s) <= flagged(s, campaign)
        assert len(twice(s)) < sent / 2, "the others were not sent again"
        assert len(flagged(s, campaign, 2)) >= sent - 9
        b.stop()


def test_fault_F19_a_node_that_comes_back_with_results_cancels_what_was_not_sent_again(stack):
    """Cut off from Postgres it sends on, and dies.  The other sends its jobs, slowly; then it is back and says
    which of them were delivered."""
    lease = {"duration": "60s", "renew": "300ms", "autonomy": "30s"}
    with stack(world=WORLD + SLOW, config=SHORT) as s, Wire(s.dsn) as wire, \
            Node(s, "a", "127.0.5.1", dsn=wire.dsn, lease=lease) as a, Node(s, "b", B, default_site={"connections": 1}) as b:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        a.start()
        a.wait(campaign, lambda account: len(s.world.ledger()) >= 20)
        wire.cut()
        wait_for(lambda: "postgres_down" in a.log_text())
        known = sum(row["state"] == "delivered" for row in s.attempts(campaign))
        wait_for(lambda: len(s.world.ledger()) >= 200)
        a.kill()
        unreported = len(lines_of(s, "127.0.5.1")) - known
        assert unreported >= 100 and declare_dead(s)
        b.start()
        b.wait(campaign, lambda account: len(lines_of(s, B)) >= 10)
        wire.mend()
        a.start()
        assert b.wait(campaign, timeout=120) == {"delivered": 400}
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported
        assert 0 < len(duplicate) < unreported / 2, "what was not begun was not sent again"
        assert set(duplicate) <= flagged(s, campaign)
        assert len(duplicate) <= duplicates_counted(s, campaign)
        s.shop.account(campaign)
        states = {job: state for job, state in s.final_states(campaign).items()}
        assert set(states.values()) == {"delivered"}
        a.stop()
        b.stop()


def test_fault_F20_a_node_cut_off_stops_before_another_may_begin(stack):
    """Nothing says that Postgres is away: the lease alone ends the sending, and the dots before it."""
    lease = {"duration": "5s", "renew": "300ms", "autonomy": "4s"}
    slow = "\nrules:\n  - at: mail\n    delay: 100ms\n"
    with stack(world=WORLD + slow, config=SHORT) as s, Wire(s.dsn) as wire, \
            Node(s, "a", "127.0.5.1", dsn=wire.dsn, lease=lease) as a, Node(s, "b", B) as b:
        campaign = s.campaign()
        s.enqueue(campaign, people(1500))
        a.start()
        a.wait(campaign, lambda account: len(s.world.ledger()) >= 20)
        wire.freeze()
        frozen = time.time()
        until = s.shop.session.value("SELECT extract(epoch FROM until)::float8 FROM penguin.workers WHERE node = 'a'")
        wait_for(lambda: s.shop.session.run("mark_dead", 0))
        b.start()
        b.wait(campaign, lambda account: len(lines_of(s, B)) >= 50)
        wire.mend()
        assert a.mta.wait(60) == 75, "fenced"
        assert b.wait(campaign, timeout=120) == {"delivered": 1500}
        of_a, of_b = instants(lines_of(s, "127.0.5.1")), instants(lines_of(s, B))
        assert max(of_a) > frozen + 1, "it went on for a while"
        assert max(of_a) < until < min(of_b)
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported
        assert set(duplicate) <= flagged(s, campaign)
        s.shop.account(campaign)
        b.stop()
