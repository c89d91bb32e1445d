"""What an operator sees and stops, with mail in the world."""
import collections
import json
import subprocess
import threading
import time
import uuid

import pytest
from ctllib import PROGRAM, Ctl
from mtalib import WORLD, Stack
from penguin import Session, old_partition, uuid7

HOSTILE = """
rules:
  - at: rcpt
    recipient: "hostile*@*"
    raw_hex: "35353020352e312e31201b5d303b6f776e6564071b5b33316d20ff20273b44524f50205441424c45206a6f62733b2d2d203c7363726970743e0d0a"
  - at: rcpt
    recipient: "later*@*"
    reply: 450 4.2.0 later
"""


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def stack(database, tmp_path):
    with Stack(database, tmp_path, world=WORLD + HOSTILE, config={"retry": {"first": "1h", "max": "1h", "expire": "2d"}}) as it:
        it.ctl = Ctl(database, tmp_path)
        yield it


def test_threat_C6_reply_text_never_reaches_the_terminal_raw(stack):
    campaign = stack.campaign()
    (job,) = stack.enqueue(campaign, ["hostile@d1.test"])
    stack.start()
    assert stack.check(campaign) == {"bounced": 1}
    text = stack.ctl.run("explain", job)
    assert "DROP TABLE" in text and "\x1b" not in text and "\x07" not in text
    shown = rows(stack.ctl.run("explain", job, "--json"))
    assert shown[0]["state"] == "bounced" and shown[1]["code"] == 550 and shown[1]["enhanced"] == "5.1.1"
    stack.stop()


def test_explain_queue_and_nodes_tell_where_a_job_is(stack):
    campaign = stack.campaign()
    (job, _) = stack.enqueue(campaign, ["later@d1.test", "ann@d2.test"])
    stack.start()
    stack.wait(campaign, lambda a: a == {"retrying": 1, "delivered": 1})
    shown = rows(stack.ctl.run("explain", job, "--json"))
    assert shown[0]["state"] == "retrying" and shown[1]["code"] == 450
    (line,) = rows(stack.ctl.run("queue", "--json"))
    assert line["state"] == "retrying" and line["jobs"] == 1 and line["lost"] == 0
    stack.shop.session.query("UPDATE penguin.batches SET lost = true")
    assert rows(stack.ctl.run("queue", "--json"))[0]["lost"] == 1
    assert "retrying" in stack.ctl.run("queue")
    assert [n["state"] for n in rows(stack.ctl.run("node", "list", "--json"))] == ["live"]
    stack.ctl.run("verify")
    stack.ctl.run("explain", "nonsense", code=64)
    stack.ctl.run("explain", campaign, code=65)
    stack.stop()


def test_log_filters_and_follows_over_a_rotation(stack):
    import subprocess
    from ctllib import PROGRAM

    campaign = stack.campaign()
    (job, _) = stack.enqueue(campaign, ["hostile@d1.test", "ann@d2.test"])
    stack.start()
    stack.wait(campaign)
    time.sleep(0.5)
    log = stack.directory / "delivery.log"
    text = stack.ctl.run("log", log)
    assert len(text.splitlines()) == 2 and "\x1b" not in text
    assert [r["id"] for r in rows(stack.ctl.run("log", log, "--type", "Bounce", "--json"))] == [job]
    assert stack.ctl.run("log", log, "--recipient", "ANN@d2.test").count("250") == 1
    stack.ctl.run("log", stack.directory / "none.log", code=66)
    follower = subprocess.Popen([PROGRAM, "log", log, "--follow", "--json"], stdout=subprocess.PIPE, text=True)
    try:
        assert [json.loads(follower.stdout.readline())["type"] for _ in range(2)]
        log.rename(stack.directory / "delivery.log.1")
        import signal
        stack.mta.send_signal(signal.SIGUSR1)
        time.sleep(0.5)
        stack.enqueue(campaign, ["bob@d3.test"])
        assert json.loads(follower.stdout.readline())["recipient"] == "bob@d3.test"
    finally:
        follower.kill()
        follower.wait()
    stack.stop()


