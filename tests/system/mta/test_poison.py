"""A job that kills workers: two crashes with it at hand, and it is set aside; everything else is sent.

The engine runs with tests/tools/poison.c in it, which dies of certain bytes as a fault in the code would.
"""
import collections
import json
import os
import subprocess
import time

import pytest
from mtalib import BUILD, WORLD, Stack

pytestmark = pytest.mark.alone

POISON = BUILD / "tests" / "tools" / "poison.so"
CTL = BUILD / "src" / "main" / "penguinctl"
CONFIG = {"default_site": {"connections": 1}, "lease": {"duration": "3s", "renew": "300ms", "autonomy": "0s"},
          "timeouts": {"scale": 0.001}, "retry": {"first": "1s", "jitter": "0%"}}
CONNECTIONS = 3  # one to each of the world's sites
AT_RCPT = '\nrules:\n  - at: rcpt\n    recipient: "session@*"\n    reply: 451 4.7.1 poison-session\n'
AT_DOT = '\nrules:\n  - at: dot\n    recipient: "session@*"\n    reply: 250 2.0.0 poison-session\n'


def start(s):
    return s.start_in(dict(os.environ, LD_PRELOAD=str(POISON),
                           ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0:handle_segv=0"))


def run(s, done, timeout=120):
    """As systemd would: what ends is started again.  How often that was."""
    deaths = 0
    end = time.monotonic() + timeout
    while not done():
        assert time.monotonic() < end, s.log_text()[-3000:]
        if s.mta.poll() is not None:
            assert s.mta.returncode == -11, s.log_text()[-3000:]
            deaths += 1
            s.log.close()
            start(s)
        time.sleep(0.05)
    return deaths


def ended(s, campaign):
    return lambda: not any(s.account(campaign).get(state) for state in ("waiting", "leased", "retrying"))


def ctl(s, *words):
    return subprocess.run([CTL, *words], env=dict(os.environ, PENGUIN_DSN=s.dsn), check=True, text=True, timeout=60,
                          stdout=subprocess.PIPE).stdout


def quarantined(s):
    rows = [json.loads(line) for line in ctl(s, "quarantine", "list", "--json").splitlines()]
    return {row["job_id"]: row for row in rows}


def enqueue(s, campaign, poisoned, count=200):
    """`count` jobs; those of the poisoned by their stage."""
    people = [f"user{i}@d{i % 50 + 1}.test" for i in range(count - len(poisoned))]
    names = [{"name": name.split("@")[0]} for name in people]
    for n, stage in enumerate(poisoned):
        at = (n + 1) * 40
        people.insert(at, f"{stage}@d{n + 1}.test")
        names.insert(at, {"name": f"poison-{stage}" if stage != "session" else "Ann"})
    ids = s.enqueue(campaign, people, names)
    return ids, {stage: ids[(n + 1) * 40] for n, stage in enumerate(poisoned)}


def check_others(s, campaign, ids, bad, deaths):
    """All but the bad were delivered; what was sent twice is bounded, and flagged."""
    count = collections.Counter(line["job"] for line in s.world.ledger())
    assert {job for job in ids if job not in bad} <= set(count)
    flagged = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 21 or row["state"] == "in_doubt"}
    twice = {job for job, n in count.items() if n > 1}
    assert twice <= flagged
    assert sum(count.values()) - len(count) <= deaths * CONNECTIONS
    lost, _, misreported = s.join(campaign)
    assert not lost and not misreported
    s.shop.account(campaign)
    return count


def test_poison_P1_poison_P2_a_job_at_hand_in_two_crashes_is_set_aside_and_all_others_are_sent(stack):
    with stack(world=WORLD + AT_RCPT, config=CONFIG) as s:
        campaign = s.campaign()
        ids, bad = enqueue(s, campaign, ["compose", "sign", "session"])
        start(s)
        deaths = run(s, ended(s, campaign))
        assert deaths == 6, "each of three is tried twice, and once more only if others of it died first"
        assert s.account(campaign) == {"delivered": 197, "failed": 3}
        count = check_others(s, campaign, ids, set(bad.values()), deaths)
        assert not set(bad.values()) & set(count)
        rows = quarantined(s)
        assert {stage: (rows[job]["stage"], rows[job]["reason"], rows[job]["crashes"]) for stage, job in bad.items()} == {
            stage: (stage, f"at hand in 2 crashes, in the last at stage {stage}", 2) for stage in bad}
        assert len(rows) == 3

        # Released it is tried once more, and that is enough.
        ctl(s, "quarantine", "release", bad["sign"])
        assert run(s, ended(s, campaign)) == 1
        assert s.account(campaign) == {"delivered": 197, "failed": 3}
        assert quarantined(s)[bad["sign"]]["crashes"] == 2
        check_others(s, campaign, ids, set(bad.values()), deaths + 1)

        # Released when the fault is mended, it goes out.
        s.stop()
        s.start()
        ctl(s, "quarantine", "release", bad["compose"])
        assert s.wait(campaign) == {"delivered": 198, "failed": 2}
        assert set(quarantined(s)) == {bad["sign"], bad["session"]}
        check_others(s, campaign, ids, {bad["sign"], bad["session"]}, deaths + 1)
        s.stop()


def test_poison_P3_dying_of_the_answer_to_the_dot_is_a_doubt(stack):
    """The receiver has it each time: that is no failure, and nobody is written to a third time."""
    with stack(world=WORLD + AT_DOT, config=CONFIG) as s:
        campaign = s.campaign()
        ids, bad = enqueue(s, campaign, ["session"])
        start(s)
        assert run(s, ended(s, campaign)) == 2
        assert s.account(campaign) == {"delivered": 199, "in_doubt": 1}
        count = check_others(s, campaign, ids, set(), 2)
        assert count[bad["session"]] == 2
        assert quarantined(s)[bad["session"]]["stage"] == "session"
        listed = [json.loads(line)["job_id"] for line in ctl(s, "doubt", "list", "--json").splitlines()]
        assert listed == [bad["session"]]
        ctl(s, "doubt", "sent", bad["session"])
        assert s.account(campaign) == {"delivered": 200}
        assert quarantined(s) == {}
        s.stop()


def test_poison_P4_a_worker_that_is_killed_between_two_jobs_blames_none(stack):
    with stack(config=CONFIG) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.wait(campaign) == {"delivered": 1}
        for _ in range(3):
            s.kill()
            s.start()
            s.enqueue(campaign, ["bob@d1.test"])
            s.wait(campaign)
        assert s.shop.session.query("SELECT * FROM penguin.quarantine") == []
        s.stop()


def test_all_that_three_owners_lost_is_claimed_an_eighth_at_a_time(database, tmp_path):
    """Of each batch at once: two batches a claim made hours of what a worker that crashed thrice had at hand."""
    with Stack(database, tmp_path, config={"postgres": {"sweep": "60s"}}) as s:
        campaign = s.campaign()
        for batch in range(30):
            s.enqueue(campaign, [f"user{batch}-{i}@d{i + 1}.test" for i in range(8)])
        s.shop.session.query("UPDATE penguin.batches SET leases = 3, suspect = true, not_before = now() - interval '1 h'")
        s.start()
        assert s.wait(campaign, lambda a: a.get("delivered", 0) >= 30, timeout=40) == {"waiting": 210, "delivered": 30}
        s.stop()
        assert len(s.world.ledger()) == 30
