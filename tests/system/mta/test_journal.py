"""The journal: what a worker that was killed had sent, its successor knows."""
import collections
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest
from mtalib import MTA, WORLD, is_disk
from penguin import uuid7

pytestmark = pytest.mark.alone

SLOW = "\nrules:\n  - at: mail\n    delay: 20ms\n"
THINKS = "\nrules:\n  - at: dot\n    nth: 1-1\n    accept: true\n    delay: 30s\n"
FEW = {"default_site": {"connections": 1}, "lease": {"duration": "3s", "renew": "300ms", "autonomy": "0s"},
       "timeouts": {"scale": 0.001}, "retry": {"first": "1s", "jitter": "0%"}}


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def taken(s):
    """How often each job is in the ledger."""
    return collections.Counter(line["job"] for line in s.world.ledger())


def flagged(s, campaign):
    """Jobs of which Postgres says that they may have been delivered without an answer: flags 1, 4 and 16."""
    return {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 21 or row["state"] == "in_doubt"}


@pytest.mark.parametrize("policy, account, lines, flag", [("retry", {"delivered": 1}, 2, 16),
                                                          ("assume_sent", {"delivered": 1}, 1, 4),
                                                          ("hold", {"in_doubt": 1}, 1, 0)])
def test_fault_F5_doubt_D1_killed_between_dot_and_250_is_in_doubt(stack, policy, account, lines, flag):
    with stack(world=WORLD + THINKS, config=FEW) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = %s", policy)
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: s.world.ledger())
        s.kill()
        assert s.attempts(campaign) == []
        s.start()
        assert s.wait(campaign) == account
        assert list(taken(s).values()) == [lines]
        first = s.attempts(campaign)[0]
        assert (first["attempt_no"], first["phase"], first["flags"]) == (1, "dot", flag)
        assert [row["flags"] & 1 for row in s.attempts(campaign)[1:]] == [1] * (lines - 1), "a possible duplicate"
        assert first["reply"] == "the worker ended before the answer to the final dot"
        logged = [json.loads(line) for line in (s.directory / "delivery.log").read_text().splitlines()]
        assert len(logged) == lines, "the doubt, and what came of it"
        s.shop.account(campaign)
        s.stop()


def test_fault_F9_results_that_postgres_has_not_are_reported_by_the_next(stack):
    """Postgres is away when the answers come; the worker dies; nobody gets anything twice."""
    config = {**FEW, "lease": {"duration": "60s", "renew": "10s", "autonomy": "30s"}}
    with stack(world=WORLD + SLOW, config=config) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(200))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 60)
        s.kill()
        known = len(s.world.ledger())
        assert s.attempts(campaign) == []
        s.start(report={"interval": "500ms"})
        assert s.wait(campaign) == {"delivered": 200}
        count = taken(s)
        twice = {job for job, n in count.items() if n > 1}
        assert len(count) == 200 and twice <= flagged(s, campaign)
        assert sum(count.values()) - 200 <= 50 < known, "one a connection at most"
        s.shop.account(campaign)
        s.stop()


def test_fault_F9_a_retry_that_was_not_filed_is_filed_by_the_next(stack):
    rule = "\nrules:\n  - at: rcpt\n    nth: 1-1\n    per: recipient\n    reply: 451 4.7.1 later\n"
    with stack(world=WORLD + rule, config={**FEW, "retry": {"first": "4s", "max": "4s", "jitter": "0%"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(5))
        s.start(report={"interval": "30s", "retry_interval": "30s"})
        time.sleep(2)
        s.kill()
        assert s.attempts(campaign) == []
        begun = time.time()
        s.start(report={"interval": "100ms", "retry_interval": "100ms"})
        s.wait(campaign, lambda a: a.get("retrying") == 5, timeout=10)
        assert s.check(campaign) == {"delivered": 5}
        rows = s.attempts(campaign)
        assert sorted(row["attempt_no"] for row in rows) == [1] * 5 + [2] * 5, rows
        assert not flagged(s, campaign)
        assert time.time() - begun > 1
        s.stop()


def test_fault_F3_killed_with_nothing_sent_flags_nothing(stack):
    rule = "\nrules:\n  - at: mail\n    nth: 1-20\n    delay: 60s\n"
    with stack(world=WORLD + rule, config=FEW) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(20, 1))
        s.start()
        s.wait(campaign, lambda a: a.get("leased") == 20)
        time.sleep(0.5)
        s.kill()
        s.start(timeouts={"scale": 0.001})
        assert s.check(campaign) == {"delivered": 20}
        assert not flagged(s, campaign)
        s.stop()


def test_fault_F13_a_lost_disk_makes_what_was_held_a_possible_duplicate(stack):
    with stack(world=WORLD + SLOW, config=FEW) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(60, 1))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        s.kill()
        os.rename(s.directory / "spool", s.directory / "gone")
        s.start(report={"interval": "500ms"})
        assert s.wait(campaign) == {"delivered": 60}
        count = taken(s)
        assert {job for job, n in count.items() if n > 1} <= flagged(s, campaign)
        assert len(count) == 60
        s.stop()


