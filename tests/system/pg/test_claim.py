"""Claiming and reporting: every job is in exactly one state, whatever the worker does."""
import signal
import time
from collections import Counter

import psycopg2
import pytest

from claimlib import claim_jobs
from penguin import NIL as NOBODY, Session, Shop, Worker, now_us, uuid7

MANY = 2500


@pytest.mark.parametrize("distributed", [0, 1])
def test_all_are_delivered_once(shop, run, distributed):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    lines = run(distributed=distributed).finish()
    assert sorted(claim_jobs(lines)) == sorted(ids)
    assert shop.account(campaign) == {"delivered": MANY}
    assert shop.session.value("SELECT count(*) FROM penguin.attempts") == MANY
    assert shop.session.value("SELECT count(*) FROM penguin.batches") == 0
    assert shop.session.value("SELECT state FROM penguin.workers") == "stopped"


def test_permits_split_batches(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, 1200)
    lines = run(credit=70).finish()
    assert len(claim_jobs(lines)) == 1200
    assert shop.account(campaign) == {"delivered": 1200}


@pytest.mark.parametrize("bytes_max", [50, 1])
def test_a_claim_brings_so_many_bytes_and_gives_the_rest_back(shop, run, bytes_max):
    """The variables of the shop's jobs have 15 octets; of one job they come whatever the bound is."""
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 12)
    lines = run(bytes=bytes_max, credit=12).finish()
    assert sorted(claim_jobs(lines)) == sorted(ids)
    kinds = [line["event"] for line in lines if line["event"] in ("job", "left")]
    assert kinds[:12] == ["job"] * max(bytes_max // 15, 1) + ["left"] * (12 - max(bytes_max // 15, 1))
    assert shop.account(campaign) == {"delivered": 12}
    assert shop.session.value("SELECT count(*) FROM penguin.attempts") == 12


def test_outcomes_are_counted(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, recipients=(
        [f"ok{i}@a.example" for i in range(40)] + [f"bounce{i}@a.example" for i in range(30)]
        + [f"doubt{i}@b.example" for i in range(20)] + ["bad@c.example"]))
    shop.session.run("suppression_add", [shop.tenant], ["bad@c.example"], ["*"], ["bounce"],
                     ["x"], [None])
    lines = run().finish()
    assert [line["text"] for line in lines if line["event"] == "suppressed"] == ["bounce"]
    assert shop.account(campaign) == {
        "delivered": 40, "bounced": 30, "in_doubt": 20, "suppressed": 1}
    reply, = shop.session.query(
        "SELECT DISTINCT reply FROM penguin.attempts WHERE state = 'bounced'")
    assert reply[0] == '"queued" as \\ \\xFF\\xFE {1,2}' or "queued" in reply[0]


def test_retries_are_merged_and_come_back(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, recipients=[f"retry{i}@d{i}.example" for i in range(900)])
    lines = run(run_ms=1500, retry_ms=600000).finish()
    assert len(claim_jobs(lines)) == 900
    assert shop.account(campaign) == {"retrying": 900}
    # Filed in few batches, not in one each.
    assert shop.session.value("SELECT count(*) FROM penguin.batches") <= 12
    assert shop.session.value(
        "SELECT bool_and(attempt_no[1] = 1 AND source[1] = 's1' AND first_at[1] IS NOT NULL"
        " AND due[1] <= not_before) FROM penguin.batches")
    shop.session.query("UPDATE penguin.batches SET not_before = now()")
    lines = run().finish()
    assert {line["attempts"] for line in lines if line["event"] == "job"} == {1}
    assert shop.account(campaign) == {"delivered": 900}


def test_give_back_under_another_tag(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, recipients=[f"back{i}@d.example" for i in range(300)])
    run(run_ms=1500, retry_ms=600000).finish()
    assert shop.account(campaign) == {"waiting": 300}
    assert shop.session.query("SELECT DISTINCT tag, refiled FROM penguin.batches") == [
        ("site:abc", True)]


def test_what_is_held_goes_back_at_the_stop(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, MANY)
    run(hold_ms=60000, run_ms=1000).finish()
    assert shop.account(campaign) == {"waiting": MANY}


def test_inbox_is_moved(shop, run):
    campaign = shop.campaign()
    shop.session.query(
        "INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient)"
        " SELECT %s, ('018f2b5e-7c00-7' || lpad(to_hex(i), 3, '0')"
        " || '-8000-000000000000')::uuid, %s, 'u' || i || '@x.example'"
        " FROM generate_series(1, 1500) AS i", shop.tenant, campaign)
    assert len(claim_jobs(run().finish())) == 1500
    assert shop.account(campaign) == {"delivered": 1500}


def test_cancelled_campaign_is_folded_and_told(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, MANY)
    cli = run(credit=500, hold_ms=3000, run_ms=4000)
    time.sleep(1.2)
    shop.session.run("campaign_cancel", shop.tenant, campaign, "test")
    lines = cli.finish()
    assert "cancelled" in [line["text"] for line in lines if line["event"] == "campaign"]
    state = shop.account(campaign)
    # What was at hand went its way; the rest became cancelled without being read.
    assert state["cancelled"] == MANY - 500 and sum(state.values()) == MANY


def test_batches_that_somebody_has_locked_are_not_folded_over_and_over(database, shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, 100)
    shop.session.run("campaign_cancel", shop.tenant, campaign, "test")
    backup = Session(database, autocommit=False)
    backup.query("SELECT id FROM penguin.batches FOR UPDATE")
    count = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    cli = run(run_ms=8000)
    time.sleep(2)
    before = shop.session.value(count)
    time.sleep(3)
    assert shop.session.value(count) - before < 300
    assert shop.account(campaign) == {"waiting": 100}
    backup.connection.commit()
    backup.close()
    cli.finish()
    assert shop.account(campaign) == {"cancelled": 100}


@pytest.mark.parametrize("distributed", [0, 1])
def test_feeds_tell_of_suppressions_and_holds(shop, run, distributed):
    cli = run(run_ms=2500, distributed=distributed)
    time.sleep(0.7)
    shop.session.run("suppression_add", [shop.tenant] * 2, ["a@b.example", "@c.example"],
                     ["*", "news"], ["complaint", "manual"], ["", ""], [None, None])
    shop.session.run("hold_add", NOBODY, "provider", "gmail", "test", None)
    time.sleep(0.7)
    shop.session.run("suppression_lift", shop.tenant, "a@b.example", "*")
    shop.session.query("DELETE FROM penguin.holds")
    events = [(line["event"], line["text"]) for line in cli.finish()]
    if distributed:  # an overlap tells again, but nothing else and in the order of changes
        events = list(dict.fromkeys(events))
    assert [e for e in events if e[0] not in ("up", "end")] in (
        [("suppression", "@c.example"), ("suppression", "a@b.example"), ("hold", "gmail"),
         ("suppression_lifted", "a@b.example"), ("hold_released", "gmail")],
        [("suppression", "a@b.example"), ("suppression", "@c.example"), ("hold", "gmail"),
         ("suppression_lifted", "a@b.example"), ("hold_released", "gmail")])


@pytest.mark.parametrize("distributed", [0, 1])
def test_feeds_tell_of_evidence(database, shop, run, distributed):
    """What a dead worker says of jobs that have ended, and of those alone."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    lost = Worker(database, "lost")
    jobs = lost.jobs(lost.claim((shop.tenant, "default", "other", 10, 3)))
    shop.session.query("UPDATE penguin.workers SET state = 'dead'")
    cli = run(run_ms=3000, distributed=distributed)
    time.sleep(0.7)
    for job, state in zip(jobs, ("delivered", "retrying", "bounced")):
        lost.report([job], state, campaign=campaign)
    told = [line["text"] for line in cli.finish() if line["event"] == "evidence"]
    if distributed:  # an overlap tells again
        told = list(dict.fromkeys(told))
    assert told == ["delivered", "bounced"]
    lost.session.close()


def test_two_holds_of_a_campaign_stand_each_by_itself(shop, run):
    """An operator's, for the fleet, and a worker's, for want of a key."""
    campaign = shop.campaign()
    cli = run(run_ms=5500)
    time.sleep(0.7)
    shop.session.run("hold_add", NOBODY, "campaign", campaign, "test", None)
    shop.session.run("hold_add", shop.tenant, "campaign", campaign, "no key", now_us() + 2500000)
    time.sleep(3.5)
    shop.session.query("DELETE FROM penguin.holds WHERE tenant_id = %s", NOBODY)
    told = [line["event"] for line in cli.finish() if line["event"].startswith("hold")]
    assert told == ["hold", "hold", "hold_released", "hold_released"]


@pytest.mark.parametrize("distributed", [0, 1])
def test_tenant_Q9_feeds_tell_of_what_an_older_transaction_commits_late(shop, run, distributed, database):
    slow = Session(database, autocommit=False)
    slow.query("INSERT INTO penguin.suppressions (tenant_id, address, reason)"
               " VALUES (%s, 'late@b.example', 'manual')", shop.tenant)
    campaign = shop.campaign()
    slow.query("UPDATE penguin.campaigns SET state = 'paused', updated_at = now(), txid = DEFAULT"
               " WHERE id = %s", campaign)
    cli = run(run_ms=3500, distributed=distributed)
    time.sleep(0.7)
    shop.session.run("suppression_add", [shop.tenant], ["early@b.example"], ["*"], ["manual"],
                     [""], [None])
    time.sleep(1)
    slow.connection.commit()
    slow.close()
    told = {(line["event"], line["text"]) for line in cli.finish()}
    assert {("suppression", "early@b.example"), ("suppression", "late@b.example"),
            ("campaign", "paused")} <= told


@pytest.mark.parametrize("distributed", [0, 1])
def test_feeds_tell_all_of_many(shop, run, distributed):
    cli = run(run_ms=4000, distributed=distributed)
    time.sleep(0.7)
    many = [f"r{i}@many.example" for i in range(MANY)]
    shop.session.run("suppression_add", [shop.tenant] * MANY, many, ["*"] * MANY,
                     ["manual"] * MANY, [""] * MANY, [None] * MANY)
    told = {line["text"] for line in cli.finish() if line["event"] == "suppression"}
    assert told == set(many)


def test_only_the_fleet_holds_what_all_tenants_share(shop):
    for kind in ("source", "provider", "domain"):
        with pytest.raises(psycopg2.errors.CheckViolation):
            shop.session.run("hold_add", shop.tenant, kind, "x", "test", None)


def test_crash_is_taken_over_with_evidence(shop, run):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    first = claim_jobs(run(credit=300, crash_after=1000).finish(code=9))
    reported = shop.session.value("SELECT count(*) FROM penguin.attempts")
    lines = run().finish()
    second = Counter(claim_jobs(lines))
    assert shop.account(campaign) == {"delivered": MANY}
    # Nobody is lost; what was reported before the crash is not sent again.
    assert set(first) | set(second) == set(ids)
    again = len(set(first) & set(second))
    assert again <= 1000 + 300 - reported
    flagged = [line for line in lines if line["event"] == "job" and line["duplicate"]]
    assert set(first) & set(second) <= {line["job"] for line in flagged}


def test_fenced_worker_stops_and_loses_nothing(shop, run):
    campaign = shop.campaign()
    shop.enqueue(campaign, 500)
    cli = run(hold_ms=3000, run_ms=5000, renew_ms=300)
    time.sleep(1)
    shop.session.query("UPDATE penguin.workers SET state = 'dead'")
    shop.session.run("take_over", 1000)
    lines = cli.finish()
    assert "fenced" in [line["event"] for line in lines]
    run().finish()
    assert shop.account(campaign) == {"delivered": 500}


def test_tenant_Q6_a_worker_that_stood_still_overwrites_nothing(shop, run):
    """It sleeps with jobs in its hands; another bounces them; it wakes and says that it delivered them."""
    campaign = shop.campaign()
    shop.enqueue(campaign, recipients=[f"ok{i}@a.example" for i in range(300)])
    sleeper = run(hold_ms=1500, run_ms=20000, lease_ms=2500, renew_ms=300, idle_ms=9000)
    wait_for(lambda: shop.account(campaign) == {"leased": 300})
    sleeper.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: shop.session.run("mark_dead", 0))
    shop.session.run("take_over", 1000)
    # The rows are not ours to change; that the second gives another end makes its results distinct.
    shop.session.query("UPDATE penguin.jobs SET recipient = replace(recipient, 'ok', 'bounce')")
    assert len(claim_jobs(run(name=2).finish())) == 300
    assert shop.account(campaign) == {"bounced": 300}
    before = shop.session.query("SELECT * FROM penguin.campaign_stats ORDER BY stripe")
    sleeper.process.send_signal(signal.SIGCONT)
    assert "fenced" in [line["event"] for line in sleeper.finish()]
    assert shop.account(campaign) == {"bounced": 300}
    assert shop.session.query("SELECT * FROM penguin.campaign_stats ORDER BY stripe") == before
    assert shop.session.value("SELECT count(*) FROM penguin.batches") == 0
    # What it did before it knew is evidence, and marked as such.
    assert shop.session.query("SELECT state, flags & 2, count(*) FROM penguin.attempts GROUP BY 1, 2 ORDER BY 1") == [
        ("bounced", 0, 300), ("delivered", 2, 300)]


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_tenant_Q9_a_transaction_that_commits_late_is_not_skipped(shop, run, database):
    """Its jobs have the older ids, times and transaction; the newer ones were all claimed before."""
    campaign = shop.campaign()
    slow = []
    for i in range(5):
        session = Session(database, autocommit=False)
        session.run("enqueue_jobs", shop.tenant, campaign, [uuid7()], [f"ok.late{i}@a.example"], ["{}"], [None], None)
        session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'ok.in@a.example')",
                      shop.tenant, uuid7(), campaign)
        slow.append(session)
    cli = run(idle_ms=7000)
    time.sleep(0.5)
    shop.enqueue(campaign, recipients=[f"ok{i}@a.example" for i in range(20)])
    wait_for(lambda: shop.account(campaign) == {"delivered": 20})
    time.sleep(2.5)  # longer than a poll looks back
    for session in slow[::-1]:
        session.connection.commit()
        session.close()
        time.sleep(0.3)
    cli.finish()
    assert shop.account(campaign) == {"delivered": 30}


def test_poison_P5_a_job_that_kills_is_quarantined_alone(shop, run):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, recipients=["killer@x.example"])
    for _ in range(12):
        assert claim_jobs(run(hold_ms=60000, run_ms=500, drain=0).finish()) == ids
    lines = run(run_ms=2000).finish()
    assert claim_jobs(lines) == []
    assert shop.account(campaign) == {"failed": 1}
    assert shop.session.query("SELECT job_id::text, reason FROM penguin.quarantine") == [
        (ids[0], "lost alone by 12 workers without an attempt")]


def test_tenant_Q2_inboxes_that_cannot_be_moved_hold_up_nobodys(shop, run):
    """Twenty tenants, more than are looked at at once, wait for campaigns that never come."""
    shop.session.query(
        "INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) SELECT lpad(g::text, 32, '0')::uuid, %s, %s, "
        "'a@b.example' FROM generate_series(1, 20) g", uuid7(), uuid7())
    campaign = shop.campaign()
    shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'ok@b.example')",
                       shop.tenant, uuid7(), campaign)
    assert len(claim_jobs(run(idle_ms=2000).finish())) == 1
    assert shop.account(campaign) == {"delivered": 1}
    assert shop.session.value("SELECT count(*) FROM penguin.inbox") == 20


def test_an_inbox_that_is_refused_holds_up_nobodys(database, shop, run):
    """The server refuses the rows of one tenant; the others' are moved, again and again."""
    bad = Shop(database, "bad")
    shop.session.query("CREATE FUNCTION penguin.refuse() RETURNS trigger LANGUAGE plpgsql AS"
                       " $$ BEGIN RAISE 'not this one' USING ERRCODE = '23514'; END $$")
    shop.session.query("CREATE TRIGGER refuse BEFORE INSERT ON penguin.jobs FOR EACH ROW"
                       f" WHEN (NEW.tenant_id = '{bad.tenant}') EXECUTE FUNCTION penguin.refuse()")
    for one in (bad, shop):
        one.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'ok@b.example')",
                          one.tenant, uuid7(), one.campaign())
    cli = run(idle_ms=4000)
    assert len(claim_jobs(cli.finish())) == 1
    assert shop.session.query("SELECT tenant_id::text FROM penguin.inbox") == [(bad.tenant,)]
    assert cli.log.count("not this one") == 1  # it rests, though every poll finds its rows


