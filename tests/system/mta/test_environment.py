"""The machine fails: its clock, its disk, its descriptors, its memory, its ports, its network.

Each test runs under load, and the account is checked behind it: the ledger joined with Postgres by
job id.  What this node lacks is nobody else's failure, so no attempt is used up by it.
"""
import collections
import contextlib
import email
import email.utils
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import threading
import time

import pytest
from cgrouplib import memory_group
from mtalib import CONTENT, MTA, WORLD, is_disk
from netnslib import Loss, private_network

pytestmark = pytest.mark.alone

SPREAD = WORLD.replace('mx: ["10 mx{1%3+1}.post.test"]', 'mx: ["10 mx{1}.post.test"]').replace("mx[1-3]", "mx[1-50]")
STEADY = "\nrules:\n  - at: mail\n    delay: 20ms\n"
FEW = {"default_site": {"connections": 1}, "lease": {"duration": "3s", "renew": "300ms", "autonomy": "0s"},
       "timeouts": {"scale": 0.001}, "retry": {"first": "1s", "jitter": "0%"}}
YEARS = 10 * 365 * 86400


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def taken(s):
    """How often each job is in the ledger."""
    return collections.Counter(line["job"] for line in s.world.ledger())


def flagged(s, campaign):
    """Jobs of which Postgres says that they may have been delivered without an answer: flags 1, 4 and 16."""
    return {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 21 or row["state"] == "in_doubt"}


def untouched(s, campaign, n, timeout=120):
    """All delivered once, with the first attempt: as if nothing had been."""
    assert s.wait(campaign, timeout=timeout) == {"delivered": n}
    assert set(taken(s).values()) == {1} and len(taken(s)) == n
    rows = s.attempts(campaign)
    assert [(row["state"], int(row["attempt_no"])) for row in rows] == [("delivered", 1)] * n
    assert not flagged(s, campaign)
    s.shop.account(campaign)


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def still(s, seconds=60):
    """Waits until nothing has been taken for two seconds; how much was taken by then."""
    end = time.monotonic() + seconds
    before = -1
    while before != len(s.world.ledger()):
        assert time.monotonic() < end, "it goes on"
        before = len(s.world.ledger())
        time.sleep(2)
    return before


@pytest.mark.parametrize("jump", [3600, -3600, YEARS, -YEARS])
def test_env_E1_a_clock_that_jumps_pauses_and_costs_nothing(stack, jump):
    """In mid-campaign, and back; every third is put off once, and that retry is due by the database's clock."""
    later = "  - {at: rcpt, recipient: 'late*', per: recipient, nth: 1-1, reply: 451 4.3.0 later}\n"
    with stack(world=WORLD + STEADY + later, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [("late" if i % 3 == 0 else "") + who for i, who in enumerate(people(400, 10))])
        s.start_ahead(0)
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 40)
        s.set_ahead(jump)
        sent = still(s)
        assert sent < 300, "the jump came too late"
        assert set(s.account(campaign)) <= {"waiting", "leased", "retrying", "delivered"}
        s.set_ahead(0)
        assert s.check(campaign) == {"delivered": 400}
        rows = collections.Counter((row["state"], int(row["attempt_no"])) for row in s.attempts(campaign))
        late = (400 + 2) // 3
        assert rows == {("retrying", 1): late, ("delivered", 1): 400 - late, ("delivered", 2): late}
        now = time.time()
        for data in s.letters().values():
            stamp = email.utils.parsedate_to_datetime(email.message_from_bytes(data)["Date"]).timestamp()
            assert now - 300 < stamp < now + 2
        assert "shortage of=clock" in s.log_text() and "shortage_over of=clock" in s.log_text()
        s.stop()


def test_env_E1_nothing_leaves_a_node_that_starts_with_a_wrong_clock(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(50))
        s.start_ahead(-3600)
        wait_for(lambda: "shortage of=clock" in s.log_text())
        assert s.world.ledger() == [] and s.account(campaign) == {"waiting": 50}
        s.set_ahead(200)
        untouched(s, campaign, 50)
        s.stop()


