"""Partitions, retention, erasure; and that verify finds what is wrong."""
import hashlib
import time
import uuid

from penguin import DAY_MS, old_partition, run_ddl, uuid7


def partition_of(session, table, id_):
    return session.value(f"SELECT tableoid::regclass::text FROM penguin.{table} WHERE id = %s", id_)


def test_partitions_are_made_ahead(shop):
    rows = shop.session.run("maintain_missing", 14)
    assert len(rows) == 30
    run_ddl(shop.session, rows)
    assert shop.session.run("maintain_missing", 14) == []
    assert len(shop.session.run("maintain_missing", 15)) == 2
    campaign = shop.campaign()
    now = int(time.time() * 1000)
    midnight = now - now % DAY_MS
    ids = [uuid7(midnight), uuid7(midnight + DAY_MS - 1), uuid7(midnight + DAY_MS),
           uuid7(midnight + 14 * DAY_MS), uuid7(midnight + 15 * DAY_MS), uuid7(midnight - 1)]
    shop.enqueue(campaign, recipients=["a@b.c"] * len(ids), ids=ids)

    def day(n):
        return time.strftime("penguin.jobs_%Y%m%d", time.gmtime(midnight / 1000 + n * 86400))

    assert [partition_of(shop.session, "jobs", i) for i in ids] == [
        day(0), day(0), day(1), day(14), "penguin.jobs_default", "penguin.jobs_default"]
    assert {r["name"]: r["rows"] for r in shop.session.run("maintain_default")} == {
        "jobs_default": 2, "attempts_default": 0}
    indexes = shop.session.value("SELECT count(*) FROM pg_indexes WHERE tablename LIKE 'attempts\\_2%%'")
    assert indexes == 45


def test_what_the_default_caught_is_moved(shop, worker):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 50)
    assert partition_of(shop.session, "jobs", ids[0]) == "penguin.jobs_default"
    run_ddl(shop.session, shop.session.run("maintain_missing", 1))
    assert partition_of(shop.session, "jobs", ids[0]) != "penguin.jobs_default"
    assert [r["rows"] for r in shop.session.run("maintain_default")] == [0, 0]
    batches = worker.claim((shop.tenant, "default", "other", 10, 100))
    assert len(worker.jobs(batches)) == 50
    assert shop.account(campaign) == {"leased": 50}
    assert shop.enqueue(campaign, recipients=["a@b.c"], ids=ids[:1])[1] == 0


def test_old_partitions_go_unless_they_are_needed(shop, worker):
    old_partition(shop.session, 40)
    old_partition(shop.session, 20)
    campaign = shop.campaign()
    old = uuid7(int(time.time() * 1000) - 40 * DAY_MS)
    shop.enqueue(campaign, recipients=["a@b.c"], ids=[old])
    shop.session.query("UPDATE penguin.jobs SET enqueued_at = now() - interval '31 days'")
    assert partition_of(shop.session, "jobs", old).startswith("penguin.jobs_2")
    names = [r["name"][:-8] for r in shop.session.run("maintain_expired", 30, 30)]
    assert names == ["attempts_"]
    batches = worker.claim((shop.tenant, "default", "other", 10, 1))
    assert [j["id"] for j in worker.jobs(batches)] == [old]
    worker.close(batches)
    rows = shop.session.run("maintain_expired", 30, 30)
    assert [r["name"][:-8] for r in rows] == ["attempts_", "jobs_"]
    run_ddl(shop.session, rows)
    assert shop.session.run("maintain_expired", 30, 30) == []
    assert shop.session.value("SELECT count(*) FROM penguin.jobs") == 0
    assert len(shop.session.run("maintain_expired", 10, 10)) == 2


def test_jobs_stay_while_the_same_ids_may_come_again(shop, worker):
    """An import into a campaign that was made 40 days ago: its ids are of that day, whenever it is made."""
    old_partition(shop.session, 40)
    campaign = shop.campaign()
    shop.session.query("UPDATE penguin.campaigns SET created_at = now() - interval '40 days'")
    job = uuid7(int(time.time() * 1000) - 40 * DAY_MS)
    shop.enqueue(campaign, recipients=["a@b.c"], ids=[job])
    batches = worker.claim((shop.tenant, "default", "other", 10, 10))
    worker.report(worker.jobs(batches), "delivered", campaign=campaign)
    worker.close(batches)
    name = partition_of(shop.session, "jobs", job).removeprefix("penguin.")

    def fate():
        """Of the jobs' partition: kept for campaigns, kept without a word, or to be dropped."""
        rows = [r for r in shop.session.run("maintain_expired", 30, 30) if r["name"] == name]
        return "kept" if not rows else "dropped" if rows[0]["ddl"] else rows[0]["campaigns"]

    assert fate() == 1
    assert shop.enqueue(campaign, recipients=["a@b.c"], ids=[job])[1] == 0
    shop.session.run("campaign_finish", shop.tenant, campaign, "all is sent")
    assert fate() == "kept"  # it was enqueued today
    shop.session.query("UPDATE penguin.jobs SET enqueued_at = now() - interval '29 days'")
    assert fate() == "kept"
    shop.session.query("UPDATE penguin.jobs SET enqueued_at = now() - interval '31 days'")
    assert fate() == "dropped"
    shop.session.query("UPDATE penguin.campaigns SET state = 'paused'")
    assert fate() == 1
    for edge in ("- interval '1 day'", "+ interval '1 day'"):
        shop.session.query(f"UPDATE penguin.campaigns SET created_at = date_trunc('day', now() AT TIME ZONE 'UTC') "
                           f"AT TIME ZONE 'UTC' - interval '40 days' {edge}")
        assert fate() == "dropped"


