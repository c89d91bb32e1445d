"""The supervisor: several workers, each with sources of its own, none of which takes the others along."""
import collections
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest
from mtalib import MTA, WORLD, wait_for

SLOW = "\nrules:\n  - at: mail\n    delay: 20ms\n"
LATER = "\nrules:\n  - at: rcpt\n    nth: 1-1\n    per: recipient\n    reply: 451 4.7.1 later\n"


def sources(n):
    return {f"s{i}": {"ipv4": f"127.0.5.{i}", "ehlo": f"s{i}.shop.test"} for i in range(1, n + 1)}


def several(workers, count, **more):
    """No worker can claim a campaign of some size alone."""
    return {"workers": workers, "limits": {"jobs": 100, "site_share": "100%"}, "sources": sources(count), "default_site": {"connections": 1},
            "pools": {"default": {"sources": [f"s{i}" for i in range(1, count + 1)]}},
            "lease": {"duration": "10s", "renew": "300ms", "autonomy": "0s"}, "timeouts": {"scale": 0.01}, **more}


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def taken(s):
    return collections.Counter(line["job"] for line in s.world.ledger())


def flagged(s, campaign):
    """Jobs of which Postgres says that they may have been delivered without an answer."""
    return {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 21 or row["state"] == "in_doubt"}


def owned(s, node=None):
    """What each live worker says that it sends from, by its name: "w0"."""
    rows = s.shop.session.query("SELECT node, name, sources FROM penguin.workers WHERE state = 'live'")
    return {name.rsplit("/", 1)[-1]: set(has) for at, name, has in rows if node in (None, at)}


def addresses(s):
    return {name: source["ipv4"] for name, source in s.config["sources"].items()}


def processes_of(s):
    """The processes that have connections from each source just now: source address -> names of workers."""
    local = {}
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        octets = bytes.fromhex(fields[1].split(":")[0])[::-1]
        local[fields[9]] = ".".join(map(str, octets))
    found = collections.defaultdict(set)
    for name, pid in s.processes().items():
        try:
            links = [os.readlink(link) for link in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        for link in links:
            match = re.fullmatch(r"socket:\[(\d+)\]", link)
            if match and local.get(match[1], "") in addresses(s).values():
                found[local[match[1]]].add(name)
    return found


def watch(s, campaign, done):
    """Until done(): which workers had a connection from each source."""
    seen = collections.defaultdict(set)

    def look(account):
        for address, names in processes_of(s).items():
            seen[address] |= names
        return done(account)
    s.wait(campaign, look, timeout=120)
    return seen


def is_over(account):
    return not any(account.get(state) for state in ("waiting", "leased", "retrying"))


@pytest.mark.parametrize("workers", [2, 4])
def test_sup_S1_each_source_is_one_workers(stack, workers):
    with stack(world=WORLD + SLOW, config=several(workers, 5)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        s.start()
        seen = watch(s, campaign, is_over)
        has = owned(s)
        assert sorted(has) == [f"w{i}" for i in range(workers)]
        assert sorted(name for names in has.values() for name in names) == sorted(s.config["sources"])
        assert max(map(len, has.values())) - min(map(len, has.values())) <= 1
        of = addresses(s)
        owner = {of[name]: {worker} for worker, names in has.items() for name in names}
        assert seen == {source: owner[source] for source in seen} and set.union(*seen.values()) == set(has)
        assert {line["source"] for line in s.world.ledger()} == set(of.values())
        assert s.check(campaign) == {"delivered": 400}
        s.stop()
        assert owned(s) == {}
        up = [line for line in s.log_text().splitlines() if line.startswith("postgres_up")]
        assert sorted(up) == [f"postgres_up worker=w{i}" for i in range(workers)]


def test_sup_W1_a_killed_worker_returns_and_takes_nobody_along(stack):
    with stack(world=WORLD + SLOW, config=several(2, 4)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(800))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 100)
        before = s.processes()
        os.kill(before["w1"], signal.SIGKILL)
        count = len(s.world.ledger())
        wait_for(lambda: s.processes().get("w1") not in (None, before["w1"]))
        assert s.wait(campaign, timeout=120) == {"delivered": 800}
        after = s.processes()
        assert after["w0"] == before["w0"] and after[""] == before[""] and after["w1"] != before["w1"]
        assert count < 800
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not misreported
        assert set(duplicate) <= flagged(s, campaign), "admitted"
        assert len(duplicate) <= 6 * 2, "a connection from each of its sources to each host"
        wait_for(lambda: owned(s) == {"w0": {"s1", "s3"}, "w1": {"s2", "s4"}})
        states = s.shop.session.query("SELECT name, state FROM penguin.workers")
        assert sorted(state for _, state in states) == ["live", "live", "replayed"]
        s.shop.account(campaign)
        s.stop()


def test_sup_W2_a_worker_that_dies_again_and_again_waits_longer_each_time(stack):
    with stack(config=several(2, 2)) as s:
        s.start()
        wait_for(lambda: sorted(s.processes()) == ["", "w0", "w1"])
        before = s.processes()
        pid = before["w1"]
        for least in (1, 2, 4):
            begun = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda gone=pid: s.processes().get("w1", gone) != gone)
            assert time.monotonic() - begun >= least
            pid = s.processes()["w1"]
        campaign = s.campaign()
        s.enqueue(campaign, people(20))
        assert s.check(campaign) == {"delivered": 20}
        wait_for(lambda: owned(s) == {"w0": {"s1"}, "w1": {"s2"}})
        assert s.processes() == {"": before[""], "w0": before["w0"], "w1": pid}
        s.stop()


