"""Slow sites cannot clog: nine tenths of a backlog at hosts that do not answer, and the others' mail goes as fast as without."""
import contextlib
import datetime
import os
import socket
import time

import pytest
from mtalib import WORLD, Stack
from worldlib import World

pytestmark = pytest.mark.quiet

SITES = 80
HEALTHY = 1400
DEAD = 9 * HEALTHY
MEASURED = slice(300, 1300)  # before, the sites of 14,000 jobs are looked up; behind, not all sites have work
HOLE = "127.0.98.1"
HEALTHY_WORLD = WORLD[:WORLD.index("hosts:")] + f"""
hosts:
  - {{host: "mx[1-{SITES}].post.test", address: "127.0.10.{{1}}"}}
  - {{host: "mx[1-500].mute.test", address: "127.0.{{1/250+12}}.{{1%250+1}}"}}
domains:
  - {{domain: "d[1-{SITES}].test", mx: "10 mx{{1}}.post.test"}}
  - {{domain: "mx[1-500].hole.test", a: "{HOLE}"}}
rules:
  - {{at: connect, host: "mx*.mute.test", then: silence}}
  - {{at: dot, delay: 800ms}}
"""
# By what the dead sites are: how many, and whose.
DEAD_SITES = {
    "one": ("1", {}),
    "many": ("{1}", {}),
    "provider": ("{1}", {"dead": {"mx": ["mute.test", "hole.test"], "connections": 20}}),
}


def mailboxes(dead):
    """All of it in one campaign, well mixed."""
    healthy = [f"user{i}@d{i % SITES + 1}.test" for i in range(HEALTHY)]
    if not dead:
        return healthy
    return [who for i, one in enumerate(healthy) for who in [f"u{i}.{k}@x{(9 * i + k) % 500 + 1}.test" for k in range(9)] + [one]]


@pytest.fixture
def second_database(cluster):
    name = f"test_{next(cluster.numbers)}"
    cluster.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield cluster.dsn(name)
    cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextlib.contextmanager
def hole(port):
    """An address that answers no SYN: its listener's queue is full and nobody takes from it."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind((HOLE, port))
        listener.listen(0)
        while True:
            filler = opened.enter_context(socket.socket())
            filler.settimeout(0.5)
            try:
                filler.connect((HOLE, port))
            except TimeoutError:
                break
        yield


def times(world):
    return [datetime.datetime.fromisoformat(line["time"]).timestamp() for line in world.ledger()]


def seconds(s):
    """That the sites which answer took for the same messages: the pace is theirs, not the machine's."""
    assert {line["domain"][0] for line in s.world.ledger()} == {"d"}
    measured = times(s.world)[MEASURED]
    return measured[-1] - measured[0]


# Other tests take time from both, and not alike: the bound is for a machine that has nothing else to do.
LEAST = 0.95 if "PENGUIN_FULL" in os.environ else 0.9


@pytest.mark.parametrize("way", ["mute", "hole"])
@pytest.mark.parametrize("which", DEAD_SITES)
def test_sites_that_do_not_answer_slow_nobody(stack, second_database, tmp_path, which, way):
    """Side by side with a sender that has none of it, so that both have the same machine in the same seconds."""
    number, providers = DEAD_SITES[which]
    world = HEALTHY_WORLD.replace("domains:", f"""domains:
  - {{domain: "x[1-500].test", mx: "10 mx{number}.{way}.test"}}""")
    config = {"default_site": {"connections": 1}, "timeouts": {"scale": 0.1}, "limits": {"jobs": 4000},
              "providers": providers, "retry": {"first": "10s", "max": "20s", "expire": "1h"}}
    (tmp_path / "free").mkdir()
    with stack(world=world, judge=False, config=config) as clogged, \
            Stack(second_database, tmp_path / "free", world=world, judge=False, config=config) as free, \
            hole(clogged.world.smtp_port):
        pairs = []
        for s, dead in ((clogged, True), (free, False)):
            campaign = s.campaign()
            s.enqueue(campaign, mailboxes(dead))
            pairs.append((s, campaign))
        for s, _ in pairs:
            s.start()
        for s, campaign in pairs:
            s.wait(campaign, lambda a, s=s: len(s.world.ledger()) >= HEALTHY, timeout=120)
        print(f"{which} {way}: {seconds(free):.2f} s without, {seconds(clogged):.2f} s beside the dead,"
              f" from the first to the last {times(free.world)[-1] - times(free.world)[0]:.2f} and"
              f" {times(clogged.world)[-1] - times(clogged.world)[0]:.2f}")
        assert seconds(free) / seconds(clogged) >= LEAST, (seconds(free), seconds(clogged))
        for s, campaign in pairs:
            s.stop(60)
            s.shop.account(campaign)


BACK = f"""
dns:
  listen: 127.0.0.1:0
smtp:
  port: PORT
tls:
  directory: .
hosts:
  - {{host: "mx1.hole.test", address: "{HOLE}"}}
rules:
  - {{at: dot, delay: 50ms}}
"""


def test_a_provider_that_comes_back_is_soon_used_at_its_full_pace(stack, tmp_path):
    """Fifty sites that do not answer for ten seconds; then twenty connections take 400 messages a second at most."""
    count, sites = 3000, 50
    world = HEALTHY_WORLD.replace("domains:", f"""domains:
  - {{domain: "x[1-{sites}].test", mx: "10 mx{{1}}.hole.test"}}""")
    (tmp_path / "back").mkdir()
    with stack(world=world, judge=False, config={
            "timeouts": {"scale": 0.1}, "limits": {"jobs": 4000}, "retry": {"first": "2s", "max": "2s", "expire": "1h"},
            "providers": {"dead": {"mx": ["hole.test"], "connections": 20, "suspend": "1s", "suspend_max": "1s"}}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@x{i % sites + 1}.test" for i in range(count)])
        with hole(s.world.smtp_port):
            s.start()
            time.sleep(10)
        # what all sites of the provider may hold as one, and for each site its probes (two jobs, every four seconds)
        assert 0 < len(s.attempts(campaign)) <= 200 + sites * 2 * 3
        with World(tmp_path / "back", BACK.replace("PORT", str(s.world.smtp_port))) as back:
            returned = time.time()
            assert s.wait(campaign, timeout=120) == {"delivered": count}
            s.stop(60)
            taken = times(back)
            assert len({line["job"] for line in back.ledger()}) == len(taken) == count, "each once"
        s.shop.account(campaign)
        full = taken[1999] - taken[999]
        assert taken[999] - returned <= 2 * full + 4, (taken[999] - returned, full)


ONE_SITE = WORLD[:WORLD.index("hosts:")] + """
hosts:
  - {host: mx.post.test, address: 127.0.10.1}
domains:
  - {domain: "d[1-50].test", mx: "10 mx.post.test"}
"""


def test_a_fast_site_beyond_its_share_does_not_stand_still(stack):
    """What has no room at its site goes back to Postgres, and comes again as soon as there is some."""
    config = {"limits": {"jobs": 2000, "site_jobs_min": 100}, "default_site": {"connections": 20, "messages_per_connection": 1000}}
    with stack(world=ONE_SITE, config=config, judge=False) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d{i % 50 + 1}.test" for i in range(6000)])
        s.start()
        assert s.check(campaign) == {"delivered": 6000}
        at = sorted(times(s.world))
        assert max(b - a for a, b in zip(at, at[1:])) < (at[-1] - at[0]) / 4
        s.stop()