def test_an_open_transaction_of_one_tenant_holds_up_nobody(database, shop, run):
    """Another connection of a tenant inserts the same job, and neither commits nor rolls back; it also locks a campaign
    that is to be finished."""
    bad = Shop(database, "bad")
    overdue = bad.campaign(not_after_us=now_us() - 10**6)
    job = uuid7()
    holder = Session(database, autocommit=False)
    holder.query("INSERT INTO penguin.jobs (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'ok@b.example')",
                 bad.tenant, job, overdue)
    holder.query("SELECT FROM penguin.campaigns WHERE id = %s FOR UPDATE", overdue)
    campaign = bad.campaign()
    inbox = ("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) "
             "SELECT %s, x, %s, 'ok@b.example' FROM unnest(%s::uuid[]) x")
    bad.session.query(inbox, bad.tenant, campaign, [job])
    mine = shop.campaign()
    cli = run(statement_ms=20000, run_ms=16000)
    for n in range(1, 6):
        shop.session.query(inbox, shop.tenant, mine, [uuid7()])
        begin = time.monotonic()
        wait_for(lambda n=n: shop.account(mine) == {"delivered": n})
        assert time.monotonic() - begin < 5  # of 20: it waited for nobody's lock
    holder.connection.rollback()
    holder.close()
    wait_for(lambda: bad.account(campaign) == {"delivered": 1})
    assert [line["event"] for line in cli.finish() if line["event"] in ("down", "fenced")] == []
