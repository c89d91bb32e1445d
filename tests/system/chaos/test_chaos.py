"""The fault bench in small, and that it sees what it is there to see."""
import json
import os
import pathlib
import random
import subprocess

import pytest

import chaosplan
import ledgerjoin
from chaoslib import Bench, Play, TooLong
from mtalib import is_disk
from penguin import Shop, Worker

ROOT = pathlib.Path(__file__).resolve().parents[3]

FULL = os.environ.get("PENGUIN_FULL") == "1"
SEED = 37  # its first five rounds: see test_the_short_run_is_a_mixed_one
MESSAGES = "800"


def chaos(tmp_path, *words):
    """The bench as a person would start it: its exit code, what it said, and its results."""
    state = tmp_path / "state.jsonl"
    done = subprocess.run(["/usr/bin/python3", ROOT / "tools" / "chaosrun.py", "--messages", MESSAGES, "--state", state, *words],
                          stdout=subprocess.PIPE, text=True, check=False)
    results = [json.loads(line) for line in state.read_text().splitlines()] if state.exists() else []
    return done.returncode, done.stdout, results


def test_rounds_of_faults_lose_nothing_and_admit_what_comes_twice(tmp_path):
    """Ended after the first, and gone on with."""
    words = ["--seed", str(SEED), "--rounds"]
    assert len(chaos(tmp_path, *words, "1")[2]) == 1
    rounds = 20 if FULL else 5
    code, said, results = chaos(tmp_path, *words, str(rounds), "--resume")
    assert code == 0, said
    assert [r["round"] for r in results] == list(range(1, rounds + 1))
    assert sum(r["kills"] for r in results) > 0 and sum(r["cuts"] for r in results) > 0
    assert all(r["received"] > 0.9 * r["jobs"] > 0 for r in results), "somebody was written to"


def test_the_short_run_is_a_mixed_one():
    plans = [chaosplan.plan(SEED, n) for n in range(1, 6)]
    assert {"power", "kill"} <= {p.kind for p in plans} and len({p.kind for p in plans}) >= 4
    assert {p.nodes for p in plans} == {1, 2}


def test_a_round_is_a_function_of_seed_and_number():
    assert chaosplan.plan(7, 30) == chaosplan.plan(7, 30) != chaosplan.plan(8, 30)
    many = [chaosplan.plan(3, n) for n in range(1, 161)]
    assert {p.kind for p in many} == set(chaosplan.KINDS)
    assert sum(p.kind == "power" for p in many) == 60
    assert all(f.node < p.nodes for p in many for f in p.faults)
    assert {p.connections for p in many if p.detail.get("slow_ms") == 20} == {10}, "or a slow disk makes no load"


def test_with_syncs_off_the_bench_finds_what_a_power_cut_does(tmp_path):
    code, said, _ = chaos(tmp_path, "--seed", "1", "--control", "fsync")
    assert code == 0 and "found, as it must be" in said, said


@pytest.mark.skipif(not FULL, reason="builds a broken engine: with --full")
def test_with_the_gate_open_the_bench_finds_what_a_power_cut_does(tmp_path):
    code, said, _ = chaos(tmp_path, "--seed", "1", "--control", "gate")
    assert code == 0 and "found, as it must be" in said, said


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    directory = tmp_path_factory.mktemp("rounds")
    if not is_disk(directory):
        pytest.skip("the test's directory is in memory: a durable journal is refused there")
    with Bench(directory) as bench:
        yield bench


def round_of(kind, number, **detail):
    return chaosplan.Plan(1, number, kind, 1, "retry", 1, "256KiB", chaosplan.faults_of(random.Random(1), 3, 1), detail, "100%")


@pytest.mark.parametrize("number, call, nth", [(1, "pwrite64", 12), (2, "sendto", 30), (3, "fdatasync", 5)])
def test_a_lone_worker_dies_at_the_nth_call_and_nothing_is_lost(bench, number, call, nth):
    result = bench.play(round_of("syscall", number, call=call, nth=nth), 0)
    assert result.good(), result
    assert 1 <= result.struck == result.kills <= 3
    assert result.received >= 0.9 * result.jobs == 0.9 * chaosplan.SCENARIO


def test_a_round_that_hits_nothing_is_a_fault(bench):
    result = bench.play(round_of("syscall", 4, call="sendto", nth=65000), 0)
    assert result.struck == 0 and "no sendto was hit" in result.trouble and not result.good()


def test_a_tracer_that_refuses_is_not_taken_for_a_kill(bench):
    result = bench.play(round_of("syscall", 6, call="sendto", nth=10 ** 6), 0)
    assert result.kills == 0 and "the traced worker ended with 1" in result.trouble