def test_sup_D1_a_drain_leaves_nothing_behind(stack):
    with stack(world=WORLD + SLOW, config=several(2, 4)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(800))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 50)
        before = len(s.world.ledger())
        s.stop()
        account = s.account(campaign)
        assert len(s.world.ledger()) < before + 300, "what only waits for its turn is given back"
        assert account["delivered"] == len(s.world.ledger()) < 800 and not account.get("in_doubt")
        assert account["waiting"] == 800 - account["delivered"]
        assert not s.processes() and not flagged(s, campaign)
        assert s.shop.session.query("SELECT state, sources FROM penguin.workers") == [("stopped", [])] * 2
        s.start()
        assert s.check(campaign) == {"delivered": 800}
        s.stop()


def test_sup_D2_a_drain_waits_so_long_and_no_longer(stack):
    """A receiver thinks about the final dot: after drain_timeout it is a doubt."""
    rule = "\nrules:\n  - at: dot\n    accept: true\n    delay: 300s\n"
    with stack(world=WORLD + rule, config=several(2, 2, timeouts={"scale": 0.1}, drain_timeout="2s",
                                                  lease={"duration": "3m", "renew": "1s", "autonomy": "10s"})) as s:
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'hold'")
        s.enqueue(campaign, people(10))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 2)
        begun = time.monotonic()
        s.stop()
        assert time.monotonic() - begun >= 2
        assert s.account(campaign)["in_doubt"] == len(s.world.ledger())
        assert "drain_timeout" in s.log_text()


def test_sup_R1_a_reload_gives_new_sources_and_takes_old_ones(stack):
    """Of four sources two go and one comes: the workers have even parts again, and no address two workers at a time."""
    with stack(world=WORLD + SLOW, config=several(2, 4)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1200))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 50)
        wait_for(lambda: owned(s) == {"w0": {"s1", "s3"}, "w1": {"s2", "s4"}})
        pids = s.processes()
        now = sources(5)
        s.reload(sources={"s1": None, "s3": None, "s5": now["s5"]}, pools={"default": {"sources": ["s2", "s4", "s5"]}})
        wait_for(lambda: owned(s) == {"w0": {"s5"}, "w1": {"s2", "s4"}})
        count = len(s.world.ledger())
        s.wait(campaign, lambda a: len(s.world.ledger()) >= count + 100)
        s.reload(sources={"s5": None}, pools={"default": {"sources": ["s2", "s4"]}})
        wait_for(lambda: owned(s) == {"w0": {"s4"}, "w1": {"s2"}})
        moved = len(s.world.ledger())
        assert s.check(campaign) == {"delivered": 1200}
        assert {line["source"] for line in s.world.ledger()[moved:]} == {"127.0.5.2", "127.0.5.4"}
        assert "127.0.5.5" in {line["source"] for line in s.world.ledger()}
        assert s.processes() == pids and not flagged(s, campaign)
        assert s.shop.session.query("SELECT host(address) FROM penguin.source_leases ORDER BY 1") == [
            ("127.0.5.2",), ("127.0.5.4",)]
        s.stop()