def test_hold_and_release_within_two_seconds(stack):
    campaign = stack.campaign()
    stack.start()
    stack.wait(campaign)
    stack.ctl.run("hold", "domain", "D3.test", "--reason", "their request")
    stack.ctl.run("hold", "source", "s1", "--for", "6s")
    (held, _) = rows(stack.ctl.run("hold", "list", "--json"))
    assert held["kind"] == "domain" and held["name"] == "d3.test" and held["reason"] == "their request"
    stack.ctl.run("hold", "campaign", campaign, "--reason", "wait for the boss")
    own = "no key in DNS"  # a worker's, which stands beside the operator's
    stack.shop.session.run("hold_add", stack.shop.tenant, "campaign", campaign, own, None)
    stack.shop.session.run("hold_add", uuid7(), "campaign", campaign, "another tenant's", None)
    shown = stack.ctl.run("campaign", "show", campaign)
    assert "wait for the boss" in shown and own in shown and "another tenant's" not in shown
    stack.ctl.run("release", "campaign", campaign)
    time.sleep(1)
    stack.enqueue(campaign, ["a@d1.test", "a@d3.test"])
    time.sleep(0.5)
    assert stack.world.ledger() == []
    stack.wait(campaign, lambda a: a.get("delivered") == 1)  # the source's hold ended by itself
    time.sleep(1)
    assert [line["recipient"] for line in stack.world.ledger()] == ["a@d1.test"]
    begin = time.monotonic()
    stack.ctl.run("release", "domain", "d3.test")
    stack.wait(campaign)
    assert time.monotonic() - begin < 15
    stack.ctl.run("release", "domain", "d3.test", code=65)
    stack.ctl.run("hold", "weather", "rain", code=64)
    stack.stop()


def test_suppress_and_erase(stack):
    campaign = stack.campaign()
    stack.ctl.run("suppress", "add", "Ann@d1.test")
    stack.ctl.run("suppress", "add", "@d2.test", "--for", "1h")
    assert {r["address"] for r in rows(stack.ctl.run("suppress", "list", "--json"))} == {"ann@d1.test", "@d2.test"}
    ids = stack.enqueue(campaign, ["ann@d1.test", "bob@d2.test", "eve@d3.test"])
    stack.start()
    assert stack.check(campaign) == {"suppressed": 2, "delivered": 1}
    stack.ctl.run("suppress", "remove", "@d2.test")
    stack.ctl.run("suppress", "remove", "@d2.test", code=65)
    stack.ctl.run("suppress", "add", "eve@d3.test")
    stack.ctl.run("erase", "eve@d3.test")
    assert "eve" not in stack.ctl.run("explain", ids[2]) + stack.ctl.run("suppress", "list")
    stack.ctl.run("erase", "@d3.test", code=64)
    stack.ctl.run("verify")
    stack.ctl.run("suppress", "add", "not an address", code=65)
    stack.stop()