def journal_of(directory):
    command = [MTA.parent / "penguinctl", "spool", "show", "--json", directory]
    return [json.loads(line) for line in subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()]


def spoil(directory, row):
    """One bit of a record's payload."""
    (file,) = [path for path in directory.glob("*.seg") if path.stat().st_size > row["offset"] and any(path.read_bytes()[4096:4116])]
    with open(file, "r+b") as segment:
        segment.seek(row["offset"] + 24)
        octet = segment.read(1)[0]
        segment.seek(row["offset"] + 24)
        segment.write(bytes([octet ^ 4]))


@pytest.mark.parametrize("sync", ["on", "off"])
def test_a_flipped_bit_in_the_journal_is_told_and_costs_what_is_in_that_record(stack, sync):
    """Intent and result of one message are gone; what stands behind them is known all the same."""
    with stack(world=WORLD + SLOW, config={**FEW, "spool": {"sync": sync == "on"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(100, 1))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 40)
        s.kill()
        known = s.world.ledger()
        directory = s.directory / "spool" / "w0"
        written = journal_of(directory)
        job = known[10]["job"]
        gone = [row for row in written if row.get("job_id") == job]
        assert [row["type"] for row in gone] == ["intent", "result"]
        for row in gone:
            spoil(directory, row)
        s.start(report={"interval": "500ms"})
        assert s.wait(campaign) == {"delivered": 100}
        count = taken(s)
        assert len(count) == 100 and count[job] == 2, "nobody could know"
        twice = {job for job, n in count.items() if n > 1}
        assert twice <= flagged(s, campaign)
        assert len(twice) <= 2, "it, and what was open at the end"
        assert "journal_damaged" in s.log_text()
        s.shop.account(campaign)
        s.stop()


@pytest.mark.parametrize("policy", ["assume_sent", "hold"])
def test_fault_F13_doubt_D3_where_nothing_may_come_twice_a_lost_disk_ends_what_was_held(stack, policy):
    """Five seconds of sending are at hand at most, and the rest of the campaign knows nothing of it."""
    with stack(world=WORLD + SLOW, config=FEW) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = %s", policy)
        s.enqueue(campaign, people(900, 1))
        s.start(report={"interval": "30s"})
        begun = time.monotonic()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 60)
        rate = 60 / (time.monotonic() - begun)
        time.sleep(1)
        s.kill()
        sent = len(s.world.ledger())
        held = s.account(campaign)["leased"]
        assert sent <= held <= sent + 10 * rate, "what is at hand, and what was sent and is not reported"
        os.rename(s.directory / "spool", s.directory / "gone")
        s.start(report={"interval": "100ms"})
        account = s.wait(campaign, timeout=120)
        count = taken(s)
        assert set(count.values()) == {1}, "nobody gets it twice"
        ended = [row for row in s.attempts(campaign) if row["state"] != "delivered" or row["flags"]]
        assert len(ended) == held and {row["flags"] for row in ended} == {4 if policy == "assume_sent" else 0}
        assert {row["reply"] for row in ended} == {"the worker that held it was lost: nobody knows whether it was sent"}
        assert len(count) == 900 - held + sent
        assert account == ({"delivered": 900} if policy == "assume_sent" else {"delivered": 900 - held, "in_doubt": held})
        if policy == "hold":
            rows = s.shop.session.run("doubt_list", s.shop.tenant, campaign, 1000)
            assert {row["job_id"] for row in rows} == {row["job_id"] for row in ended}
        s.shop.account(campaign)
        s.stop()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "small", place], stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_without_room_for_the_journal_nothing_is_claimed(stack, small_disk):
    """Others have room; what this one held would wait for nothing.  When there is room it goes on by itself."""
    with stack(config={**FEW, "spool": {"directory": str(small_disk / "spool"), "sync": False}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(40))
        (small_disk / "other").write_bytes(b"x" * 3_500_000)
        s.start()
        wait_for(lambda: "postgres_up" in s.log_text())
        time.sleep(2)
        assert s.account(campaign) == {"waiting": 40} and s.world.ledger() == []
        (small_disk / "other").unlink()
        assert s.check(campaign) == {"delivered": 40}
        assert {row["attempt_no"] for row in s.attempts(campaign)} == {1}
        s.stop()


def test_fault_F7_killed_ten_times_at_most_one_a_connection_and_flagged(stack):
    with stack(world=WORLD + SLOW, config={**FEW, "default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1500, 10))
        for round_ in range(10):
            s.start()
            s.wait(campaign, lambda a, n=round_: len(s.world.ledger()) > 100 * (n + 1))
            s.kill()
        s.start()
        assert s.wait(campaign, timeout=120) == {"delivered": 1500}
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported
        assert set(duplicate) <= flagged(s, campaign), "admitted"
        assert len(duplicate) <= 10 * 2 * 10, "ten kills, two connections at each of five sites"
        s.shop.account(campaign)
        s.stop()


def test_fault_F8_a_replay_that_knows_a_part_of_a_batch_ends_only_that(stack):
    """The end of one job's intent did not reach the disk, but Postgres, which has it in another batch by now."""
    with stack(world=WORLD + THINKS, config=FEW) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'hold'")
        s.enqueue(campaign, people(2, 1))
        s.start()
        s.wait(campaign, lambda a: s.world.ledger())
        s.kill()
        (known,) = taken(s)
        s.shop.session.query("UPDATE penguin.batches SET jobs = array_remove(jobs, %s)", known)
        s.shop.session.query("INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, priority, jobs, not_before)"
                             " VALUES (%s, %s, %s, 'default', 1, ARRAY[%s]::uuid[], 'infinity')",
                             s.shop.tenant, uuid7(), campaign, known)
        s.start()
        assert s.wait(campaign, lambda a: a.get("delivered")) == {"delivered": 1, "waiting": 1}
        assert sorted(taken(s).values()) == [1, 1]
        s.stop()


def traced(s, inject, **change):
    """penguin-mta with a fault at its Nth fdatasync."""
    with open(s.directory / "mta.log", "ab") as log:
        return subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", f"inject=fdatasync:{inject}",
                                 MTA, "-c", s.write_config(**change), "--worker", "w0"], stderr=log, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))