def test_sup_S3_a_source_moves_when_its_last_connection_has_ended(stack):
    """A receiver thinks for three seconds; whoever is to have the address waits for the end of that."""
    rule = "\nrules:\n  - {at: dot, nth: 1-60, accept: true, delay: 3s}\n"
    with stack(world=WORLD + rule, config=several(2, 4, timeouts={"scale": 0.1}, lease={"duration": "3m", "renew": "300ms"})) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        s.start()
        wait_for(lambda: owned(s) == {"w0": {"s1", "s3"}, "w1": {"s2", "s4"}})
        wait_for(lambda: processes_of(s).get("127.0.5.4") == {"w1"})
        s.reload(sources={"s1": None, "s3": None}, pools={"default": {"sources": ["s2", "s4"]}})
        lingers = 0

        def has_moved(account):
            nonlocal lingers
            at = processes_of(s).get("127.0.5.4")
            assert at != {"w0", "w1"}, "one address, two workers"
            lingers += at == {"w1"}
            return at == {"w0"}
        s.wait(campaign, has_moved)
        assert lingers > 1, "nothing was under way"
        assert s.check(campaign) == {"delivered": 400}
        assert owned(s) == {"w0": {"s4"}, "w1": {"s2"}} and not flagged(s, campaign)
        s.stop()


def test_sup_R2_a_wrong_file_changes_nothing_anywhere(stack):
    with stack(config=several(2, 2)) as s:
        s.start()
        wait_for(lambda: len(owned(s)) == 2)
        pids = s.processes()
        path = s.directory / "penguin-mta.yaml"
        good = path.read_text()
        path.write_text("sources: nonsense\n" + "".join(f"nonsense_{i}: 1\n" for i in range(8)))
        s.mta.send_signal(signal.SIGHUP)
        wait_for(lambda: "reload_refused" in s.log_text())
        (line,) = [line for line in s.log_text().splitlines() if line.startswith("reload_refused")]
        assert "worker=" not in line
        assert all(f"unknown key 'nonsense_{i}'" in line for i in range(8)), "every fault is told"
        path.write_text(good)
        campaign = s.campaign()
        s.enqueue(campaign, people(20))
        assert s.check(campaign) == {"delivered": 20}
        assert s.processes() == pids
        s.stop()


def test_sup_W4_a_configuration_that_no_worker_can_use_ends_the_program(stack):
    with stack(config=several(2, 2)) as s:
        (s.directory / "token.key").unlink()
        s.start()
        assert s.mta.wait(30) == 78
        assert not s.processes() and "token.key" in s.log_text()


def test_signals_that_reach_a_worker_at_its_start_do_not_end_it(stack):
    """`systemctl kill -s USR1` goes to all processes of the unit, those that start among them."""
    with stack(config=several(1, 1)) as s:
        s.start()
        wait_for(lambda: "w0" in s.processes())
        pid = s.processes()["w0"]
        while "started" not in s.log_text():
            for number in (signal.SIGUSR1, signal.SIGHUP):
                os.kill(pid, number)
            time.sleep(0.001)
            assert s.processes().get("w0") == pid, s.log_text()
        campaign = s.campaign()
        s.enqueue(campaign, people(5))
        assert s.check(campaign) == {"delivered": 5}
        assert s.processes()["w0"] == pid
        s.stop()