def test_erase_leaves_no_address_and_no_gap(shop, worker):
    campaign = shop.campaign()
    ids = sorted(uuid7() for _ in range(3))
    shop.enqueue(campaign, recipients=["Ann@X.example", "bob@x.example", "ann@x.example"], ids=ids)
    shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) "
                       "VALUES (%s, %s, %s, 'ANN@x.example')", shop.tenant, uuid7(), campaign)
    batch = worker.claim((shop.tenant, "default", "other", 10, 1))
    first = [dict(j, campaign_id=campaign) for j in worker.jobs(batch)]
    worker.report(first, "bounced")
    shop.session.query("UPDATE penguin.attempts SET reply = '550 <Ann@X.example> unknown'")
    worker.close(batch, bounced=1)
    shop.session.run("suppression_add", [shop.tenant] * 2, ["ann@x.example"] * 2, ["news", "*"], ["bounce"] * 2,
                     ["550 ann@x.example"] * 2, [None] * 2)
    for name in ("erase_suppress", "erase_inbox", "erase_attempts", "erase_jobs"):
        shop.session.run(name, shop.tenant, "ann@x.example")
    for table in ("jobs", "attempts", "suppressions", "inbox"):
        text = str(shop.session.query(f"SELECT to_jsonb(t)::text FROM penguin.{table} t"))
        assert "ann@x" not in text.lower(), table
    shop.session.run("inbox_move", shop.tenant, 10, "salt")
    assert shop.account(campaign) == {"waiting": 3, "bounced": 1}
    jobs = worker.jobs(worker.claim((shop.tenant, "default", "other", 10, 10)))
    hashed = "sha256:" + hashlib.sha256(b"ann@x.example").hexdigest()
    assert sorted((j["recipient"], j["suppressed"]) for j in jobs) == [
        ("bob@x.example", ""), (hashed, "erased"), (hashed, "erased")]
    shop.enqueue(campaign, recipients=["ANN@x.example"])
    again = worker.jobs(worker.claim((shop.tenant, "default", "other", 10, 10)))
    assert [j["suppressed"] for j in again] == ["erased"]
    # What was on its way meanwhile is reported, and goes when the person is erased once more.
    worker.report(first, "bounced", attempt_no=2)
    assert shop.session.run("erase_attempts", shop.tenant, "ann@x.example") == 1
    assert shop.session.query("SELECT DISTINCT reply, command FROM penguin.attempts") == [("", "")]
    assert shop.session.run("erase_attempts", shop.tenant, "ann@x.example") == 0


def wrong(shop):
    return {(r["state"], r["recounted"], r["accounted"]) for r in shop.session.run("verify", shop.tenant)
            if r["recounted"] != r["accounted"]}


def test_verify_finds_what_is_wrong(shop, worker):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 10)
    assert wrong(shop) == set()
    query = shop.session.query
    query("UPDATE penguin.batches SET jobs = jobs[2:]")
    assert wrong(shop) == {("lost", 1, 0)}
    query("UPDATE penguin.batches SET jobs = %s::uuid[] || jobs", [ids[0]])
    query("UPDATE penguin.batches SET jobs = jobs || jobs[1:1]")
    assert ("listed_twice", 1, 0) in wrong(shop)
    query("UPDATE penguin.batches SET jobs = %s::uuid[]", ids + [uuid7()])
    assert ("no_job", 1, 0) in wrong(shop)
    query("UPDATE penguin.batches SET jobs = %s::uuid[]", ids)
    assert wrong(shop) == set()
    batches = worker.claim((shop.tenant, "default", "other", 10, 10))
    worker.close(batches)
    assert wrong(shop) == {("lost", 10, 0), ("delivered", 0, 10)}


def test_forgotten_workers_and_limits(database, shop, worker):
    shop.session.run("limit_reserve", shop.tenant, "tenant", "t", 1, 1000, 1000, 10**9)
    shop.session.query("UPDATE penguin.workers SET state = 'dead', until = now() - interval '40 days'")
    shop.session.run("maintain_limits", 10**9 + 2 * 86400 * 10**6)
    assert shop.session.query("SELECT (SELECT count(*) FROM penguin.limits), "
                              "(SELECT count(*) FROM penguin.workers)") == [(0, 0)]


def test_crashes_are_forgotten_when_their_job_has_ended(shop, worker):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 5)
    (batch,) = worker.claim((shop.tenant, "default", "other", 10, 5))
    jobs = {job["id"]: dict(job, campaign_id=campaign) for job in worker.jobs([batch])}
    delivered, retrying, doubtful, fresh, poison = ids
    for job, state in ((delivered, "delivered"), (retrying, "retrying"), (doubtful, "in_doubt"), (fresh, "delivered")):
        worker.report([jobs[job]], state)
    for job in ids:
        shop.session.run("crash_add", shop.tenant, job, campaign, str(uuid.uuid4()), "session")

    def age(days, *jobs):
        shop.session.query("UPDATE penguin.quarantine SET at = now() - %s * interval '1 day' WHERE job_id = ANY (%s::uuid[])", days,
                           list(jobs))

    def forgotten():
        return {row["job_id"] for row in shop.session.run("maintain_quarantine")}

    age(2, delivered, retrying, doubtful, poison)
    shop.session.query("UPDATE penguin.quarantine SET released_at = NULL WHERE job_id = %s", poison)
    assert forgotten() == {delivered}
    age(31, retrying, poison)
    assert forgotten() == {retrying}, "and the one in quarantine is an operator's"
    shop.session.query("DELETE FROM penguin.jobs WHERE id = %s", poison)
    assert forgotten() == {poison}
    assert shop.session.value("SELECT count(*) FROM penguin.quarantine") == 2
