"""Postgres fails in every way it can while a campaign is being sent.

The worker lives on in most of these and remembers what it did: then nobody may get a message twice.
Where it dies as well, at most one message of each connection is sent again, and Postgres says which.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest
from mtalib import MTA, WORLD, Stack, is_disk
from penguin import Session
from pgserver import Pooler, Server
from pgwire import Wire

pytestmark = pytest.mark.alone

SLOW = "\nrules:\n  - at: mail\n    delay: 20ms\n"
SLOWER = SLOW.replace("20ms", "100ms")
AT_HAND = {"jobs": 2000, "site_share": "100%"}  # more than is sent while anybody looks
BUSY = {"postgres": {"statement_timeout": "2s", "connect_timeout": "2s"}, "lease": {"renew": "1s", "ramp": "1s"}}
SITES = 3  # of the world
CONNECTIONS = 3 * SITES


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


@pytest.fixture(scope="module")
def rough_server():
    it = Server()
    yield it
    it.stop()


@pytest.fixture
def server(rough_server):
    rough_server.set_up()
    rough_server.new_database()
    return rough_server


@pytest.fixture
def pooler(server):
    directory = pathlib.Path(subprocess.run(["mktemp", "-d", "/tmp/pgbouncer.XXXXXX"], stdout=subprocess.PIPE, text=True,
                                            check=True).stdout.strip())
    it = Pooler(server, directory)
    yield it
    it.stop()
    shutil.rmtree(directory)


@pytest.fixture
def rough(server, tmp_path):
    """A Stack on a server that may be treated badly."""
    return lambda **settings: Stack(server.dsn, tmp_path, **settings)


@pytest.fixture
def wire():
    made = []

    def make(directory, rule):
        made.append(Wire(directory, rule))
        return made[-1]

    yield make
    for it in made:
        it.close()


def look_again(s):
    """Our own session went with the server."""
    s.shop.session = Session(s.dsn)


def come_back(server, s, look=lambda: None):
    """Starts Postgres; a moment before the worker finds it, and what look() saw until then."""
    ups = s.log_text().count("postgres_up")
    server.start()
    look_again(s)
    seen = look()
    now = before = time.time()
    while s.log_text().count("postgres_up") == ups:
        before, now = now, time.time()
        time.sleep(0.02)
    return before, seen


def claimed_of(s):
    """How many jobs are with a worker, whatever is left of its lease, or have ended."""
    return s.shop.session.value("SELECT count(*) FROM penguin.jobs") - s.shop.session.value("SELECT coalesce(sum(size), 0)::int FROM penguin.batches WHERE owner IS NULL")


def lines(s):
    return len(s.world.ledger())


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def stands_still(s, seconds):
    """So long no message was taken, and nobody was even connected to."""
    before = lines(s), len(s.world.events("connect"))
    time.sleep(seconds)
    return before == (lines(s), len(s.world.events("connect")))


def open_connections(s):
    return len(s.world.events("connect")) - sum(len(s.world.events(end)) for end in ("close", "reset", "lost"))


def flagged(s, campaign):
    """Of these Postgres says that they may have been delivered without an answer."""
    return {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 21 or row["state"] == "in_doubt"}


def check_after_death(s, campaign, count, deaths=1):
    """Nothing is lost; what came twice is admitted, and is at most one a connection."""
    assert s.wait(campaign, timeout=120) == {"delivered": count}
    lost, duplicate, misreported = s.join(campaign)
    assert not lost and not misreported
    again = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 1}
    assert set(duplicate) <= flagged(s, campaign) & again, "in doubt the first time, a possible duplicate the second"
    assert lines(s) - count <= deaths * CONNECTIONS
    assert len({line["job"] for line in s.world.ledger()}) == count
    s.shop.account(campaign)


def kill(server):
    server.kill()
    time.sleep(0.5)
    server.start()


def stop_immediate(server):
    server.control("-m", "immediate", "stop")
    time.sleep(0.5)
    server.start()


def freeze(server):
    """All of it stands still, for longer than a statement may take; then it goes on as if nothing had been."""
    server.signal_all(signal.SIGSTOP)
    time.sleep(4)
    server.signal_all(signal.SIGCONT)


def terminate(server):
    session = Session(server.dsn)
    for _ in range(20):
        session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE pid <> pg_backend_pid() AND application_name = 'penguin-mta'")
        time.sleep(0.1)
    session.close()


def read_only(server):
    session = Session(server.dsn)
    for state in ("on", "off"):
        session.query("ALTER SYSTEM SET default_transaction_read_only = " + state)
        session.query("SELECT pg_reload_conf()")
        time.sleep(2)
    session.close()


@pytest.mark.parametrize("trouble", [kill, stop_immediate, freeze, terminate, read_only])
def test_env_E6_whatever_happens_to_postgres_nothing_is_lost_or_sent_twice(server, rough, trouble):
    with rough(world=WORLD + SLOW, config=BUSY) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1200))
        s.start()
        for round_ in range(2):
            s.wait(campaign, lambda a, n=round_: lines(s) > 100 + 400 * n)
            trouble(server)
            look_again(s)
        assert s.check(campaign) == {"delivered": 1200}
        s.stop()


@pytest.mark.parametrize("trouble", [kill, freeze, terminate])
def test_env_E6_behind_a_pooler_as_well(server, pooler, rough, trouble):
    with rough(world=WORLD + SLOW, config={**BUSY, "postgres": {**BUSY["postgres"], "dsn": pooler.dsn}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(600))
        s.start()
        s.wait(campaign, lambda a: lines(s) > 100)
        trouble(server)
        look_again(s)
        s.wait(campaign, lambda a: lines(s) > 350)
        pooler.stop()
        time.sleep(0.5)
        pooler.start()
        assert s.check(campaign) == {"delivered": 600}
        s.stop()


def cuts(statement, most=6):
    """The first transactions with this statement: by turns the server never hears of them, and we never hear its answer."""
    seen = []

    def rule(names):
        if statement not in names or len(seen) >= most:
            return None
        seen.append(names)
        return "before" if len(seen) % 2 else "after"

    return rule


@pytest.mark.parametrize("statement", ["claim", "jobs_read", "report", "retry_file", "batch_close", "heartbeat"])
def test_fault_F10_cut_at_the_commit_before_and_after_it(cluster, stack, wire, statement):
    later = SLOW + "  - at: rcpt\n    domain: \"d[1-10].test\"\n    nth: 1-1\n    per: recipient\n    reply: 451 4.7.1 later\n"
    with stack(world=WORLD + later, config={"lease": {"renew": "300ms"}, "limits": {"jobs": 100},
                                            "retry": {"first": "1s", "max": "1s"}}) as s:
        between = wire(cluster.directory, cuts(statement))
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start(postgres={"dsn": between.dsn(s.dsn)})
        s.wait(campaign, lambda a: len(between.did) >= 2)
        assert s.check(campaign) == {"delivered": 300}
        assert {what for what, _ in between.did} == {"before", "after"}
        # What was told twice counts once.
        rows = s.attempts(campaign)
        assert sorted(row["attempt_no"] for row in rows) == [1] * 300 + [2] * 60
        assert s.shop.session.query("SELECT sum(attempts), sum(deferrals), sum(duplicates) FROM penguin.campaign_stats") == [
            (360, 60, 0)]
        assert not flagged(s, campaign)
        s.stop()


def test_fault_F10_the_answer_to_a_report_is_lost_and_the_worker_with_it(cluster, stack, wire):
    """Postgres has the results, the journal does not know it: told again by the next, they are not there twice."""
    with stack(world=WORLD + SLOW, config=BUSY) as s:
        between = wire(cluster.directory, lambda names: "after" if "report" in names else None)
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start(postgres={"dsn": between.dsn(s.dsn)}, report={"interval": "300ms"})
        wait_for(lambda: between.did and lines(s) > 100)
        s.kill()
        assert s.attempts(campaign), "the report was done"
        s.start(postgres={"dsn": s.dsn})
        check_after_death(s, campaign, 300)
        known = [row["job_id"] for row in s.attempts(campaign) if row["attempt_no"] == 1]
        assert len(known) == len(set(known)) == 300
        s.stop()


def test_fault_F1_dies_before_the_claim_reaches_postgres(cluster, stack, wire):
    with stack(world=WORLD, config=BUSY) as s:
        def rule(names):
            if "claim" not in names:
                return None
            s.mta.kill()
            return "before"

        between = wire(cluster.directory, rule)
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start(postgres={"dsn": between.dsn(s.dsn)})
        assert s.mta.wait(60) == -9 and between.did
        assert s.account(campaign) == {"waiting": 300}
        assert s.world.events("connect") == []
        s.start(postgres={"dsn": s.dsn})
        assert s.check(campaign) == {"delivered": 300}
        assert not flagged(s, campaign)
        s.stop()


def test_fault_F6_dies_with_the_250_in_its_socket(stack):
    """Receivers have said yes, and it has not read that: in doubt, one a connection."""
    rule = "\nrules:\n  - at: dot\n    nth: 100-108\n    accept: true\n    delay: 3s\n"
    with stack(world=WORLD + rule, config=BUSY) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start()
        wait_for(lambda: lines(s) >= 108)
        s.mta.send_signal(signal.SIGSTOP)
        time.sleep(3.5)  # and the answers are there
        s.kill()
        taken = {line["job"] for line in s.world.ledger()}
        s.start()
        check_after_death(s, campaign, 300)
        doubted = flagged(s, campaign)
        assert doubted <= taken and 1 <= len(doubted) <= CONNECTIONS
        s.stop()


HOUR = {"lease": {"duration": "12s", "renew": "1s", "autonomy": "3s", "ramp": "6s"}, "timeouts": {"scale": 0.01},
        "limits": AT_HAND, "postgres": {"statement_timeout": "2s", "connect_timeout": "2s"}}


@pytest.mark.parametrize("lease", ["12s", "2m"])
def test_fault_F11_env_E6_an_hour_without_postgres(server, rough, lease):
    """Longer than the lease, and not.  It goes on for a while, says QUIT, and connects to nobody until Postgres is back."""
    with rough(world=WORLD + SLOWER, config={**HOUR, "lease": {**HOUR["lease"], "duration": lease}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1500))
        s.start()
        s.wait(campaign, lambda a: lines(s) > 100)
        server.control("-m", "fast", "stop")
        begun = lines(s)
        time.sleep(5)
        assert lines(s) > begun, "it goes on by itself"
        wait_for(lambda: open_connections(s) == 0, 10)
        assert len(s.world.events("close")) == len(s.world.events("connect")), "nobody was hung up on"
        assert "QUIT" in {e["text"] for e in s.world.events("command")}
        assert stands_still(s, 8)
        assert lines(s) < 1400, "there would be more to send"
        back, _ = come_back(server, s)
        before = len(s.world.events("connect"))
        while time.time() - back < 4 or len(s.world.events("connect")) == before:
            assert open_connections(s) <= (time.time() - back) / 6 * CONNECTIONS + 2
            time.sleep(0.02)
        assert s.check(campaign) == {"delivered": 1500}
        s.stop()


def test_fault_F11_behind_an_hour_jobs_are_claimed_little_by_little(server, rough):
    """What was at hand is sent meanwhile; then a fleet would come for more in one moment."""
    lease = {**HOUR["lease"], "duration": "30s", "autonomy": "10s"}
    with rough(world=WORLD + SLOWER, config={**HOUR, "lease": lease, "limits": {"jobs": 200, "site_share": "100%"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(900))
        s.start()
        s.wait(campaign, lambda a: lines(s) > 50)
        server.control("-m", "fast", "stop")
        gone = time.time()
        wait_for(lambda: stands_still(s, 4))
        time.sleep(max(0, gone + 17 - time.time()))  # until what waits to be confirmed is a reason of its own to pause
        back, before = come_back(server, s, lambda: claimed_of(s))
        sent, claimed = lines(s), before
        while time.time() - back < 4 or claimed == before:
            claimed = claimed_of(s)
            assert claimed - before <= lines(s) - sent + (time.time() - back) / 6 * 200 + 20, "more than goes"
            time.sleep(0.02)
        assert s.check(campaign) == {"delivered": 900}
        s.stop()


def test_fault_F11_what_postgres_does_not_know_stays_below_its_bound(server, rough):
    config = {**BUSY, "limits": {"unreported": 40}, "report": {"interval": "100ms"}}
    with rough(world=WORLD + SLOW, config=config) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(600))
        s.start()
        s.wait(campaign, lambda a: lines(s) > 100)
        server.kill()
        sent = lines(s)
        time.sleep(4)
        assert sent <= lines(s) <= sent + 40 + CONNECTIONS
        assert stands_still(s, 2)
        server.start()
        look_again(s)
        assert s.check(campaign) == {"delivered": 600}
        s.stop()


def test_fault_F12_started_again_while_postgres_is_away(server, rough):
    with rough(world=WORLD + SLOW, config=BUSY) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(600))
        s.start(report={"interval": "2s"})
        s.wait(campaign, lambda a: lines(s) > 100)
        server.control("-m", "immediate", "stop")
        sent = lines(s)
        wait_for(lambda: lines(s) > sent + 20)
        s.kill()
        s.start(report={"interval": "100ms"})
        assert stands_still(s, 4), "nothing is sent on a lease that nobody has seen"
        assert s.mta.poll() is None
        server.start()
        look_again(s)
        check_after_death(s, campaign, 600)
        s.stop()


def test_fault_F24_both_die_together(server, rough):
    """Receivers think about each dot, so that there are some on their way."""
    rule = "\nrules:\n  - {at: dot, accept: true, delay: 150ms}\n"
    with rough(world=WORLD + rule, config=BUSY) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(900))
        for round_ in range(2):
            s.start()
            s.wait(campaign, lambda a, n=round_: lines(s) > 100 + 200 * n)
            server.kill()
            s.kill()
            server.start()
            look_again(s)
        s.start()
        check_after_death(s, campaign, 900, deaths=2)
        assert lines(s) > 900
        s.stop()


@pytest.mark.parametrize("policy", ["assume_sent", "hold"])
def test_fault_F12_killed_again_before_its_lease_it_still_knows_what_was_not_sent(cluster, stack, wire, policy):
    """The second worker has reported what the first one left, and dies before Postgres knows that it did.  Of what
    the first had claimed and not begun nobody may believe that it was sent."""
    full = [True]

    def rule(names):
        return "53100" if full and "worker_start" in names else None

    with stack(world=WORLD + SLOWER) as s:
        between = wire(cluster.directory, rule)
        campaign = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = %s", policy)
        s.enqueue(campaign, people(600))
        s.start()
        s.wait(campaign, lambda a: lines(s) > 150 and a["leased"] > 4 * CONNECTIONS)
        s.kill()
        known = lines(s)
        s.start(postgres={"dsn": between.dsn(s.dsn)})
        wait_for(lambda: len(between.did) > 1)
        s.kill()
        full.clear()
        assert lines(s) == known
        s.start()
        account = s.wait(campaign)
        unknown = {row["job_id"] for row in s.attempts(campaign) if row["flags"] & 4 or row["state"] == "in_doubt"}
        assert len(unknown) <= CONNECTIONS
        assert account == {k: n for k, n in [("delivered", 600 - len(unknown)), ("in_doubt", len(unknown))]
                           if n} if policy == "hold" else {"delivered": 600}
        assert len({line["job"] for line in s.world.ledger()}) >= 600 - len(unknown)
        assert lines(s) == len({line["job"] for line in s.world.ledger()}), "nothing came twice"
        s.shop.account(campaign)
        s.stop()


FULL = {"lease": {"autonomy": "1s", "renew": "1s", "ramp": "1s"}, "limits": AT_HAND}


def test_fault_F15_the_disk_of_postgres_is_full(cluster, stack, wire):
    """Reads work and so does the connection; nothing can be written."""
    full = []

    def rule(names):
        return "53100" if full and {"claim", "report", "retry_file", "batch_close", "heartbeat"} & set(names) else None

    with stack(world=WORLD + SLOWER, config=FULL) as s:
        between = wire(cluster.directory, rule)
        campaign = s.campaign()
        s.enqueue(campaign, people(1500))
        s.start(postgres={"dsn": between.dsn(s.dsn)})
        s.wait(campaign, lambda a: lines(s) > 100)
        full.append(True)
        sent = lines(s)
        time.sleep(8)  # a second, and five in which it might be slow
        assert lines(s) > sent
        assert stands_still(s, 3)
        assert lines(s) < 1400, "there would be more to send"
        full.clear()
        assert s.check(campaign) == {"delivered": 1500}
        assert re.findall("^postgres_puts_off what=report sqlstate=(.*?) ", s.log_text(), re.M) == ["53100"], "said once"
        s.stop()


@pytest.mark.parametrize("state", ["42501", "42P01"])
def test_fault_F15_what_nobody_may_write_for_a_while_is_not_given_up(cluster, stack, wire, state):
    """A right was taken away, or a table is not there: the server would refuse each result alone as well."""
    wrong = []

    def rule(names):
        return state if wrong and {"report", "retry_file", "batch_close"} & set(names) else None

    with stack(world=WORLD + SLOWER, config=FULL) as s:
        between = wire(cluster.directory, rule)
        campaign = s.campaign()
        s.enqueue(campaign, people(600))
        s.start(postgres={"dsn": between.dsn(s.dsn)})
        s.wait(campaign, lambda a: lines(s) > 100)
        wrong.append(True)
        sent = lines(s)
        wait_for(lambda: lines(s) > sent + 20)
        time.sleep(2)
        wrong.clear()
        assert s.check(campaign) == {"delivered": 600}
        assert {line["job"] for line in s.world.ledger()} == {row["job_id"] for row in s.attempts(campaign)}
        s.stop()


def test_fault_F15_postgres_is_read_only(server, rough):
    with rough(world=WORLD + SLOWER, config=FULL) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(1500))
        s.start()
        s.wait(campaign, lambda a: lines(s) > 100)
        s.shop.session.query("ALTER SYSTEM SET default_transaction_read_only = on")
        s.shop.session.query("SELECT pg_reload_conf()")
        time.sleep(3)
        assert stands_still(s, 3)
        assert lines(s) < 1400, "there would be more to send"
        s.shop.session.query("ALTER SYSTEM RESET default_transaction_read_only")
        s.shop.session.query("SELECT pg_reload_conf()")
        look_again(s)
        assert s.check(campaign) == {"delivered": 1500}
        s.stop()


SUPPRESS = "INSERT INTO penguin.suppressions (tenant_id, address, stream, reason) VALUES (%s, %s, '*', 'unsubscribe')"


def said(s, text):
    return any(text == e["text"] for e in s.world.events("command"))


def check_suppressed(s, campaign):
    assert s.wait(campaign) == {"suppressed": 1}
    assert s.world.ledger() == [], "no dot"
    assert [e["session"] for e in s.world.events("lost")] == [1], "left without QUIT"
    assert s.shop.session.value("SELECT count(*) FROM penguin.batches") == 0
    s.shop.account(campaign)


def test_fault_F28_suppressed_while_the_receiver_thinks_about_DATA(stack):
    with stack(world=WORLD + "\nrules:\n  - at: data\n    delay: 2s\n") as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        wait_for(lambda: said(s, "DATA"))
        s.shop.session.query(SUPPRESS, s.shop.tenant, "ann@d1.test")
        check_suppressed(s, campaign)
        s.stop()


@pytest.mark.parametrize("size", [10, 100000])
def test_fault_F28_suppressed_while_the_message_goes_out(stack, size):
    """The receiver says 354 and may get the body; the disk takes four seconds to have the intent."""
    with stack(config={"spool": {"sync": True}},
               content={"from": "ann@news.shop.test", "subject": "x", "text": "y" * size}) as s:
        if not is_disk(s.directory):
            pytest.skip("the test's directory is in memory: a durable journal is refused there")
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        slow = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync",
                "-e", "inject=fdatasync:delay_enter=4000000:when=2+"]  # the first makes the first file
        with open(s.directory / "mta.log", "ab") as log:
            tracer = subprocess.Popen([*slow, MTA, "-c", s.write_config(), "--worker", "w0"], stderr=log,
                                      env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        try:
            wait_for(lambda: any(e["text"].startswith("354") for e in s.world.events("reply")))
            s.shop.session.query(SUPPRESS, s.shop.tenant, "ann@d1.test")
            check_suppressed(s, campaign)
        finally:
            (mta,) = pathlib.Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
            os.kill(int(mta), signal.SIGTERM)
            assert tracer.wait(60) == 0