def test_sup_W3_a_worker_that_hangs_is_replaced(stack):
    with stack(world=WORLD + SLOW, config=several(2, 2)) as s:
        s.start()
        wait_for(lambda: len(owned(s)) == 2)
        before = s.processes()
        time.sleep(1)
        os.kill(before["w0"], signal.SIGSTOP)
        campaign = s.campaign()
        s.enqueue(campaign, people(50))
        assert s.wait(campaign) == {"delivered": 50}, "the other goes on"
        assert {line["source"] for line in s.world.ledger()} == {"127.0.5.2"}
        wait_for(lambda: s.processes().get("w0") not in (None, before["w0"]), timeout=120)
        assert s.processes()["w1"] == before["w1"]
        wait_for(lambda: owned(s) == {"w0": {"s1"}, "w1": {"s2"}})
        s.stop()


def test_sup_W5_workers_without_a_supervisor_drain_and_its_successor_waits(stack):
    rule = "\nrules:\n  - at: dot\n    accept: true\n    delay: 3s\n"
    with stack(world=WORLD + rule, config=several(2, 2, timeouts={"scale": 0.01},
                                                  lease={"duration": "20s", "renew": "300ms", "autonomy": "1s"})) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(60))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 2)
        orphans = s.processes()
        os.kill(orphans.pop(""), signal.SIGKILL)
        s.mta.wait()
        first = s.mta
        s.start()
        s.mta, second = first, s.mta
        wait_for(lambda: not s.processes())
        s.mta = second
        assert "supervisor_gone" in s.log_text() and "another penguin-mta uses it" in s.log_text()
        wait_for(lambda: len(owned(s)) == 2)
        assert s.wait(campaign, timeout=120) == {"delivered": 60}
        assert not flagged(s, campaign) and set(taken(s).values()) == {1}
        s.stop()


def test_sup_J1_fewer_workers_report_what_the_others_left(stack):
    with stack(world=WORLD + SLOW, config=several(3, 3)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(600))
        s.start(report={"interval": "30s"})
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 100)
        s.kill()
        assert sorted(path.name for path in (s.directory / "spool").iterdir()) == ["w0", "w1", "w2"]
        known = len(s.world.ledger())
        s.start(workers=1, report={"interval": "100ms"})
        assert s.wait(campaign, timeout=120) == {"delivered": 600}
        count = taken(s)
        twice = {job for job, n in count.items() if n > 1}
        assert len(count) == 600 and twice <= flagged(s, campaign)
        assert sum(count.values()) - 600 <= 9 < known, "three sources at three hosts"
        wait_for(lambda: owned(s) == {"w0": {"s1", "s2", "s3"}})
        wait_for(lambda: sorted(s.processes()) == ["", "w0"])
        states = collections.Counter(s.shop.session.query("SELECT state FROM penguin.workers"))
        assert states == {("live",): 1, ("replayed",): 3, ("stopped",): 2}
        s.shop.account(campaign)
        s.stop()


def test_sup_S5_a_retry_goes_to_the_worker_that_has_its_source(stack):
    with stack(world=WORLD + LATER, config=several(3, 3, retry={"first": "1s", "max": "2s", "jitter": 0})) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        s.start()
        assert s.check(campaign) == {"delivered": 400}
        tries = collections.defaultdict(list)
        for row in s.attempts(campaign):
            tries[row["job_id"]].append(row["source"])
        assert all(len(names) == 2 and names[0] == names[1] for names in tries.values()), tries
        assert {names[0] for names in tries.values()} == {"s1", "s2", "s3"}
        s.stop()


class Node:
    """Another penguin-mta on the same database and world, with a name and a spool of its own."""

    def __init__(self, s, node, **change):
        text = json.loads((s.directory / "penguin-mta.yaml").read_text())
        text.update(node=node, **change)
        text["spool"]["directory"] = str(s.directory / node)
        text["delivery"]["log"] = str(s.directory / f"{node}.log")
        self.path = s.directory / f"{node}.yaml"
        self.path.write_text(json.dumps(text))
        self.said = s.directory / f"{node}.said"

    def __enter__(self):
        with open(self.said, "wb") as said:
            self.mta = subprocess.Popen([MTA, "-c", self.path], stderr=said, start_new_session=True)
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.said.read_text()[-3000:])
            os.killpg(self.mta.pid, signal.SIGKILL)
        else:
            self.mta.terminate()
        code = self.mta.wait(30)
        assert kind is not None or code == 0