@pytest.fixture
def small_disk(tmp_path):
    """small_disk(name): a directory on an ext4 of 16 MB of its own."""
    places = []

    def make(name):
        image, place = tmp_path / f"{name}.img", tmp_path / name
        image.write_bytes(b"")
        os.truncate(image, 16 << 20)
        place.mkdir()
        subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
        if subprocess.run(["mount", "-o", "loop", image, place], check=False).returncode != 0:
            pytest.skip("no file system can be mounted here")
        places.append(place)
        return place

    yield make
    for place in places:
        subprocess.run(["umount", "-l", place], check=True)


class Filler:
    """A file that takes all space of a disk but so much, and what becomes free as well."""

    def __init__(self, place, leave=0):
        self.path = place / "filler"
        stat = os.statvfs(place)
        with open(self.path, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(stat.f_bavail * stat.f_frsize - leave - (64 << 10), 1))
        self.running = leave == 0
        self.thread = threading.Thread(target=self.take, daemon=True)
        self.thread.start()

    def take(self):
        with open(self.path, "ab", buffering=0) as file:
            while self.running:
                try:
                    file.write(bytes(4096))
                except OSError:
                    time.sleep(0.02)

    def empty(self):
        self.running = False
        self.thread.join()
        self.path.unlink()


@pytest.mark.parametrize("seed", [1, 2])
def test_env_E2_fault_F14_a_full_disk_pauses_and_costs_nothing(stack, small_disk, seed):
    """Filled at random moments until nothing moves any more.  Who has no room claims nothing: another node may."""
    chance = random.Random(seed)
    place = small_disk("spool")
    spool = {"directory": str(place / "spool"), "segment": "256KiB", "sync": True}
    with stack(judge=False, world=WORLD + STEADY, config={"spool": spool}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(6000))
        s.start()
        for _ in range(3):
            aim = len(s.world.ledger()) + chance.randrange(100, 900)
            s.wait(campaign, lambda a, aim=aim: len(s.world.ledger()) >= min(aim, 5500))
            filler = Filler(place)
            sent = still(s)
            other = s.campaign()
            s.enqueue(other, people(20))
            time.sleep(1)
            assert s.account(other) == {"waiting": 20} and len(s.world.ledger()) == sent < 6000
            filler.empty()
        assert s.wait(other, timeout=120) == {"delivered": 20}
        assert s.wait(campaign, timeout=120) == {"delivered": 6000}
        wait_for(lambda: len(s.world.ledger()) >= 6060)
        assert set(taken(s).values()) == {1} and len(taken(s)) == 6060
        assert {int(row["attempt_no"]) for row in s.attempts(campaign)} == {1} and not flagged(s, campaign)
        s.shop.account(campaign)
        assert "shortage of=journal" in s.log_text() and "shortage_over of=journal" in s.log_text()
        s.stop()


def test_env_E2_killed_on_a_full_disk_the_next_start_has_all_outcomes(stack, small_disk):
    place = small_disk("spool")
    spool = {"directory": str(place / "spool"), "segment": "256KiB", "sync": True}
    with stack(judge=False, world=WORLD + STEADY, config={**FEW, "spool": spool}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400, 10))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 50)
        filler = Filler(place)
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 150)
        s.kill()
        s.start(report={"interval": "100ms"})  # what is left is read and reported without a free block
        wait_for(lambda: len(s.attempts(campaign)) >= 149)
        assert "delivered" in {row["state"] for row in s.attempts(campaign)}
        filler.empty()
        assert s.wait(campaign, timeout=60) == {"delivered": 400}
        count = taken(s)
        assert {job for job, n in count.items() if n > 1} <= flagged(s, campaign)
        assert len(count) == 400 and sum(count.values()) - 400 <= 3, "three connections"
        s.shop.account(campaign)
        s.stop()