def test_what_ends_of_a_full_disk_is_started_again_on_one_with_room(bench):
    """Each process that a traced supervisor starts would meet the Nth call again, and the round never end."""
    result = bench.play(round_of("enospc", 5, call="pwrite64", nth=20), 400)
    assert result.good() and result.struck == 1, result


class Asked(Play):
    def __init__(self, account):
        self.messages, self.ends, self.last = 10, [], None
        self.account = lambda: account


@pytest.mark.parametrize("account, over", [
    (None, False),  # Postgres did not answer
    ({"delivered": 9, "retrying": 1}, False), ({"delivered": 9, "leased": 1}, False),
    ({"delivered": 8, "bounced": 1, "in_doubt": 1}, True)])
def test_a_campaign_is_over_when_all_its_jobs_have_ended(account, over):
    assert Asked(account).is_over() == over


@pytest.mark.parametrize("account", [{}, {"delivered": 9}, {"delivered": 10, "retrying": 1}])
def test_a_job_that_is_nowhere_or_twice_is_found_at_once(account):
    play = Asked(account)
    with pytest.raises(TooLong):
        play.is_over()
    assert "are accounted for" in play.ends[0]


def test_what_a_dead_worker_says_late_is_not_the_last_word(database):
    """Its deferral is younger than another's delivery, and counts less: the job came to an end."""
    shop = Shop(database)
    campaign = shop.campaign()
    shop.enqueue(campaign, recipients=["ann@d1.test", "bob@d1.test", "cat@d1.test"])
    late, thief = Worker(database, "w1"), Worker(database, "w2")
    batches = late.claim((shop.tenant, "default", "other", 10, 10))
    jobs = sorted(late.jobs(batches), key=lambda job: job["recipient"])
    shop.session.query("UPDATE penguin.workers SET until = now() - interval '1 s' WHERE id = %s", late.id)
    shop.session.run("mark_dead", 0)
    shop.session.run("take_over", 10)
    thief.claim((shop.tenant, "default", "other", 10, 10))
    thief.report(jobs[:2], "delivered", campaign=campaign)
    late.report(jobs[:1], "retrying", campaign=campaign)
    late.report(jobs[1:2], "bounced", campaign=campaign)
    late.report(jobs[2:], "retrying", campaign=campaign)
    said = {row[1]: (row[2], row[3]) for row in shop.session.query(
        ledgerjoin.SAID.replace("%(tenant)s", "%s").replace("%(campaign)s", "%s"), shop.tenant, campaign)}
    assert said == {"ann@d1.test": (["retrying", "delivered"], 2), "bob@d1.test": (["bounced", "delivered"], 2),
                    "cat@d1.test": (["retrying"], 2)}


JOBS = [("j1", "ann@d1.test", ["delivered"], 0), ("j2", "bob@d1.test", ["retrying", "delivered"], 1),
        ("j3", "gone7@d1.test", ["bounced"], 0), ("j4", "cat@d1.test", ["in_doubt"], 0), ("j5", "dan@d1.test", ["delivered"], 4)]
LINES = [("j1", "ann@d1.test"), ("j2", "bob@d1.test"), ("j2", "Bob@d1.test"), ("j4", "cat@d1.test")]


def judged(jobs=None, lines=None):
    return ledgerjoin.judge(jobs or JOBS, [{"job": j, "recipient": r} for j, r in (LINES if lines is None else lines)])


def without(job):
    return [row for row in JOBS if row[0] != job]


def test_a_clean_ledger_is_clean():
    verdict = judged()
    assert (verdict.lost, verdict.unflagged, verdict.misreported, verdict.duplicates) == ([], [], [], 1)


@pytest.mark.parametrize("name, jobs, lines, what, job", [
    ("a line is missing", None, LINES[1:], "lost", "j1"),
    ("a line stands twice", None, LINES + LINES[:1], "unflagged", "j1"),
    ("a line is another's", None, [("j1", "eve@d1.test")] + LINES[1:], "misreported", "j1"),
    ("a line is nobody's", None, LINES + [("j9", "ann@d1.test")], "misreported", "j9"),
    ("bounced, and it was taken", None, LINES + [("j3", "gone7@d1.test")], "misreported", "j3"),
    ("bounced for no reason", without("j1") + [("j1", "ann@d1.test", ["bounced"], 0)], LINES[1:], "misreported", "j1"),
    ("expired", without("j1") + [("j1", "ann@d1.test", ["expired"], 0)], LINES[1:], "misreported", "j1"),
    ("nothing is said of it", without("j1") + [("j1", "ann@d1.test", [], 0)], LINES, "lost", "j1"),
    ("it came to no end", without("j1") + [("j1", "ann@d1.test", ["retrying"], 0)], LINES[1:], "lost", "j1"),
])
def test_what_is_wrong_is_found(name, jobs, lines, what, job):
    assert getattr(judged(jobs, lines), what) == [job], name