def test_sup_S4_an_address_is_one_nodes_and_goes_to_the_other_when_that_drains(stack):
    with stack(world=WORLD + SLOW, config=several(1, 2)) as s:
        s.start(node="one")
        wait_for(lambda: owned(s, "one") == {"w0": {"s1", "s2"}})
        mine = {"sources": {"other": {"ipv4": "127.0.5.2", "ehlo": "s2.shop.test"},
                            "own": {"ipv4": "127.0.5.3", "ehlo": "s3.shop.test"}},
                "pools": {"default": {"sources": ["other"]}, "spare": {"sources": ["own"]}}}
        with Node(s, "two", **mine) as two:
            wait_for(lambda: owned(s, "two") == {"w0": {"own"}})
            campaign = s.campaign()
            s.enqueue(campaign, people(200))
            s.wait(campaign, lambda a: len(s.world.ledger()) >= 50)
            leased = s.shop.session.query("SELECT DISTINCT w.node FROM penguin.batches b JOIN penguin.workers w ON w.id = b.owner")
            assert leased in ([], [("one",)]), "what it cannot send it does not claim"
            assert s.wait(campaign) == {"delivered": 200}
            wait_for(lambda: "source_taken" in two.said.read_text())
            said = [line for line in two.said.read_text().splitlines() if line.startswith("source_taken")]
            assert len(said) == 1 and "source=other address=127.0.5.2 node=one" in said[0] and "called=s2" in said[0], said
            s.stop()
            wait_for(lambda: owned(s, "two") == {"w0": {"own", "other"}})
            later = s.campaign()
            known = len(s.world.ledger())
            s.enqueue(later, people(20))
            s.mta = None
            assert s.wait(later) == {"delivered": 20}
            assert {line["source"] for line in s.world.ledger()[known:]} == {"127.0.5.2"}
        assert not flagged(s, campaign) and not flagged(s, later)


def lines_of(listener, until, timeout=60):
    """The messages that come up to one that begins with `until`."""
    listener.settimeout(timeout)
    found = []
    end = time.monotonic() + timeout
    while not found or not found[-1].startswith(until):
        assert time.monotonic() < end, f"no {until}, but {found[-9:]}"
        found.append(listener.recv(65536).decode())
    return found


@pytest.mark.parametrize("abstract", [False, True])
def test_sup_N1_sup_N2_sup_N3_sup_N4_systemd_hears_of_all_of_it(stack, abstract):
    with stack(config=several(2, 2)) as s:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = f"penguin-{os.getpid()}-notify" if abstract else str(s.directory / "notify")
        listener.bind("\0" + name if abstract else name)
        environment = dict(os.environ, NOTIFY_SOCKET="@" + name if abstract else name, WATCHDOG_USEC="2000000")
        environment.pop("WATCHDOG_PID", None)
        s.start_in(environment)
        found = lines_of(listener, "READY=1")
        assert any(line.startswith("STATUS=2 of 2 workers") for line in found), found
        lines_of(listener, "WATCHDOG=1")
        lines_of(listener, "STATUS=2 of 2 workers, 2 of 2 sources in use")
        before = time.monotonic_ns() // 1000
        s.reload(default_site={"connections": 2})
        at = int(re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", lines_of(listener, "RELOADING=1")[-1])[1])
        assert before <= at <= time.monotonic_ns() // 1000
        lines_of(listener, "READY=1")
        (s.directory / "penguin-mta.yaml").write_text("nonsense: 1\n")
        s.mta.send_signal(signal.SIGHUP)
        lines_of(listener, "RELOADING=1")
        assert lines_of(listener, "READY=1"), "one that is refused has an end as well"
        s.mta.terminate()
        lines_of(listener, "STOPPING=1")
        s.stop()
        listener.close()
