"""Claim, split, report, retry, close: the accounting holds after every step."""
import concurrent.futures
import threading
import time
import uuid

import pytest
from penguin import NIL, Session, Shop, Worker, literal, now_us, text_of, uuid7

HOUR_US = 3600 * 10**6


def key(shop, take, pool="default", tag="other", priority=10):
    return (shop.tenant, pool, tag, priority, take)


def members(worker, batches):
    jobs = worker.jobs(batches)
    by_batch = {b["id"]: b for b in batches}
    for job in jobs:
        job["campaign_id"] = by_batch[job["batch_id"]]["campaign_id"]
    return jobs


def test_a_job_from_enqueue_to_delivered(shop, worker):
    campaign = shop.campaign()
    ids, added = shop.enqueue(campaign, 1200)
    assert added == 1200
    assert shop.account(campaign) == {"waiting": 1200}
    assert sorted(shop.session.query("SELECT size FROM penguin.batches")) == [(200,), (500,), (500,)]

    batches = worker.claim(key(shop, 5000))
    assert sum(b["size"] for b in batches) == 1200
    assert {b["content_version"] for b in batches} == {1}
    assert {b["content_id"] for b in batches} == {shop.content}
    assert shop.account(campaign) == {"leased": 1200}

    jobs = members(worker, batches)
    assert sorted(j["id"] for j in jobs) == sorted(ids)
    assert {j["vars"] for j in jobs} == {'{"name": "Ann"}'}
    assert {(j["attempt_no"], j["source"], j["suppressed"], j["final"], j["tried"])
            for j in jobs} == {(0, "", "", "", False)}
    worker.report(jobs, "delivered")
    assert shop.account(campaign) == {"leased": 1200}
    assert len(worker.close(batches)) == 3
    assert shop.account(campaign) == {"delivered": 1200}
    assert worker.close(batches) == []
    assert shop.account(campaign) == {"delivered": 1200}


def test_members_are_sorted_by_domain(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 100)
    jobs = worker.jobs(worker.claim(key(shop, 100)))
    domains = [j["recipient"].split("@")[1] for j in jobs]
    assert domains == sorted(domains)


def test_known_domains_get_their_providers_tag(shop, worker):
    worker.session.run("domain_learn", [shop.tenant] * 2, ["d1.example", "d2.example"], ["gmail", "other"],
                       ["", "x"])
    campaign = shop.campaign()
    shop.enqueue(campaign, 70)
    assert sum(b["size"] for b in worker.claim(key(shop, 500, tag="gmail"))) == 10
    assert sum(b["size"] for b in worker.claim(key(shop, 500))) == 60
    worker.session.run("domain_learn", [shop.tenant], ["d1.example"], ["yahoo"], [""])
    assert shop.session.value(
        "SELECT provider FROM penguin.domains WHERE domain = 'd1.example'") == "gmail"
    shop.session.query("UPDATE penguin.domains SET changed_at = now() - interval '25 hours'")
    worker.session.run("domain_learn", [shop.tenant], ["d1.example"], ["yahoo"], [""])
    assert shop.session.value(
        "SELECT provider FROM penguin.domains WHERE domain = 'd1.example'") == "yahoo"


def test_split_keeps_order_and_old_id(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 500)
    before = shop.session.query("SELECT id::text, jobs::text[] FROM penguin.batches")[0]
    first = worker.claim(key(shop, 120))
    assert [b["size"] for b in first] == [120]
    assert shop.account(campaign) == {"waiting": 380, "leased": 120}
    rest = shop.session.query("SELECT id::text, jobs::text[] FROM penguin.batches WHERE owner IS NULL")
    assert rest == [(before[0], before[1][120:])]
    assert [j["id"] for j in worker.jobs(first)] == before[1][:120]
    second = worker.claim(key(shop, 1000))
    assert [b["id"] for b in second] == [before[0]]
    assert shop.account(campaign) == {"leased": 500}


def test_claim_takes_exactly_what_it_may(shop, worker):
    campaign = shop.campaign()
    for count in (1, 1, 3, 500, 20):
        shop.enqueue(campaign, count)
    assert sum(b["size"] for b in worker.claim(key(shop, 7))) == 7
    assert sum(b["size"] for b in worker.claim(key(shop, 498))) == 498
    assert sum(b["size"] for b in worker.claim(key(shop, 21))) == 20
    assert worker.claim(key(shop, 21)) == []
    assert shop.account(campaign) == {"leased": 525}