def test_erase_finds_a_row_that_a_worker_moves_meanwhile(stack):
    """The worker's transaction holds the row of the inbox when the person is erased, and commits then."""
    campaign = stack.campaign()
    stack.shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, %s)",
                             stack.shop.tenant, uuid7(), campaign, "eve@d3.test")
    mover = Session(stack.dsn, autocommit=False)
    assert mover.run("inbox_move", stack.shop.tenant, 10, "salt") == [{"taken": 1, "added": 1}]
    eraser = threading.Thread(target=stack.ctl.run, args=("erase", "eve@d3.test"))
    eraser.start()
    stack.wait(None, lambda _: stack.shop.session.value(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"))
    mover.connection.commit()
    eraser.join(20)
    mover.close()
    (recipient,) = stack.shop.session.query("SELECT recipient FROM penguin.jobs")[0]
    assert recipient.startswith("sha256:")


def test_a_file_is_imported_once_however_late_it_comes_again(stack):
    """All was sent 40 days ago, and maintain has been there since."""
    campaign = stack.campaign()
    session = stack.shop.session
    old_partition(session, 40)
    session.query("UPDATE penguin.campaigns SET created_at = now() - interval '40 days'")
    words = ["enqueue", "--campaign", campaign, "-"]
    assert "2 added" in stack.ctl.run(*words, stdin="email\nann@d1.test\nbob@d2.test\n")
    stack.start()
    assert stack.check(campaign) == {"delivered": 2}
    session.query("UPDATE penguin.jobs SET enqueued_at = now() - interval '40 days'")
    assert "old partitions kept" in stack.ctl.run("maintain", "--keep", "30")
    assert "0 added, 2 already there" in stack.ctl.run(*words, stdin="email\nann@d1.test\nbob@d2.test\n")
    time.sleep(1)
    assert len(stack.world.ledger()) == 2
    stack.stop()
    assert stack.ctl.run("campaign", "finish", campaign) == "finished\n"
    stack.ctl.run("campaign", "finish", campaign, code=65)
    said = stack.ctl.run("maintain", "--keep", "30")
    assert "kept" not in said and "dropping jobs_" in said
    assert session.value("SELECT count(*) FROM penguin.jobs") == 0
    assert "2 added" in stack.ctl.run(*words, stdin="email\nann@d1.test\nbob@d2.test\n")
    stack.start()
    stack.wait(campaign, lambda a: a == {"delivered": 2, "expired": 2})
    assert len(stack.world.ledger()) == 2
    stack.stop()


def test_maintain_and_quarantine(stack):
    assert "partitions" in stack.ctl.run("maintain")
    session = stack.shop.session
    gone = str(uuid.uuid4())
    session.query("INSERT INTO penguin.workers (id, node, name, version, state, until) VALUES (%s, 'n', 'w0', '', 'dead',"
                  " now() - interval '40 days')", gone)
    session.run("limit_reserve", stack.shop.tenant, "tenant", "t", 1, 1000, 1000, 10**9)
    assert "0 partitions" in stack.ctl.run("maintain")
    assert session.query("SELECT (SELECT count(*) FROM penguin.limits), (SELECT count(*) FROM penguin.workers WHERE id = %s)",
                         gone) == [(0, 0)]
    stack.ctl.run("maintain", "--keep", "zero", code=64)
    assert rows(stack.ctl.run("quarantine", "list", "--json")) == []
    stack.ctl.run("quarantine", "release", stack.campaign(), code=65)
    stack.ctl.run("tenant", "set", "acme", "closed")
    stack.ctl.run("tenant", "set", "acme", "asleep", code=64)


def test_doubt_D1_doubt_D2_is_ended_once_by_whoever_comes_first(database, tmp_path):
    rule = '\nrules:\n  - {at: dot, nth: 1-4, accept: true, then: reset}\n'
    with Stack(database, tmp_path, world=WORLD + rule) as stack:
        ctl = Ctl(database, tmp_path)
        campaign = stack.campaign()
        stack.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'hold'")
        jobs = stack.enqueue(campaign, [f"ann{i}@d1.test" for i in range(4)])
        ctl.run("doubt", "retry", "--campaign", campaign, code=65)
        stack.start()
        assert stack.wait(campaign) == {"in_doubt": 4}
        listed = rows(ctl.run("doubt", "list", "--json"))
        assert {(r["job_id"], r["recipient"]) for r in listed} == {(j, f"ann{i}@d1.test") for i, j in enumerate(jobs)}
        assert len(rows(ctl.run("doubt", "list", "--campaign", campaign, "--json"))) == 4
        for words in (["retry"], ["sent", jobs[0], "--campaign", campaign], ["failed", "nonsense"]):
            ctl.run("doubt", *words, code=64)

        assert "1 job counted as delivered" in ctl.run("doubt", "sent", jobs[0], "--reason", "it is in their log")
        assert "1 job counted as failed" in ctl.run("doubt", "failed", jobs[1])
        for word in ("sent", "failed", "retry"):
            ctl.run("doubt", word, jobs[0], code=65)
        shown = rows(ctl.run("explain", jobs[0], "--json"))
        assert shown[0]["state"] == "delivered" and "it is in their log" in json.dumps(shown)
        assert stack.shop.account(campaign) == {"in_doubt": 2, "delivered": 1, "failed": 1}

        assert "2 jobs will be sent again" in ctl.run("doubt", "retry", "--campaign", campaign)
        assert rows(ctl.run("doubt", "list", "--json")) == []
        assert stack.wait(campaign) == {"delivered": 3, "failed": 1}
        ctl.run("doubt", "retry", "--campaign", campaign, code=65)
        sent = collections.Counter(line["job"] for line in stack.world.ledger())
        assert sent == {jobs[0]: 1, jobs[1]: 1, jobs[2]: 2, jobs[3]: 2}
        assert "possible duplicates: 2" in ctl.run("campaign", "show", campaign)
        assert json.loads(ctl.run("campaign", "show", campaign, "--json"))["possible_duplicates"] == 2
        ctl.run("verify")
        stack.stop()


def test_doubt_of_many_by_two_operators(database, tmp_path):
    """Each job is sent again, or counted, by one of them."""
    with Stack(database, tmp_path) as stack:
        ctl = Ctl(database, tmp_path)
        campaign = stack.campaign()
        stack.enqueue(campaign, [f"u{i}@d1.test" for i in range(1200)])
        stack.shop.session.query(
            "INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state, at) "
            "SELECT tenant_id, id, id, campaign_id, 1, 'in_doubt', now() FROM penguin.jobs")
        stack.shop.session.query("DELETE FROM penguin.batches")
        stack.shop.session.query("INSERT INTO penguin.campaign_stats (tenant_id, campaign_id, stripe, in_doubt) "
                                 "VALUES (%s, %s, 5, 1200)", stack.shop.tenant, campaign)
        assert stack.shop.account(campaign) == {"in_doubt": 1200}
        both = [subprocess.Popen([PROGRAM, "doubt", word, "--campaign", campaign], env=ctl.environment,
                                 stdout=subprocess.PIPE, text=True) for word in ("retry", "failed")]
        counts = [int((program.communicate(timeout=60)[0].split() or [0])[0]) for program in both]
        assert [program.returncode for program in both] == [0 if count else 65 for count in counts]
        assert sum(counts) == 1200
        account = stack.shop.account(campaign)
        assert [account.pop(state, 0) for state in ("retrying", "failed")] == counts and not account