def test_env_E2_history_makes_room_for_mail(stack, small_disk):
    """What Postgres has is kept for days, but not where nothing could be sent for it."""
    place = small_disk("spool")
    with stack(judge=False, config={"spool": {"directory": str(place / "spool"), "segment": "256KiB", "sync": True}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(5000))
        filler = Filler(place, leave=1 << 20)
        s.start()
        untouched(s, campaign, 5000)
        filler.empty()
        files = sorted((place / "spool" / "w0").glob("*.done"))
        assert files and int(files[0].stem, 16) > 2, "old ones went"
        s.stop()


def test_env_E2_a_delivery_log_that_is_full_holds_up_no_mail(stack, small_disk):
    """Nor does a line of it get lost when there is space again, though nothing more is sent then."""
    place = small_disk("log")
    with stack(config={"delivery": {"log": str(place / "delivery.log")}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1000))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 50)
        filler = Filler(place)
        untouched(s, campaign, 1000)
        assert "delivery_log_failing" in s.log_text()
        filler.empty()
        wait_for(lambda: "delivery_log_recovered lines_dropped=0" in s.log_text())
        lines = [json.loads(line) for line in (place / "delivery.log").read_text().splitlines()]
        assert collections.Counter(line["id"] for line in lines) == taken(s)
        s.stop()


def start_traced(s, inject, *options, **change):
    """strace is nobody's parent: s.mta is penguin-mta itself."""
    path = s.write_config(**change)
    s.log = open(s.directory / "mta.log", "ab")
    calls = inject.split(":")[0]
    s.mta = subprocess.Popen(["strace", "-D", "-f", "-qq", "-o", "/dev/null", *options, "-e", f"trace={calls}",
                              "-e", f"inject={inject}", MTA, "-c", path, "--worker", "w0"], stderr=s.log,
                             env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))


@pytest.mark.parametrize("inject", ["pwrite64:error=EIO:when=4", "pwrite64:error=EIO:when=30+", "pwrite64:error=ENOSPC:when=9",
                                    "fallocate:error=EIO:when=2..3", "fsync:error=EIO:when=3", "rename:error=EIO:when=2+3",
                                    "unlink:error=EIO:when=1+", "fdatasync:error=EIO:when=40"])
def test_env_E3_a_disk_that_fails_at_any_call_loses_nothing(stack, inject):
    """Either the file is made again, or the worker ends with 74 and the next one has all that is known."""
    with stack(judge=False, config={**FEW, "spool": {"sync": True, "segment": "256KiB"}}) as s:
        if not is_disk(s.directory):
            pytest.skip("the test's directory is in memory: a durable journal is refused there")
        campaign = s.campaign()
        s.enqueue(campaign, people(1200, 9))
        start_traced(s, inject)
        wait_for(lambda: len(s.world.ledger()) >= 1200 or s.mta.poll() is not None, 60)
        if s.mta.poll() is None:
            s.wait(campaign)
            s.stop()
        else:
            assert s.mta.returncode == 74 and inject[0] in "pf"
        s.start()
        wait_for(lambda: s.log_text().count("postgres_up") == 2)
        assert s.wait(campaign) == {"delivered": 1200}
        count = taken(s)
        assert {job for job, n in count.items() if n > 1} <= flagged(s, campaign)
        assert len(count) == 1200 and sum(count.values()) - 1200 <= 3, "three connections"
        assert {row["state"] for row in s.attempts(campaign)} <= {"delivered", "retrying"}
        s.shop.account(campaign)
        s.stop()