def child_of(tracer):
    (child,) = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
    return int(child)


def wait_for(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("size", [10, 100000])
def test_fault_F4_no_dot_leaves_before_the_disk_has_its_intent(stack, size):
    """The disk takes eight seconds: the receiver says 354, may get the body, and never the dot."""
    with stack(config={**FEW, "spool": {"sync": True}}, content={"from": "ann@news.shop.test", "subject": "x", "text": "y" * size}) as s:
        if not is_disk(s.directory):
            pytest.skip("the test's directory is in memory: a durable journal is refused there")
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        mta = traced(s, "delay_enter=8000000:when=2+")  # the first makes the first file
        wait_for(lambda: any("DATA" in json.dumps(e) for e in s.world.events()))
        time.sleep(2)
        assert s.world.ledger() == []
        os.kill(child_of(mta), signal.SIGKILL)
        mta.wait(20)
        s.start()
        assert s.wait(campaign) == {"delivered": 1}
        assert list(taken(s).values()) == [1]
        s.stop()


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6, 9])
def test_fault_F16_a_disk_that_fails_ends_the_worker_and_nothing_is_lost(stack, number):
    """EIO at the Nth fdatasync: no dot leaves any more, what is known goes to Postgres, exit 74; the next start goes on."""
    with stack(world=WORLD + SLOW, config={**FEW, "spool": {"sync": True}}) as s:
        if not is_disk(s.directory):
            pytest.skip("the test's directory is in memory: a durable journal is refused there")
        campaign = s.campaign()
        s.enqueue(campaign, people(60, 2))
        mta = traced(s, f"error=EIO:when={number}")
        try:
            assert mta.wait(8) == 74
            sent = len(s.world.ledger())
            assert sum(row["state"] == "delivered" for row in s.attempts(campaign)) >= sent - 2
        except subprocess.TimeoutExpired:  # a file that could not be made is made again: that is no end
            assert number <= 3
            os.kill(child_of(mta), signal.SIGTERM)
            mta.wait(20)
        s.start()
        wait_for(lambda: s.log_text().count("postgres_up") == 2)
        assert s.wait(campaign) == {"delivered": 60}
        count = taken(s)
        assert {job for job, n in count.items() if n > 1} <= flagged(s, campaign)
        assert len(count) == 60 and sum(count.values()) <= 62, "two connections"
        s.shop.account(campaign)
        s.stop()
