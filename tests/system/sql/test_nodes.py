"""What workers tell of themselves, and what is done about a history that was forgotten."""
import uuid

from penguin import Worker


def key(shop, take):
    return (shop.tenant, "default", "other", 10, take)


def members(worker, batches):
    campaigns = {b["id"]: b["campaign_id"] for b in batches}
    return [dict(job, campaign_id=campaigns[job["batch_id"]]) for job in worker.jobs(batches)]


def test_node_N5_each_beat_is_greater_and_says_whether_it_lives(shop, worker):
    beats = [worker.session.run("worker_beat", worker.id, 0)[0] for _ in range(3)]
    assert [(b["beats"], b["live"]) for b in beats] == [(2, True), (3, True), (4, True)]
    assert worker.session.run("worker_beats", worker.id) == [{"beats": 4}]
    assert worker.session.run("worker_kill", [worker.id], 10**9) == [], "it was heard of"
    assert worker.session.run("worker_kill", [worker.id], 0) == [{"id": worker.id}]
    assert [(b["beats"], b["live"]) for b in worker.session.run("worker_beat", worker.id, 4)] == [(5, False)]
    assert worker.session.run("worker_beat", str(uuid.uuid4()), 7) == []


def test_who_finds_that_something_is_forgotten_is_waited_for_until_it_has_told(database, shop, worker):
    other = Worker(database, "w2")

    def untold(back_us, server=None):
        rows = other.session.run("worker_untold", other.id, back_us, server)
        return [(row["name"], row["telling"]) for row in rows if row["node"]]

    assert untold(0) == [("w1", False)] and not untold(10**9), "it was heard of a moment ago"
    (row, *_) = other.session.run("worker_untold", other.id, 0, "a server that was started yesterday")
    assert row["name"] == "w1" and not untold(0, row["server"]), "a server that ran on has forgotten nothing"
    worker.session.run("worker_beat", worker.id, 1)
    assert not untold(10**7) and not untold(None), "it has found nothing"
    worker.session.run("worker_beat", worker.id, 9)
    worker.session.run("worker_beat", worker.id, 9)
    assert untold(10**9) == untold(None) == [("w1", True)]
    (row,) = worker.session.run("worker_untold", worker.id, None, None)
    assert row["node"] is None, "not itself"
    assert untold(10**9, row["server"]) == [("w1", True)], "also on the same server"
    again = Worker(database, "w1")
    again.session.run("worker_replace", again.id, "node", "w1", [worker.id], "m1")
    assert not untold(10**9), "whoever came after it has told"


def test_peers_are_the_others_that_live(database, shop, worker):
    later, dead = Worker(database, "w2"), Worker(database, "w3")
    shop.session.run("worker_kill", [dead.id], 0)
    expired = Worker(database, "w4", lease_s=-1)
    (peer,) = later.session.run("worker_peers", later.id)
    assert (peer["node"], peer["name"], peer["machine"], peer["elder"]) == ("node", "w1", "m1", True)
    assert [p["elder"] for p in worker.session.run("worker_peers", worker.id)] == [False]
    assert [p["elder"] for p in worker.session.run("worker_peers", str(uuid.uuid4()))] == [True, True], "all, to one that is not there yet"
    assert len(expired.session.run("worker_peers", expired.id)) == 2


def test_who_is_of_another_machine_is_not_replaced(database, shop, worker):
    again = Worker(database, "w1")
    assert again.session.run("worker_replace", again.id, "node", "w1", [], "m2") == []
    assert [r["id"] for r in again.session.run("worker_replace", again.id, "node", "w1", [], "m1")] == [worker.id]


def test_what_was_forgotten_is_known_again(database, shop, worker):
    """A batch that waits lists jobs that have ended in the forgotten history: who claims it learns it."""
    campaign, other = shop.campaign(), shop.campaign()
    shop.enqueue(campaign, 5)
    shop.enqueue(other, 1)
    gone = str(uuid.uuid4())
    assert worker.session.run("worker_recall", [gone, worker.id], "node") == [{"id": gone}]
    assert worker.session.run("worker_recall", [gone], "node") == []
    jobs = [{"tenant_id": shop.tenant, "id": i, "campaign_id": campaign} for (i,) in shop.session.query(
        "SELECT unnest(jobs) FROM penguin.batches WHERE campaign_id = %s", campaign)]
    old, worker.id = worker.id, gone
    worker.report(jobs[:1], "delivered")
    worker.report(jobs[1:2], "retrying", attempt_no=2)
    worker.report(jobs[2:3], "retrying", flags=16)
    worker.id = old
    assert shop.session.query("SELECT DISTINCT flags & 2 FROM penguin.attempts") == [(0,)], "no stranger's evidence"
    assert len(worker.session.run("batch_suspect", shop.tenant, campaign, [gone], 100)) == 1
    assert worker.session.run("batch_suspect", shop.tenant, campaign, [gone], 100) == []
    assert shop.session.query("SELECT count(*) FROM penguin.batches WHERE suspect AND NOT lost") == [(1,)]
    batches = [b for b in worker.claim(key(shop, 10)) if b["campaign_id"] == campaign]
    seen = members(worker, batches)
    assert [j["final"] for j in seen] == ["delivered", "", "", "", ""]
    assert [j["attempt_no"] for j in seen] == [1, 2, 1, 0, 0]
    assert [j["doubtful"] for j in seen] == [False, False, True, False, False]
    worker.report(seen[1:], "delivered", attempt_no=3)
    assert worker.close(batches, delivered=5)
    assert shop.account(campaign) == {"delivered": 5}


def test_what_others_hold_is_theirs(database, shop, worker):
    campaign = shop.campaign()
    shop.enqueue(campaign, 4)
    mine = worker.claim(key(shop, 2))
    theirs = Worker(database, "w2").claim(key(shop, 1))
    marked = worker.session.run("batch_suspect", shop.tenant, campaign, [worker.id], 100)
    assert len(marked) == 2 and theirs[0]["id"] not in {m["id"] for m in marked}
    assert mine[0]["id"] in {m["id"] for m in marked}