def test_env_E4_few_descriptors_bound_connections_and_cost_nothing(stack):
    """150 connections are wanted, 96 descriptors allowed: half of them are kept for all that is not SMTP."""
    with stack(world=SPREAD + "\nrules:\n  - {at: dot, delay: 100ms}\n") as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1500))
        path = s.write_config()
        s.log = open(s.directory / "mta.log", "ab")
        s.mta = subprocess.Popen(["prlimit", "--nofile=96:96", MTA, "-c", path, "--worker", "w0"], stderr=s.log)
        most = 0
        while s.account(campaign) != {"delivered": 1500}:
            assert s.mta.poll() is None, s.log_text()[-3000:]
            most = max(most, len(os.listdir(f"/proc/{s.mta.pid}/fd")))
            time.sleep(0.01)
        untouched(s, campaign, 1500)
        assert 60 < most < 90, "what is kept was not needed"
        assert "few_open_files limit=96 connections=48 wanted=2000" in s.log_text()
        assert "local_shortage" not in s.log_text() and "shortage of=connections" in s.log_text()
        s.stop()


@pytest.mark.parametrize("inject", ["socket:error=EMFILE:when=20+3", "socket:error=ENFILE:when=25..60",
                                    "connect:error=EAGAIN:when=15+4", "socket:error=ENOBUFS:when=20+5"])
def test_env_E4_a_socket_that_is_refused_is_no_attempt(stack, inject):
    with stack(world=SPREAD + STEADY) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(600))
        start_traced(s, inject)
        assert s.wait(campaign, timeout=120) == {"delivered": 600}
        assert set(taken(s).values()) == {1} and len(taken(s)) == 600
        rows = collections.Counter((row["state"], int(row["attempt_no"])) for row in s.attempts(campaign))
        assert rows.pop(("delivered", 1)) == 600
        assert set(rows) <= {("retrying", 0)}, "the DNS had no socket either"
        assert "local_shortage" in s.log_text()
        s.shop.account(campaign)
        s.stop()


def died(s):
    """A sanitizer that finds no memory for its own words may stand still with them half said."""
    try:
        return s.mta.wait(60)
    except subprocess.TimeoutExpired:
        assert "AddressSanitizer: CHECK failed" in s.log_text()
        s.mta.kill()
        return s.mta.wait()


def test_env_E5_out_of_memory_ends_the_worker_and_the_next_one_knows(stack):
    """No more address space in mid-campaign, then large messages: it cannot but die, three times."""
    image = {"name": "a.png", "type": "image/png", "data": "QUJD" * (1 << 19)}
    with stack(judge=False, world=WORLD + STEADY, config=FEW) as s:
        small = s.campaign()
        s.enqueue(small, people(600, 9))
        s.set_content(dict(CONTENT, attachments=[image]))
        large = s.campaign()
        for round_ in range(3):
            s.start()
            s.wait(small, lambda a, n=round_: len(s.world.ledger()) >= 100 * (n + 1))
            pages = int((pathlib.Path("/proc") / str(s.mta.pid) / "statm").read_text().split()[0])
            resource.prlimit(s.mta.pid, resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)
            s.enqueue(large, people(10))
            assert died(s) != 0
            s.log.close()
        s.start()
        assert s.wait(small, timeout=90) == {"delivered": 600} and s.wait(large, timeout=90) == {"delivered": 30}
        count = taken(s)
        assert {job for job, n in count.items() if n > 1} <= flagged(s, small) | flagged(s, large)
        assert len(count) == 630 and sum(count.values()) - 630 <= 9, "three times three connections"
        s.shop.account(small)
        s.shop.account(large)
        s.stop()