def test_without_split_id_a_large_batch_waits(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    rows = worker.session.run("claim", [shop.tenant], ["default"], ["other"], [10], [4], [],
                              worker.id, str(uuid.uuid4()), None, [False])
    assert rows == []
    assert shop.account(campaign) == {"waiting": 10}


def test_claim_of_what_became_due_lately(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 2, not_before_us=now_us() - HOUR_US)
    shop.enqueue(campaign, 3)
    assert sum(b["size"] for b in worker.claim(key(shop, 10), since_us=now_us() - 60 * 10**6)) == 3
    assert sum(b["size"] for b in worker.claim(key(shop, 10))) == 2


def test_claim_stays_below_the_cost_of_jit(database, shop, worker):
    """Compiling it takes seconds; the planner must not expect a share of a long queue."""
    campaign = shop.campaign()
    shop.session.query(
        "WITH t AS (INSERT INTO penguin.tenants (tenant_id, name) "
        "SELECT md5(g::text)::uuid, 'x' FROM generate_series(1, 200) g RETURNING tenant_id) "
        "INSERT INTO penguin.campaigns (tenant_id, id, name, state, content_id) "
        "SELECT tenant_id, tenant_id, 'c', 'running', tenant_id FROM t")
    shop.session.query(
        "INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, priority, jobs) "
        "SELECT %s, (lpad(to_hex(g), 12, '0') || '7' || substr(md5(g::text), 1, 19))::uuid, %s, 'default', "
        "10, ARRAY[%s::uuid] FROM generate_series(1, 100000) g", shop.tenant, campaign, uuid7())
    shop.session.query("ANALYZE")
    tenants = [row[0] for row in shop.session.query("SELECT md5(g::text)::uuid::text FROM generate_series(1, 200) g")]
    text = text_of("claim")
    parameters = [tenants, ["default"] * 200, ["other"] * 200, [10] * 200, [500] * 200,
                  [uuid7() for _ in range(400)], worker.id, str(uuid.uuid4()), None, [False] * 200]
    for number in range(len(parameters), 0, -1):
        value = literal(parameters[number - 1])
        text = text.replace(f"${number}::", ("NULL" if value is None else f"'{value}'") + "::")
    plan = shop.session.value("EXPLAIN (FORMAT JSON) " + text)
    assert plan[0]["Plan"]["Total Cost"] < 100000
    assert "JIT" not in plan[0]


def test_keys_are_apart(database, shop, worker):
    other = Shop(database, "other")
    mine = shop.campaign()
    shop.enqueue(mine, 30)
    shop.enqueue(shop.campaign(priority=0), 5)
    shop.enqueue(shop.campaign(pool="warm"), 7)
    other.enqueue(other.campaign(), 40)
    got = worker.claim(key(shop, 10), key(other, 15), key(shop, 3, priority=0), key(shop, 9, pool="warm"))
    sums = {}
    for b in got:
        k = (b["tenant_id"], b["pool"], b["priority"])
        sums[k] = sums.get(k, 0) + b["size"]
    assert sums == {(shop.tenant, "default", 10): 10, (other.tenant, "default", 10): 15,
                    (shop.tenant, "default", 0): 3, (shop.tenant, "warm", 10): 7}


def test_two_workers_never_share_a_job(database, shop, worker):
    campaign = shop.campaign()
    for _ in range(40):
        shop.enqueue(campaign, 1)
    second = Worker(database, "w2")
    worker.session.connection.autocommit = False
    mine = worker.claim(key(shop, 25))
    theirs = second.claim(key(shop, 25))  # the first has not committed: its rows are skipped
    assert sum(b["size"] for b in mine) == 25
    assert sum(b["size"] for b in theirs) == 15
    assert not {b["id"] for b in mine} & {b["id"] for b in theirs}
    worker.session.connection.commit()
    assert shop.account(campaign) == {"leased": 40}


def test_campaigns_share_by_weight(shop, worker):
    heavy, light = shop.campaign(weight=300), shop.campaign(weight=100)
    for campaign in (heavy, light):
        for _ in range(200):
            shop.enqueue(campaign, 1)
    got = worker.claim(key(shop, 100))
    share = sum(b["size"] for b in got if b["campaign_id"] == heavy)
    assert 70 <= share <= 80
    assert sum(b["size"] for b in got) == 100


def test_small_campaign_is_not_stuck_behind_a_large_one(shop, worker):
    shop.enqueue(shop.campaign(), 5000)
    small = shop.campaign()
    shop.enqueue(small, 3)
    got = 0
    for _ in range(20):
        got += sum(b["size"] for b in worker.claim(key(shop, 100)) if b["campaign_id"] == small)
    assert got == 3


def test_paused_waiting_held_and_closed_are_not_claimed(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    run = worker.session.run

    def blocked():
        return worker.claim(key(shop, 10)) == []

    run("campaign_pause", shop.tenant, campaign, "complaints")
    assert blocked()
    run("campaign_resume", shop.tenant, campaign)
    for kind, name, tenant in (("campaign", campaign, shop.tenant), ("tenant", shop.tenant, NIL),
                               ("provider", "other", NIL)):
        run("hold_add", tenant, kind, name, "test", None)
        assert blocked(), kind
        assert [h["name"] for h in run("hold_feed", 10)] == [name]
        assert run("hold_release", tenant, kind, name)
    run("hold_add", NIL, "provider", "other", "over", now_us() - 1000)
    assert run("hold_feed", 10) == []
    run("tenant_set_state", shop.tenant, "closed")
    assert blocked()
    run("tenant_set_state", shop.tenant, "active")
    early = shop.campaign(not_before_us=now_us() + HOUR_US, pool="p")
    late = shop.campaign(not_after_us=now_us() - 1000, pool="p")
    for c in (early, late):
        shop.enqueue(c, 1)
    shop.enqueue(shop.campaign(start=False, pool="p"), 1)
    shop.enqueue(shop.campaign(pool="p"), 1, not_before_us=now_us() + HOUR_US)
    assert worker.claim(key(shop, 10, pool="p")) == []
    assert sum(b["size"] for b in worker.claim(key(shop, 10))) == 10


def test_fenced_worker_claims_nothing(shop, worker):
    shop.enqueue(shop.campaign(), 5)
    shop.session.query("UPDATE penguin.workers SET until = now() - interval '1 minute'")
    assert worker.claim(key(shop, 5)) == []
    dead = shop.session.run("mark_dead", 30 * 10**6)
    assert [d["id"] for d in dead] == [worker.id]
    assert worker.session.run("heartbeat", worker.id, 10**9, [], "", False) == []
    assert worker.claim(key(shop, 5)) == []


def test_heartbeat_keeps_the_lease(shop, worker):
    rows = worker.session.run("heartbeat", worker.id, 600 * 10**6, ["s1", "s2"], "", False)
    assert abs(rows[0]["until_us"] - rows[0]["now_us"] - 600 * 10**6) <= 1
    assert shop.session.run("mark_dead", 0) == []
    assert shop.session.run("worker_list")[0]["sources"] == ["s1", "s2"]
    assert worker.session.run("worker_stop", worker.id)
    assert worker.session.run("heartbeat", worker.id, 600 * 10**6, [], "", False) == []


def test_retries_move_once_and_carry_their_pins(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 20)
    batch = worker.claim(key(shop, 20))[0]
    jobs = members(worker, [batch])
    worker.report(jobs[:5], "retrying")
    due = now_us() - 1000
    to, moved = worker.retry(batch, jobs[:5], due_us=due)
    assert sorted(m["job_id"] for m in moved) == sorted(j["id"] for j in jobs[:5])
    assert shop.account(campaign) == {"leased": 15, "retrying": 5}
    assert worker.retry(batch, jobs[:5])[1] == []
    assert shop.account(campaign) == {"leased": 15, "retrying": 5}
    worker.report(jobs[5:], "delivered")
    assert worker.close([batch], delivered=14) == []
    assert len(worker.close([batch], delivered=15, attempts=20, deferrals=5)) == 1
    assert shop.account(campaign) == {"delivered": 15, "retrying": 5}

    worker.session.run("content_add", shop.tenant, shop.content, 2, "hello-acme", "template", "{}", None)
    again = worker.claim(key(shop, 100))
    assert [(b["id"], b["size"], b["state"], b["content_version"], b["keys"]) for b in again] == [
        (to, 5, "retrying", 1, "k1")]
    retried = members(worker, again)
    assert [j["first_us"] for j in retried] == [j["first_us"] for j in jobs[:5]]
    assert {(j["attempt_no"], j["source"], j["due_us"]) for j in retried} == {(1, "s1", due)}

    to2, _ = worker.retry(again[0], retried[:2], attempt_no=2)
    last = worker.claim(key(shop, 100))
    assert [b["id"] for b in last] == [to2]
    assert {(j["attempt_no"], j["first_us"]) for j in members(worker, last)} == {
        (2, jobs[0]["first_us"])}
    worker.report(retried[2:], "bounced", attempt_no=2)
    worker.report(retried[:2], "expired", attempt_no=3)
    assert worker.close(again, bounced=3) and worker.close(last, expired=2)
    assert shop.account(campaign) == {"delivered": 15, "bounced": 3, "expired": 2}


def test_a_retry_of_some_of_a_split_retry_batch(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    batch = worker.claim(key(shop, 10))[0]
    jobs = members(worker, [batch])
    worker.report(jobs, "retrying")
    worker.retry(batch, jobs)
    assert worker.close([batch], delivered=0)
    part = worker.claim(key(shop, 4))
    assert [b["size"] for b in part] == [4]
    rest = worker.claim(key(shop, 100))
    assert [b["size"] for b in rest] == [6]
    assert {j["attempt_no"] for j in worker.jobs(part)} == {1}
    assert {j["first_us"] for j in worker.jobs(rest)} == {jobs[0]["first_us"]}
    assert shop.account(campaign) == {"leased": 10}


def test_refiled_once_under_another_tag(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    batch = worker.claim(key(shop, 3))[0]
    jobs = members(worker, [batch])
    worker.retry(batch, jobs, attempt_no=0, tag="gmail", state="waiting", refiled=True)
    assert shop.account(campaign) == {"waiting": 3}
    assert worker.close([batch], delivered=0)
    again = worker.claim(key(shop, 3, tag="gmail"))
    assert [b["refiled"] for b in again] == [True]
    assert {j["attempt_no"] for j in worker.jobs(again)} == {0}


def test_tenant_Q6_without_the_lease_nothing_moves(database, shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    batch = worker.claim(key(shop, 3))[0]
    jobs = members(worker, [batch])
    for wrong in ({"token": str(uuid.uuid4())}, {"id": uuid7()}):
        assert worker.retry({**batch, **wrong}, jobs)[1] == []
        assert worker.close([{**batch, **wrong}]) == []
        assert worker.release([{**batch, **wrong}]) == []
    thief = Worker(database, "w2")
    assert thief.close([batch]) == [] and thief.release([batch]) == []
    assert shop.account(campaign) == {"leased": 3}


def test_release_gives_whole_batches_back(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 600)
    batches = worker.claim(key(shop, 600))
    assert {b["leases"] for b in batches} == {1}
    assert len(worker.release(batches)) == 2
    assert shop.account(campaign) == {"waiting": 600}
    assert {b["leases"] for b in worker.claim(key(shop, 600))} == {1}


def test_tenant_Q6_what_a_dead_worker_reports_is_evidence(database, shop, worker):
    """Its report comes after the thief's, with the newer id, and does not become the state."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 2)
    mine = members(worker, worker.claim(key(shop, 2)))
    shop.session.query("UPDATE penguin.workers SET state = 'dead'")
    shop.session.run("take_over", 1000)
    thief = Worker(database, "w2")
    theirs = thief.claim(key(shop, 2))
    jobs = members(thief, theirs)
    thief.report(jobs, "bounced", attempt_no=1)
    thief.close(theirs, bounced=2)
    worker.report(mine, "delivered", attempt_no=1)
    assert shop.account(campaign) == {"bounced": 2}
    assert {row["state"] for j in mine for row in [shop.session.run("job_show", shop.tenant, j["id"])[0]]} == {"bounced"}
    assert shop.session.query("SELECT state, flags FROM penguin.attempts ORDER BY id") == (
        [("bounced", 0)] * 2 + [("delivered", 2)] * 2)


def blocks(session, name, *parameters):
    """How many blocks a statement reads; what it does is undone."""
    session.query("BEGIN; SET LOCAL plan_cache_mode = force_custom_plan")  # planned each time, as the engine's are
    marks = ", ".join(["%s"] * len(parameters))
    plan = session.value(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE {name} ({marks})", *map(literal, parameters))
    session.query("ROLLBACK")
    return plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


def test_tenant_Q3_a_long_running_reader_does_not_slow_the_queue(database, shop, worker):
    """Nothing that was sent can be vacuumed while it reads; what is sent then costs no more for that."""
    campaign = shop.campaign()
    session = worker.session

    def looks():
        """The poll; and, a job, the claim and the close of a batch."""
        shop.enqueue(campaign, 500)
        poll = blocks(session, "ready_recent", now_us() - 10**6, 1000)
        take = blocks(session, "claim", [shop.tenant], ["default"], ["other"], [10], [500], [uuid7(), uuid7()],
                      worker.id, str(uuid.uuid4()), None, [False])
        sweep = blocks(session, "ready_sweep", NIL, NIL, 100)
        batches = worker.claim(key(shop, 1000))
        jobs = members(worker, batches)
        worker.report(jobs, "delivered")
        worker.close(batches)
        assert shop.account(campaign).keys() == {"delivered"}
        return poll, take, sweep

    worker.claim(key(shop, 1))
    session.run("ready_recent", now_us(), 10)
    session.run("ready_sweep", NIL, NIL, 10)
    for _ in range(3):
        looks()
    shop.session.query("VACUUM")
    fresh = looks()
    reader = Session(database, autocommit=False)
    reader.query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    reader.query("SELECT count(*) FROM penguin.batches")
    for _ in range(60):
        looks()
    shop.session.query("VACUUM")  # it may remove nothing
    late = looks()  # 30,000 jobs later
    assert late[1] <= fresh[1] + 40 and late[2] <= fresh[2] + 40, (fresh, late)
    for _ in range(60):
        for _ in range(20):
            shop.enqueue(campaign, 1)
        looks()
    time.sleep(1.1)  # what became due before is not in the poll's reach
    late = looks()
    reader.close()
    # 1,300 batches are dead to all but the reader: a claim reads past each, a poll past none.
    assert late[0] <= fresh[0] + 10 and late[1] <= fresh[1] + 3 * 1300 and late[2] <= fresh[2] + 1300, (fresh, late)
    session.query("SELECT pg_stat_force_next_flush()")
    dead = session.query("SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname LIKE 'jobs%' OR relname LIKE 'attempts%'")
    assert dead == [(0,)]


def test_take_over_finds_the_evidence(database, shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    batch = worker.claim(key(shop, 10))[0]
    jobs = members(worker, [batch])
    worker.report(jobs[:4], "delivered")
    thief = Worker(database, "w2")
    assert thief.session.run("take_over", 100) == []
    shop.session.query("UPDATE penguin.workers SET until = now() - interval '1 minute' WHERE id = %s",
                       worker.id)
    thief.session.run("mark_dead", 0)
    assert [r["size"] for r in thief.session.run("take_over", 100)] == [10]
    assert thief.session.run("take_over", 100) == []
    assert shop.account(campaign) == {"waiting": 10}

    worker.report(jobs[4:5], "bounced", flags=2)  # the dead one speaks again
    again = thief.claim(key(shop, 10))
    assert [(b["id"], b["suspect"], b["leases"]) for b in again] == [(batch["id"], True, 2)]
    seen = members(thief, again)
    assert [j["final"] for j in seen] == ["delivered"] * 4 + ["bounced"] + [""] * 5
    assert [j["tried"] for j in seen] == [True] * 5 + [False] * 5
    assert worker.close([batch]) == [] and worker.retry(batch, jobs[5:])[1] == []
    thief.report(seen[5:], "delivered")
    assert thief.close(again, delivered=9, bounced=1)
    assert shop.account(campaign) == {"delivered": 9, "bounced": 1}


def test_the_word_of_the_dead_alone_is_hearsay(database, shop):
    """Two are lost and say different things; what a live one has said goes before both."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    first, second, third = (Worker(database, f"w{n}") for n in range(3))

    def lost(worker):
        (batch,) = worker.claim(key(shop, 1))
        (job,) = worker.jobs([batch])
        worker.session.run("worker_kill", [worker.id], 0)
        third.session.run("take_over", 10)
        return dict(job, campaign_id=campaign)

    job = lost(first)
    assert lost(second)["hearsay"] is False, "there is none"
    later = uuid7()
    first.report([job], "delivered")
    (batch,) = third.claim(key(shop, 1))
    (read,) = third.jobs([batch])
    assert (read["final"], read["hearsay"]) == ("delivered", True)
    third.report([job], "delivered", ids=[later])
    second.report([job], "in_doubt")
    (read,) = third.jobs([batch])
    assert (read["final"], read["hearsay"]) == ("delivered", False)
    third.close([batch])
    assert shop.account(campaign) == {"delivered": 1}


def test_evidence_that_comes_late_reaches_the_retry(database, shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 2)
    batch = worker.claim(key(shop, 2))[0]
    jobs = members(worker, [batch])
    worker.session.run("worker_stop", worker.id)
    thief = Worker(database, "w2")
    thief.session.run("take_over", 100)
    again = thief.claim(key(shop, 2))[0]
    thief.report(jobs, "retrying")
    thief.retry(again, jobs)
    thief.close([again], delivered=0)
    worker.report(jobs[:1], "delivered", flags=2)
    retry = thief.claim(key(shop, 2))
    assert [j["final"] for j in thief.jobs(retry)] == ["delivered", ""]


def test_restarted_worker_need_not_wait(database, shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 5)
    worker.claim(key(shop, 5))
    again = Worker(database, "w1")
    assert [r["id"] for r in again.session.run("worker_replace", again.id, "node", "w1", [], "m1")] == [worker.id]
    again.session.run("take_over", 10)
    assert sum(b["size"] for b in again.claim(key(shop, 5))) == 5


def test_claim_of_unknown_fate_is_swept(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 2)
    known = worker.claim(key(shop, 1))
    worker.claim(key(shop, 1))
    assert shop.account(campaign) == {"leased": 2}
    assert len(worker.session.run("lease_sweep", worker.id, [known[0]["token"]])) == 1
    assert shop.account(campaign) == {"waiting": 1, "leased": 1}


def test_what_is_swept_is_looked_at_before_it_is_sent(shop, worker):
    """Its close was refused, and with the last batch of a claim its token is forgotten."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 2)
    (batch,) = worker.claim(key(shop, 2))
    worker.report(worker.jobs([batch])[:1], "delivered", campaign=campaign)
    assert len(worker.session.run("lease_sweep", worker.id, [])) == 1
    (again,) = worker.claim(key(shop, 2))
    assert [job["final"] for job in worker.jobs([again])] == ["delivered", ""]


def test_evidence_is_looked_for_since_the_first_lease_of_a_job(database, shop, worker):
    """A lost worker is found after three days.  Who had the job meanwhile gave it back: that batch is new."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    then_us = now_us() - 72 * HOUR_US
    lost = Worker(database, "w2")
    (held,) = lost.claim(key(shop, 1))
    (sent,) = lost.jobs([held])
    shop.session.query("UPDATE penguin.batches SET first_leased_at = to_timestamp(%s / 1e6)", then_us)
    shop.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", lost.id)
    worker.session.run("take_over", 10)
    (batch,) = worker.claim(key(shop, 1))
    worker.retry(batch, worker.jobs([batch]), attempt_no=0, state="waiting")
    lost.report([sent], "delivered", ids=[uuid7(then_us // 1000)], campaign=campaign)
    (filed,) = worker.claim(key(shop, 1))
    since = uuid7(filed["first_leased_us"] // 1000 - 86400000)  # as claim.c asks
    (job,) = worker.session.run("jobs_read", [shop.tenant], [filed["id"]], worker.id, filed["token"], since, [], [], [],
                                1 << 30)
    assert job["final"] == "delivered"
    lost.session.close()


def test_what_a_replayed_worker_held_is_not_lost(database, shop, worker):
    """Its journal is in Postgres: what there is no evidence of was not sent.  Of a dead one nobody knows."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    for name, replayed in (("v1", True), ("v2", False)):
        victim = Worker(database, name)
        batch = victim.claim(key(shop, 10))[0]
        assert batch["lost"] is False
        again = Worker(database, name)
        again.session.run("worker_replace", again.id, "node", name, [victim.id] if replayed else [], "m1")
        worker.session.run("take_over", 100)
        states = shop.session.query("SELECT suspect, lost FROM penguin.batches WHERE campaign_id = %s", campaign)
        assert states == [(True, not replayed)]
        victim.session.close()
        again.session.close()


@pytest.mark.parametrize("state", ["waiting", "retrying"])
def test_what_was_lost_stays_so_when_it_is_filed(database, shop, worker, state):
    """A deferral by the next worker does not tell whether the one that was lost had sent it."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    lost = Worker(database, "w2")
    lost.claim(key(shop, 3))
    shop.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", lost.id)
    worker.session.run("take_over", 10)
    (batch,) = worker.claim(key(shop, 3))
    assert batch["lost"] is True
    worker.retry(batch, worker.jobs([batch])[:1], state=state)
    assert [b["lost"] for b in worker.claim(key(shop, 3))] == [True]
    lost.session.close()


def test_poison_P5_batch_that_kills_is_closed_in_on(database, shop, worker):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 100)
    sizes = []
    for n in range(6):
        victim = Worker(database, f"v{n}")
        batch = victim.claim(key(shop, 100))[0]
        sizes.append(batch["size"])
        victim.session.run("worker_stop", victim.id)
        worker.session.run("take_over", 100)
        victim.session.close()
    assert sizes[:3] == [100, 100, 100] and sizes[3] == 13 and sizes[-1] <= 13
    assert shop.account(campaign) == {"waiting": 100}


def released_and_cancelled(shop, worker):
    """It ends as what it was, and is not released again."""
    campaign = shop.campaign(pool="q")
    shop.enqueue(campaign, 1)
    (batch,) = worker.claim(key(shop, 1, pool="q"))
    (job,) = worker.jobs([batch])

    def quarantine(batch):
        assert worker.session.run("quarantine_add", worker.id, batch["token"], shop.tenant, batch["id"], job["id"], uuid7(),
                                  "two crashes", "compose", 0, now_us())
        assert worker.close([batch], failed=0)

    quarantine(batch)
    assert worker.session.run("quarantine_release", shop.tenant, job["id"], uuid7(), 3)
    worker.session.run("campaign_cancel", shop.tenant, campaign, "no more")
    worker.session.run("campaign_fold", shop.tenant, campaign, 0, 10)
    assert shop.account(campaign) == {"failed": 1}
    worker.session.query("UPDATE penguin.quarantine SET released_at = NULL WHERE campaign_id = %s", campaign)
    assert worker.session.run("quarantine_release", shop.tenant, job["id"], uuid7(), 3) == []
    assert worker.session.run("quarantine_list", shop.tenant, 10)
    worker.session.query("DELETE FROM penguin.quarantine WHERE campaign_id = %s", campaign)


def test_poison_P2_who_set_a_job_aside_may_die_of_it_as_well(shop, worker):
    """It is the worker that the row names; what it dies of after the release is another crash."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    (batch,) = worker.claim(key(shop, 1))
    (job,) = worker.jobs([batch])
    for dead in (str(uuid.uuid4()), str(uuid.uuid4())):
        worker.session.run("crash_add", shop.tenant, job["id"], campaign, dead, "sign")
    assert worker.session.run("quarantine_add", worker.id, batch["token"], shop.tenant, batch["id"], job["id"], uuid7(),
                              "two crashes", "sign", 0, now_us())
    assert worker.session.run("quarantine_release", shop.tenant, job["id"], uuid7(), 3)
    crash = [worker.session.run("crash_add", shop.tenant, job["id"], campaign, worker.id, "sign") for _ in range(2)]
    assert crash == [[{"crashes": 2}], []]


def test_quarantine(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 5)
    batch = worker.claim(key(shop, 5))[0]
    jobs = members(worker, [batch])
    bad = jobs[2]["id"]

    def quarantine():
        return worker.session.run(
            "quarantine_add", worker.id, batch["token"], shop.tenant, batch["id"], bad, uuid7(),
            "two crashes", "compose", 0, now_us())

    assert len(quarantine()) == 1
    assert quarantine() == []
    assert shop.account(campaign) == {"leased": 4, "failed": 1}
    assert [j["id"] for j in worker.jobs([batch])] == [j["id"] for j in jobs if j["id"] != bad]
    listed = worker.session.run("quarantine_list", shop.tenant, 10)
    assert [(q["job_id"], q["stage"]) for q in listed] == [(bad, "compose")]

    assert worker.session.run("quarantine_release", shop.tenant, bad, uuid7(), 3)
    assert worker.session.run("quarantine_release", shop.tenant, bad, uuid7(), 3) == []
    assert worker.session.run("quarantine_list", None, 10) == []
    assert shop.account(campaign) == {"leased": 4, "waiting": 1}
    released_and_cancelled(shop, worker)
    worker.session.query("UPDATE penguin.batches SET suspect = true WHERE owner IS NULL")
    again = worker.claim(key(shop, 1))
    freed = members(worker, again)
    assert [(j["id"], j["attempt_no"], j["final"]) for j in freed] == [(bad, 1, "")]
    worker.report(freed, "delivered", attempt_no=2)
    worker.close(again)
    assert shop.account(campaign) == {"leased": 4, "delivered": 1}


def test_doubt_D2_doubt_is_a_state_that_the_operator_ends(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 2)
    batch = worker.claim(key(shop, 2))[0]
    jobs = members(worker, [batch])
    worker.report(jobs[:1], "in_doubt")
    worker.report(jobs[1:], "delivered")
    worker.close([batch], in_doubt=1, delivered=1)
    assert shop.account(campaign) == {"in_doubt": 1, "delivered": 1}
    doubtful, sure = jobs[0]["id"], jobs[1]["id"]
    assert worker.session.run("doubt_retry", shop.tenant, sure, 0) == []
    assert worker.session.run("doubt_retry", shop.tenant, doubtful, 0)
    assert worker.session.run("doubt_retry", shop.tenant, doubtful, 0) == []
    assert shop.account(campaign) == {"retrying": 1, "delivered": 1}
    again = worker.claim(key(shop, 1))
    worker.report(members(worker, again), "delivered", attempt_no=3)
    worker.close(again)
    assert worker.session.run("doubt_retry", shop.tenant, doubtful, 0) == []
    assert shop.account(campaign) == {"delivered": 2}


@pytest.mark.parametrize("second, state", [("doubt_retry", None), ("doubt_end", "delivered"), ("doubt_end", "failed")])
def test_doubt_is_ended_by_one_of_two(database, shop, worker, second, state):
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    batch = worker.claim(key(shop, 1))[0]
    job = members(worker, [batch])[0]["id"]
    worker.report(members(worker, [batch]), "in_doubt")
    worker.close([batch], in_doubt=1)
    assert [r["job_id"] for r in shop.session.run("doubt_list", shop.tenant, campaign, 10)] == [job]
    first = Session(database, autocommit=False)
    assert first.run("doubt_retry", shop.tenant, job, 0)
    with concurrent.futures.ThreadPoolExecutor(1) as other:
        late = other.submit(shop.session.run, second, shop.tenant, job,
                            *([state, "why"] if state else []), 1)
        end = time.monotonic() + 20
        while not worker.session.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert time.monotonic() < end and not late.done()
            time.sleep(0.02)
        first.connection.commit()
        assert late.result() == []
    assert shop.account(campaign) == {"retrying": 1}
    assert shop.session.run("doubt_list", shop.tenant, None, 10) == []
    first.close()


def test_nothing_is_sent_again_of_a_campaign_that_has_ended(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 2)
    batch = worker.claim(key(shop, 2))[0]
    jobs = members(worker, [batch])
    worker.report(jobs, "in_doubt")
    worker.close([batch], in_doubt=2)
    shop.session.run("campaign_cancel", shop.tenant, campaign, "no more")
    assert shop.session.run("doubt_retry", shop.tenant, jobs[0]["id"], 0) == []
    for job, state in zip(jobs, ("delivered", "failed")):
        assert shop.session.run("doubt_end", shop.tenant, job["id"], state, "asked them", 0)
        assert shop.session.run("doubt_end", shop.tenant, job["id"], state, "asked them", 0) == []
    assert shop.account(campaign) == {"delivered": 1, "failed": 1}


def test_report_twice_is_once(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    jobs = members(worker, worker.claim(key(shop, 3)))
    ids = worker.report(jobs, "delivered")
    worker.report(jobs, "delivered", ids=ids)
    assert shop.session.value("SELECT count(*) FROM penguin.attempts") == 3
    rows = shop.session.run("attempt_list", shop.tenant, jobs[0]["id"])
    assert [(r["reply"], r["mx_address"], r["source_address"]) for r in rows] == [
        ('quoted "text" \\ {},é', "192.0.2.1", None)]


def test_suppressed_recipients_are_marked(shop, worker):
    campaign = shop.campaign(stream="news")
    recipients = ["Ann@x.example", "bob@y.example", "cleo@z.example", "dan@x.example", "eve@x.example"]
    shop.enqueue(campaign, recipients=recipients)
    tenant = shop.tenant
    shop.session.run(
        "suppression_add", [tenant] * 4,
        ["ann@x.example", "@y.example", "cleo@z.example", "dan@x.example"],
        ["*", "*", "other", "news"], ["bounce", "manual", "manual", "unsubscribe"], [""] * 4,
        [None, None, None, now_us() - 1000])
    jobs = worker.jobs(worker.claim(key(shop, 10)))
    assert {j["recipient"]: j["suppressed"] for j in jobs} == {
        "Ann@x.example": "bounce", "bob@y.example": "manual", "cleo@z.example": "",
        "dan@x.example": "", "eve@x.example": ""}


def test_cancelled_and_finished_campaigns_are_folded(shop, worker):
    for end, state in (("campaign_cancel", "cancelled"), ("campaign_finish", "expired")):
        campaign = shop.campaign()
        shop.enqueue(campaign, 1700)
        held = worker.claim(key(shop, 100))
        assert worker.session.run("campaign_fold", shop.tenant, campaign, 0, 10)[0]["batches"] == 0
        assert worker.session.run(end, shop.tenant, campaign, "no more")
        assert worker.session.run("campaign_resume", shop.tenant, campaign) == []
        assert worker.session.run("campaign_start", shop.tenant, campaign) == []
        assert [r["id"] for r in worker.session.run("fold_sweep", 10)] == [campaign]
        steps = []
        while not steps or steps[-1]:
            steps.append(worker.session.run("campaign_fold", shop.tenant, campaign, 0, 2)[0]["batches"])
        assert steps == [2, 2, 0]
        assert worker.session.run("fold_sweep", 10) == []
        assert shop.account(campaign) == {state: 1600, "leased": 100}
        worker.report(members(worker, held), "cancelled", attempt_no=0)
        worker.close(held, cancelled=100)
        account = shop.account(campaign)
        assert sum(account.values()) == 1700 and account["cancelled"] >= 100
    overdue = shop.campaign(not_after_us=now_us() - 1)
    assert [r["id"] for r in worker.session.run("campaign_overdue", 5)] == [overdue]


def test_the_fold_sweep_costs_nothing_for_campaigns_that_ended_long_ago(shop):
    def ended(n):
        shop.session.query(
            "INSERT INTO penguin.campaigns (tenant_id, id, name, content_id, state) SELECT %s, gen_random_uuid(), "
            "g::text, gen_random_uuid(), 'finished' FROM generate_series(1, %s) g", shop.tenant, n)
        shop.session.query("ANALYZE penguin.campaigns")

    live = [shop.campaign() for _ in range(20)]
    for campaign in live:
        shop.enqueue(campaign, 600)
    ended(100)
    shop.session.run("fold_sweep", 16)
    few = blocks(shop.session, "fold_sweep", 16)
    ended(30000)
    assert blocks(shop.session, "fold_sweep", 16) <= few + 50
    for campaign in live[::2]:
        shop.session.run("campaign_cancel", shop.tenant, campaign, "no more")
    assert sorted(r["id"] for r in shop.session.run("fold_sweep", 16)) == sorted(live[::2])
    assert len(shop.session.run("fold_sweep", 3)) == 3


@pytest.mark.parametrize("end, state", [("campaign_cancel", "cancelled"), ("campaign_finish", "expired")])
def test_what_had_ended_before_its_campaign_did_is_counted_so(shop, worker, end, state):
    """A worker died with a batch of which it had reported a part; nobody claimed it before the campaign ended."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    jobs = worker.jobs(worker.claim(key(shop, 10)))
    worker.report(jobs[:4], "delivered", campaign=campaign)
    worker.report(jobs[4:6], "bounced", campaign=campaign)
    worker.report(jobs[6:7], "retrying", campaign=campaign)
    worker.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", worker.id)
    assert worker.session.run("take_over", 10)
    worker.session.run(end, shop.tenant, campaign, "no more")
    assert worker.session.run("campaign_fold", shop.tenant, campaign, 0, 10)[0]["jobs"] == 10
    assert shop.account(campaign) == {"delivered": 4, "bounced": 2, state: 4}


@pytest.mark.parametrize("statement", ["evidence_feed", "evidence_recent"])
def test_what_a_dead_worker_says_of_jobs_that_have_ended_is_fed(shop, worker, statement):
    """Not what a live one says, nor a retry; each once, however often it is said."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    jobs = worker.jobs(worker.claim(key(shop, 10)))
    begin = shop.session.run("feed_start")[0]
    at = [begin["txid"] if statement == "evidence_feed" else str(begin["now_us"] - 1000000), NIL, NIL]
    worker.report(jobs[:3], "delivered", campaign=campaign)
    assert shop.session.run(statement, *at, 100) == []
    worker.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", worker.id)
    worker.report(jobs[3:5], "retrying", campaign=campaign)
    late = worker.report(jobs[5:9], "delivered", campaign=campaign, attempt_no=2)
    worker.report(jobs[5:9], "delivered", campaign=campaign, attempt_no=2, ids=late)
    first = shop.session.run(statement, *at, 3)
    rest = shop.session.run(statement, first[-1].get("txid") or first[-1]["changed_us"], first[-1]["tenant_id"],
                            first[-1]["attempt_id"], 3)
    told = first + rest
    assert len(first) == 3 and [row["attempt_id"] for row in told] == sorted(late)
    assert sorted(row["job_id"] for row in told) == sorted(job["id"] for job in jobs[5:9])
    assert {(row["tenant_id"], row["attempt_no"], row["state"]) for row in told} == {(shop.tenant, 2, "delivered")}
    shop.session.query("UPDATE penguin.evidence SET changed_at = now() - interval '25 hours' WHERE attempt_id = %s", late[0])
    shop.session.run("maintain_limits", 0)
    assert shop.session.value("SELECT count(*) FROM penguin.evidence") == 3


@pytest.mark.parametrize("end, state", [("campaign_cancel", "cancelled"), ("campaign_finish", "expired")])
def test_what_a_lost_worker_reports_behind_the_end_is_evidence(shop, worker, end, state):
    """Its journal is read, or it wakes up, when its campaign has ended and its jobs are counted."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 10)
    jobs = worker.jobs(worker.claim(key(shop, 10)))
    worker.report(jobs[:4], "delivered", campaign=campaign)
    worker.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", worker.id)
    assert worker.session.run("take_over", 10)
    worker.session.run(end, shop.tenant, campaign, "no more")
    assert worker.session.run("campaign_fold", shop.tenant, campaign, 0, 10)[0]["jobs"] == 10
    assert shop.account(campaign) == {"delivered": 4, state: 6}
    worker.report(jobs[2:8], "delivered", campaign=campaign)
    assert shop.account(campaign) == {"delivered": 4, state: 6}
    assert [shop.session.run("job_show", shop.tenant, j["id"])[0]["state"] for j in jobs] == ["delivered"] * 4 + [state] * 6


def test_a_doubt_of_days_ago_that_is_tried_again_and_cancelled_is_a_doubt(shop, worker):
    """Its second life has a first lease of its own, days behind the doubt."""
    campaign = shop.campaign()
    shop.session.query("UPDATE penguin.campaigns SET created_at = now() - interval '6 days'")
    shop.enqueue(campaign, 1)
    held = worker.claim(key(shop, 10))
    (job,) = worker.jobs(held)
    worker.report([job], "in_doubt", campaign=campaign, ids=[uuid7(int(time.time() - 5 * 86400) * 1000)])
    worker.close(held, in_doubt=1, attempts=1)
    assert worker.session.run("doubt_retry", shop.tenant, job["id"], 0)
    (again,) = worker.claim(key(shop, 10))
    worker.report([job], "retrying", attempt_no=3, campaign=campaign)
    worker.retry(again, [job], attempt_no=3)
    worker.close([again], attempts=1)
    worker.session.run("campaign_cancel", shop.tenant, campaign, "no more")
    worker.session.run("campaign_fold", shop.tenant, campaign, 0, 10)
    assert shop.account(campaign) == {"in_doubt": 1}


def test_a_doubt_that_is_tried_again_and_cancelled_is_a_doubt(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    held = worker.claim(key(shop, 10))
    job = worker.jobs(held)[0]
    worker.report([job], "in_doubt", campaign=campaign)
    worker.close(held, in_doubt=1, attempts=1)
    assert worker.session.run("doubt_retry", shop.tenant, job["id"], 0)
    worker.session.run("campaign_cancel", shop.tenant, campaign, "no more")
    worker.session.run("campaign_fold", shop.tenant, campaign, 0, 10)
    assert shop.account(campaign) == {"in_doubt": 1}
    assert [r["job_id"] for r in worker.session.run("doubt_list", shop.tenant, campaign, 10)] == [job["id"]]
    assert worker.session.run("doubt_end", shop.tenant, job["id"], "delivered", "asked them", 0)
    assert shop.account(campaign) == {"delivered": 1}


def test_what_a_lost_worker_said_of_a_doubt_that_was_tried_again_ends_it(database, shop, worker):
    """The retry was delivered, by the evidence of a worker that was lost: nobody may count the doubt twice."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    held = worker.claim(key(shop, 1))
    job = worker.jobs(held)[0]
    worker.report([job], "in_doubt", campaign=campaign)
    worker.close(held, in_doubt=1)
    assert worker.session.run("doubt_retry", shop.tenant, job["id"], 0)
    lost = Worker(database, "w2")
    lost.claim(key(shop, 1))
    shop.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", lost.id)
    worker.session.run("take_over", 10)
    lost.report([job], "delivered", attempt_no=3, campaign=campaign)
    again = worker.claim(key(shop, 1))
    assert [j["final"] for j in worker.jobs(again)] == ["delivered"]
    worker.close(again, delivered=1)
    assert worker.session.run("doubt_list", shop.tenant, campaign, 10) == []
    for state in ("delivered", "failed"):
        assert worker.session.run("doubt_end", shop.tenant, job["id"], state, "why", 0) == []
    assert worker.session.run("doubt_retry", shop.tenant, job["id"], 0) == []
    account = worker.session.run("accounting", shop.tenant, campaign)[0]
    assert (account["in_doubt"], account["delivered"]) == (0, 1)


def test_two_who_try_a_doubt_again_file_it_once(database, shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    held = worker.claim(key(shop, 10))
    job = worker.jobs(held)[0]
    worker.report([job], "in_doubt", campaign=campaign)
    worker.close(held, in_doubt=1, attempts=1)
    first, second = Session(database, autocommit=False), Session(database, autocommit=False)
    assert first.run("doubt_retry", shop.tenant, job["id"], 0)
    rows = []
    other = threading.Thread(target=lambda: rows.append(second.run("doubt_retry", shop.tenant, job["id"], 0)))
    other.start()
    time.sleep(0.5)
    first.connection.commit()
    other.join(20)
    second.connection.commit()
    assert rows == [[]]
    assert shop.account(campaign) == {"retrying": 1}
    first.close()
    second.close()


def test_tenant_Q9_feeds_hide_what_is_not_settled(database, shop):
    start = shop.session.run("feed_start")[0]["txid"]
    seen = shop.session.run("suppression_feed", start, NIL, "", "", 100)
    assert seen == []
    slow = Session(database, autocommit=False)
    slow.query("INSERT INTO penguin.suppressions (tenant_id, address, reason) VALUES (%s, 'a@b.c', 'manual')",
               shop.tenant)
    shop.session.run("suppression_add", [shop.tenant], ["d@e.f"], ["*"], ["manual"], [""], [None])
    assert shop.session.run("suppression_feed", start, NIL, "", "", 100) == []
    slow.connection.commit()
    slow.close()
    rows = shop.session.run("suppression_feed", start, NIL, "", "", 1)
    assert [r["address"] for r in rows] == ["a@b.c"]
    last = rows[0]
    rows = shop.session.run("suppression_feed", last["txid"], last["tenant_id"], last["address"],
                            last["stream"], 100)
    assert [r["address"] for r in rows] == ["d@e.f"]
    shop.session.run("suppression_lift", shop.tenant, "a@b.c", "*")
    last = rows[0]
    rows = shop.session.run("suppression_feed", last["txid"], last["tenant_id"], last["address"],
                            last["stream"], 100)
    assert [(r["address"], r["expires_us"] <= now_us()) for r in rows] == [("a@b.c", True)]

    start = shop.session.run("feed_start")[0]["txid"]
    campaign = shop.campaign()
    shop.session.run("campaign_pause", shop.tenant, campaign, "why")
    rows = shop.session.run("campaign_feed", start, NIL, NIL, 10)
    assert [(r["id"], r["state"]) for r in rows] == [(campaign, "paused")]


def test_doubt_D3_campaigns_that_want_nothing_twice_are_claimed_apart(shop, worker):
    """A kind of their own: how much of it is leased is not what is leased of the others."""
    plain = shop.campaign()
    shop.enqueue(plain, 30)
    careful = [shop.campaign(), shop.campaign()]
    for policy, campaign in zip(("assume_sent", "hold"), careful):
        shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = %s WHERE id = %s", policy, campaign)
        shop.enqueue(campaign, 30)
    assert {(r["jobs"], r["careful"]) for r in shop.session.run("ready_recent", now_us() - 5 * 10**6, 1000)} == {
        (30, False), (60, True)}
    assert {(r["campaign_id"], r["careful"]) for r in shop.session.run("ready_sweep", NIL, NIL, 10)} == {
        (plain, False), (careful[0], True), (careful[1], True)}
    batches = worker.claim(key(shop, 7), careful=True)
    assert sum(b["size"] for b in batches) == 7 and {b["careful"] for b in batches} == {True}
    assert {b["campaign_id"] for b in batches} <= set(careful)
    batches = worker.claim(key(shop, 100))
    assert [(b["campaign_id"], b["size"], b["careful"]) for b in batches] == [(plain, 30, False)]
    assert sum(b["size"] for b in worker.claim(key(shop, 100), careful=True)) == 53


def test_ready(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 30)
    shop.enqueue(shop.campaign(priority=0), 2)
    shop.enqueue(campaign, 5, not_before_us=now_us() + HOUR_US)
    shop.enqueue(shop.campaign(start=False), 7)
    recent = worker.session.run("ready_recent", now_us() - 5 * 10**6, 1000)
    assert {(r["tenant_id"], r["priority"], r["jobs"]) for r in recent} == {
        (shop.tenant, 10, 37), (shop.tenant, 0, 2)}
    assert worker.session.run("ready_recent", now_us() + 10**6, 1000) == []
    rows, at = [], (NIL, NIL)
    while True:
        step = worker.session.run("ready_sweep", *at, 1)
        if not step:
            break
        at = (step[-1]["tenant_id"], step[-1]["campaign_id"])
        rows += step
    assert sorted((r["priority"], r["tag"]) for r in rows if r["tag"]) == [(0, "other"), (10, "other")]
    worker.claim(key(shop, 100), key(shop, 10, priority=0))
    assert [r for r in worker.session.run("ready_sweep", NIL, NIL, 100) if r["tag"]] == []


def test_shared_limit_never_exceeds_its_rate(worker):
    def reserve(want, at):
        row = worker.session.run("limit_reserve", NIL, "pool", "p", want, 100_000, 1_000_000, at)[0]
        return row["granted"]

    assert reserve(7, 10**9) == 7
    assert reserve(7, 10**9) == 3
    assert reserve(7, 10**9) == 0
    assert reserve(7, 10**9 + 200_000) == 2
    assert reserve(50, 10**9 + 60 * 10**6) == 10


def test_large_tables_see_no_update(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 50)
    batch = worker.claim(key(shop, 20))[0]
    jobs = members(worker, [batch])
    worker.report(jobs[:10], "delivered")
    worker.report(jobs[10:], "retrying")
    worker.retry(batch, jobs[10:])
    worker.close([batch], delivered=10)
    worker.session.query("SELECT pg_stat_force_next_flush()")
    shop.session.query("SELECT pg_stat_force_next_flush()")
    rows = shop.session.query(
        "SELECT sum(n_tup_ins), sum(n_tup_upd), sum(n_tup_del) FROM pg_stat_user_tables "
        "WHERE relname LIKE 'jobs%' OR relname LIKE 'attempts%'")
    assert rows == [(70, 0, 0)]


def test_poison_P2_crashes_are_counted_once_a_worker_and_told_to_who_claims(shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    (batch,) = worker.claim(key(shop, 3))
    jobs = worker.jobs([batch])
    bad = jobs[1]["id"]
    dead = [str(uuid.uuid4()) for _ in range(2)]

    def crash(by, stage="compose"):
        return [row["crashes"] for row in worker.session.run("crash_add", shop.tenant, bad, campaign, by, stage)]

    assert [j["crashes"] for j in jobs] == [0, 0, 0]
    assert crash(dead[0]) == [1]
    assert crash(dead[0]) == [], "it is asked again where the answer was lost"
    assert worker.session.run("quarantine_list", None, 10) == [], "once is no quarantine"
    assert crash(dead[1], "sign") == [2]
    row = worker.jobs([batch])[1]
    assert (row["id"], row["crashes"], row["stage"]) == (bad, 2, "sign")
    assert abs(row["crashed_us"] - now_us()) < 60_000_000
    worker.session.run("quarantine_add", worker.id, batch["token"], shop.tenant, batch["id"], bad, uuid7(), "x", "sign", 0,
                       now_us())
    assert worker.session.run("quarantine_release", shop.tenant, bad, uuid7(), 3)
    (again,) = worker.claim(key(shop, 1))
    assert [j["crashes"] for j in worker.jobs([again])] == [1], "one more is enough"


@pytest.mark.parametrize("decision", ["release", "retry", "sent"])
def test_what_may_have_been_sent_is_in_quarantine_and_in_doubt(shop, worker, decision):
    """Three ways out of it; each ends both, and only the first that is taken counts."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    (batch,) = worker.claim(key(shop, 1))
    jobs = worker.jobs([batch])
    (bad,) = (job["id"] for job in jobs)
    worker.retry(batch, jobs, keys="t=1 u=1 h=t.example.org")
    worker.close([batch], attempts=1)
    (batch,) = worker.claim(key(shop, 1))
    worker.session.run("quarantine_add", worker.id, batch["token"], shop.tenant, batch["id"], bad, uuid7(), "x", "session", 0,
                       now_us())
    worker.close([batch], failed=0)
    assert shop.account(campaign) == {"in_doubt": 1}
    ways = {
        "release": lambda: worker.session.run("quarantine_release", shop.tenant, bad, uuid7(), 3),
        "retry": lambda: worker.session.run("doubt_retry", shop.tenant, bad, 0),
        "sent": lambda: worker.session.run("doubt_end", shop.tenant, bad, "delivered", "asked", 0),
    }
    assert len(ways.pop(decision)()) == 1
    assert [way() for way in ways.values()] == [[], []]
    assert worker.session.run("quarantine_list", None, 10) == []
    if decision == "sent":
        assert shop.account(campaign) == {"delivered": 1}
        return
    (again,) = worker.claim(key(shop, 1))
    assert again["keys"] == "u=1", "it stays a possible duplicate"
