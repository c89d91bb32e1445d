"""Postgres goes away in every way it can, in mid-run; afterwards the accounting holds."""
import os
import pathlib
import shutil
import signal
import subprocess
import time
from collections import Counter

import pytest

from claimlib import claim_jobs
from penguin import Session, Shop
from pgserver import Pooler, Server

MANY = 6000


@pytest.fixture(scope="module")
def rough_server():
    it = Server()
    yield it
    it.stop()


@pytest.fixture
def server(rough_server):
    rough_server.new_database()
    return rough_server


@pytest.fixture
def pooler(server):
    directory = pathlib.Path(subprocess.run(
        ["mktemp", "-d", "/tmp/pgbouncer.XXXXXX"], stdout=subprocess.PIPE, text=True,
        check=True).stdout.strip())
    it = Pooler(server, directory)
    yield it
    it.stop()
    shutil.rmtree(directory)


def check_all(server_dsn, shop_ids, lines_of_runs, campaign, tenant):
    """Nothing lost; the counters agree with a recount; what was seen twice is known."""
    session = Session(server_dsn)
    for line in session.run("verify", tenant):
        assert line["recounted"] == line["accounted"], line
    row = session.run("accounting", tenant, campaign)[0]
    session.close()
    assert row["committed"] == row["delivered"] == len(shop_ids)
    seen = Counter(job for lines in lines_of_runs for job in claim_jobs(lines))
    assert set(seen) == set(shop_ids)
    return [job for job, times in seen.items() if times > 1]


def terminate(server):
    session = Session(server.dsn)
    for _ in range(12):
        session.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                      " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
        time.sleep(0.15)
    session.close()


def kill_twice(server):
    for _ in range(2):
        server.kill()
        time.sleep(0.5)
        server.start()
        time.sleep(0.7)


def stop_fast(server):
    server.control("-m", "fast", "stop")
    time.sleep(1.5)
    server.start()


def freeze(server):
    """Answers stop coming, the connection stays: until the statement timeout."""
    session = Session(server.dsn)
    pids = [row[0] for row in session.query(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'claim-cli'")]
    session.close()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2.5)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    time.sleep(0.5)


@pytest.mark.parametrize("trouble", [terminate, kill_twice, stop_fast, freeze])
def test_nothing_is_lost(server, run, trouble):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    cli = run(server.dsn, credit=300, hold_ms=40, jobs=MANY, idle_ms=60000, statement_ms=1500)
    time.sleep(0.4)
    trouble(server)
    lines = cli.finish()
    assert "down" in [line["event"] for line in lines]
    twice = check_all(server.dsn, ids, [lines], campaign, shop.tenant)
    # The worker lived and remembers: whatever the database did, nobody gets two messages.
    assert twice == []


def test_nothing_is_lost_when_both_die(server, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    cli = run(server.dsn, credit=300, hold_ms=40)
    time.sleep(0.5)
    server.kill()
    cli.process.kill()
    cli.process.wait()
    server.start()
    first = cli.lines()
    second = run(server.dsn).finish()
    twice = check_all(server.dsn, ids, [first, second], campaign, shop.tenant)
    flagged = {line["job"] for line in second if line["event"] == "job" and line["duplicate"]}
    assert set(twice) <= flagged


def test_away_at_the_start(server, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 500)
    shop.session.close()
    server.control("-m", "fast", "stop")
    cli = run(server.dsn, jobs=500, idle_ms=60000)
    time.sleep(1)
    server.start()
    check_all(server.dsn, ids, [cli.finish()], campaign, shop.tenant)


def test_through_a_pooler(server, pooler, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    # More workers than the pool has connections; names must differ, or they replace each other.
    runs = [run(pooler.dsn, credit=500, hold_ms=20, name=i) for i in range(4)]
    lines = [cli.finish() for cli in runs]
    assert check_all(server.dsn, ids, lines, campaign, shop.tenant) == []


def test_pooler_loses_its_servers(server, pooler, run):
    shop = Shop(server.dsn)
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, MANY)
    shop.session.close()
    cli = run(pooler.dsn, credit=300, hold_ms=40, jobs=MANY, idle_ms=60000)
    time.sleep(0.4)
    kill_twice(server)
    assert check_all(server.dsn, ids, [cli.finish()], campaign, shop.tenant) == []