def test_env_E5_the_kernel_ends_one_worker_of_a_group_without_memory(stack):
    """As under MemoryMax: the largest process is killed; the other worker and the supervisor go on."""
    image = {"name": "a.png", "type": "image/png", "data": "QUJD" * (1 << 19)}
    config = {"workers": 2, "timeouts": {"scale": 0.01}, "lease": {"duration": "12s", "renew": "300ms", "autonomy": "0s"},
              "default_site": {"connections": 1}, "retry": {"first": "1s", "jitter": "0%"},
              "sources": {"s2": {"ipv4": "127.0.5.2", "ehlo": "s2.shop.test"}}, "pools": {"default": {"sources": ["s1", "s2"]}}}
    with contextlib.ExitStack() as room:
        try:
            group = room.enter_context(memory_group())
        except PermissionError as why:
            pytest.skip(str(why))
        s = room.enter_context(stack(judge=False, world=WORLD + STEADY, config=config))
        small = s.campaign()
        s.enqueue(small, people(600))
        s.set_content(dict(CONTENT, attachments=[image]))
        large = s.campaign()
        s.run([MTA, "-c", s.write_config()], preexec_fn=group.enter)
        s.wait(small, lambda a: len(s.world.ledger()) >= 100)
        before = s.processes()
        group.limit(room=4 << 20)
        s.enqueue(large, people(10))
        wait_for(group.killed, 60)
        sent = len(s.world.ledger())
        group.lift()
        assert s.wait(small, timeout=120) == {"delivered": 600} and s.wait(large, timeout=120) == {"delivered": 10}
        assert sent < 600, "it came too late"
        after = s.processes()
        assert sorted(after) == ["", "w0", "w1"] and after[""] == before[""]
        assert (after["w0"] == before["w0"]) != (after["w1"] == before["w1"]), "one of the two"
        count = taken(s)
        assert {job for job, n in count.items() if n > 1} <= flagged(s, small) | flagged(s, large)
        assert len(count) == 610 and sum(count.values()) - 610 <= 3, "three connections"
        s.shop.account(small)
        s.shop.account(large)
        s.stop()


STAGES = ["connect", "ehlo", "mail", "rcpt", "data", "dot"]
STOPPED = WORLD[:WORLD.index("hosts:")] + "hosts:\n" + "".join(
    f"  - {{host: {at}.post.test, address: 127.0.11.{n}}}\n" for n, at in enumerate(STAGES, 1)) + "domains:\n" + "".join(
    f"  - {{domain: {at}.test, mx: \"10 {at}.post.test\"}}\n" for at in STAGES) + "rules:\n" + "".join(
    f"  - {{at: {at}, host: {at}.post.test, nth: 1-1, delay: 900ms}}\n" for at in STAGES[:-1]) + \
    "  - {at: dot, host: dot.post.test, nth: 1-1, accept: true, delay: 900ms}\n"


@pytest.mark.parametrize("taken_over", [True, False])
def test_env_E7_a_worker_that_stood_still_beyond_its_lease_sends_no_dot(stack, taken_over):
    """A message in each phase, whose answers come while it stands.  The dot that was out before is known by its answer."""
    config = {"lease": {"duration": "9s", "renew": "500ms", "autonomy": "0s"}, "timeouts": {"scale": 0.01},
              "default_site": {"connections": 1}}
    with stack(world=STOPPED, config=config) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"ann@{at}.test" for at in STAGES])
        s.start()
        wait_for(lambda: s.world.ledger())
        os.kill(s.mta.pid, signal.SIGSTOP)
        time.sleep(10)
        assert [line["recipient"] for line in s.world.ledger()] == ["ann@dot.test"], "it was stopped too late"
        if taken_over:
            s.shop.session.query("UPDATE penguin.workers SET state = 'dead'")
        os.kill(s.mta.pid, signal.SIGCONT)
        if taken_over:
            assert s.mta.wait(30) == 75
            assert [line["recipient"] for line in s.world.ledger()] == ["ann@dot.test"]
            s.start()
        untouched(s, campaign, len(STAGES))
        s.stop()


def test_env_E8_ports_that_run_out_are_waited_for(stack):
    """A hundred ports, and 150 connections wanted to each of two hosts: they share the ports, for one is chosen for each peer."""
    slow = WORLD.replace("mx{1%3+1}.post.test", "mx{1%2+1}.post.test") + "\nrules:\n  - {at: dot, delay: 300ms}\n"
    with contextlib.ExitStack() as room:
        try:
            room.enter_context(private_network())
        except PermissionError:
            pytest.skip("no network namespace can be made here")
        subprocess.run(["sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=40000 40099"], check=True)
        s = room.enter_context(stack(world=slow, config={"default_site": {"connections": 150}}))
        campaign = s.campaign()
        s.enqueue(campaign, people(4000))
        s.start()
        most = 0
        while s.account(campaign) != {"delivered": 4000}:
            open_now = pathlib.Path("/proc/thread-self/net/tcp").read_text().count(" 01 ", 0)
            most = max(most, open_now // 2)  # both ends are here
            assert s.mta.poll() is None, s.log_text()[-3000:]
            time.sleep(0.05)
        untouched(s, campaign, 4000)
        assert most > 100, "more connections than ports"
        assert 'local_shortage source=s1 text="address not available"' in s.log_text()
        s.stop()


ROUGH = """
rules:
  - {at: ehlo, split: 1}
  - {at: connect, share: 4%, then: reset}
  - {at: connect, share: 2%, then: silence}
  - {at: ehlo, share: 3%, then: close}
  - {at: mail, share: 1%, then: stall}
  - {at: mail, share: 2%, cut_received: 40}
  - {at: rcpt, share: 2%, then: reset}
  - {at: data, share: 2%, cut_received: 700}
  - {at: data, share: 2%, cut_sent: 2}
  - {at: dot, share: 2%, then: reset}
  - {at: dot, share: 2%, accept: true, then: reset}
  - {at: dot, share: 2%, accept: true, cut_sent: 2}
  - {at: dot, share: 1%, accept: true, then: silence}
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_env_E9_a_rough_network_has_an_exact_account(stack, seed):
    """Resets, cuts in the middle of lines, silence, at random in all phases: nothing lost, no second copy unadmitted."""
    config = {"timeouts": {"scale": 0.002}, "retry": {"first": "1s", "max": "2s", "jitter": 0, "expire": "1h"},
              "default_site": {"connections": 4, "suspend": "1s", "suspend_max": "1s"}}
    with stack(world=SPREAD + ROUGH, config=config, world_options=("--seed", str(seed))) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1000))
        s.start()
        assert s.wait(campaign, timeout=240) == {"delivered": 1000}
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported and len(taken(s)) == 1000
        assert duplicate and set(duplicate) <= flagged(s, campaign)
        s.shop.account(campaign)
        s.stop()


@contextlib.contextmanager
def lossy_network():
    if shutil.which("nft") is None:
        pytest.skip("nft is not here: apt install nftables")
    with contextlib.ExitStack() as room:
        try:
            room.enter_context(private_network())
        except PermissionError:
            pytest.skip("no network namespace can be made here")
        yield


def test_env_E9_lost_packets_cost_time_and_nothing_else(stack):
    """Every tenth packet of SMTP and DNS is lost.  Timeouts are longer than it takes to send one again."""
    with lossy_network(), stack(world=SPREAD, config={"timeouts": {"scale": 0.1}, "default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        loss = Loss("ip daddr 127.0.0.0/8", percent=10)
        s.start()
        assert s.wait(campaign, timeout=240) == {"delivered": 400}
        assert loss.count() > 200
        loss.end()
        assert set(taken(s).values()) == {1} and len(taken(s)) == 400 and not flagged(s, campaign)
        s.shop.account(campaign)
        s.stop()


def test_env_E9_a_host_whose_packets_are_all_lost_leaves_doubts_for_the_dots_on_their_way(stack):
    """It hears us and is not heard, from one moment on: these come twice, and all others when it is back."""
    config = {"timeouts": {"scale": 0.005}, "retry": {"first": "1s", "max": "2s", "jitter": 0, "expire": "1h"},
              "default_site": {"connections": 2, "suspend": "1s", "suspend_max": "1s"}}
    rule = "\nrules:\n  - {at: dot, accept: true, delay: 500ms}\n"
    with lossy_network(), stack(world=WORLD + rule, config=config) as s:
        campaign = s.campaign()
        jobs = s.enqueue(campaign, people(150))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 30)
        loss = Loss("ip saddr 127.0.10.1")
        s.wait(campaign, lambda a: {row["job_id"] for row in s.attempts(campaign)} == set(jobs))
        assert loss.count() > 10 and len(taken(s)) < 130, "the host was needed"
        loss.end()
        assert s.wait(campaign, timeout=120) == {"delivered": 150}
        count = taken(s)
        twice = {job for job, n in count.items() if n > 1}
        assert len(count) == 150 and sum(count.values()) - 150 in (1, 2), "two connections"
        assert twice <= flagged(s, campaign)
        s.shop.account(campaign)
        s.stop()


def test_env_E10_a_yaml_bomb_is_refused_and_the_mail_goes_on(stack):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi"))
    with stack(world=WORLD + STEADY, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        (s.directory / "penguin-mta.yaml").write_text(bomb)
        s.mta.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload_refused" in s.log_text())
        assert len(s.world.ledger()) < 300 and "anchors are refused" in s.log_text()
        untouched(s, campaign, 300)
        s.stop()


def test_env_E11_twenty_restarts_under_load_leave_no_doubt(stack):
    with stack(world=WORLD + STEADY, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(3000))
        for round_ in range(20):
            s.start()
            s.wait(campaign, lambda a, n=round_: len(s.world.ledger()) >= 60 * (n + 1))
            s.stop()
            assert not s.account(campaign).get("in_doubt") and not s.account(campaign).get("leased")
        assert len(s.world.ledger()) < 3000, "the load ended before the restarts"
        s.start()
        untouched(s, campaign, 3000)
        s.stop()


def test_env_E11_a_journal_of_a_newer_version_is_refused_by_name(stack):
    """Nobody may read half of it and send again: the older program says which file, and stays away."""
    with stack(world=WORLD + STEADY, config=FEW) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(200, 9))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 50)
        s.kill()
        sent = len(s.world.ledger())
        (file,) = [path for path in (s.directory / "spool" / "w0").glob("*.seg") if path.read_bytes()[8:12] == b"\1\0\0\0"]
        with open(file, "r+b") as segment:
            segment.seek(8)
            segment.write(b"\2")
        s.start(report={"interval": "100ms"})
        assert s.mta.wait(20) == 78
        assert file.name in s.log_text() and "newer penguin-mta" in s.log_text()
        assert len(s.world.ledger()) == sent
        with open(file, "r+b") as segment:
            segment.seek(8)
            segment.write(b"\1")
        s.start()
        assert s.wait(campaign) == {"delivered": 200}
        assert {job for job, n in taken(s).items() if n > 1} <= flagged(s, campaign)
        assert sum(taken(s).values()) - 200 <= 3
        s.shop.account(campaign)
        s.stop()


def test_fault_F26_an_answer_behind_our_timeout_is_a_doubt(stack):
    """The 250 comes when we have hung up: one possible duplicate, flagged, beside a hundred that nothing happens to."""
    late = "\nrules:\n  - {at: dot, domain: d7.test, nth: 1-1, accept: true, delay: 4s}\n"
    with stack(world=SPREAD + late, config={"timeouts": {"scale": 0.002}}) as s:
        campaign = s.campaign()
        jobs = s.enqueue(campaign, people(100))
        s.start()
        assert s.check(campaign, duplicates=True) == {"delivered": 100}
        (twice,) = [job for job, n in taken(s).items() if n > 1]
        assert taken(s)[twice] == 2 and jobs.index(twice) % 50 == 6
        first, second = (row for row in s.attempts(campaign) if row["job_id"] == twice)
        assert (first["phase"], first["flags"], second["flags"]) == ("dot", 16, 1)
        assert flagged(s, campaign) == {twice}
        assert s.shop.session.value("SELECT sum(duplicates) FROM penguin.campaign_stats") == 1
        s.stop()
