"""Sources whose names are not what receivers want: told always, out of use where that is required."""
import collections
import time

import pytest
from mtalib import Stack
from worldlib import World
from zonelib import GOOD, world_with

SOURCES = {f"s{n}": {"ipv4": f"127.0.5.{n}", "ehlo": f"s{n}.shop.test"} for n in (1, 2)}
REQUIRE = {"sources": SOURCES, "pools": {"default": {"sources": ["s1", "s2"]}},
           "default_site": {"sources": 0, "connections": 4},
           "dns": {"check_sources": "require", "check_interval": "1s", "attempts": 1, "timeout": "300ms"}}
PTR = "2.5.0.127.in-addr.arpa"


def people(n):
    return [f"user{i}@d{i % 50 + 1}.test" for i in range(n)]


def senders(stack):
    return collections.Counter(line["source"] for line in stack.world.ledger())


def wait_for(condition, timeout=20):
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.fixture
def scene(database, tmp_path):
    def make(zone, **config):
        return Stack(database, tmp_path, world=world_with(zone), config={**REQUIRE, **config})
    return make


@pytest.mark.parametrize("change, says", [
    ({PTR: {}}, "has no PTR record"),
    ({PTR: {"ptr": ["old.shop.test"]}, "old.shop.test": {"a": ["127.0.5.9"]}}, "does not lead back"),
    ({PTR: {"ptr": ["mx1.post.test"]}, "s2.shop.test": {"a": ["127.0.5.9"]}}, "EHLO name s2.shop.test does not lead to it"),
])
def test_sender_P5_dns_D12_a_source_with_wrong_names_sends_nothing(scene, change, says):
    with scene({**GOOD, **change}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(60))
        s.start()
        assert s.check(campaign) == {"delivered": 60}
        assert senders(s) == {"127.0.5.1": 60}
        assert says in s.log_text() and "127.0.5.2" in s.log_text()
        s.stop()


def test_sender_P5_a_source_comes_back_once_its_record_is_published(scene):
    with scene({**GOOD, PTR: {"ptr": ["s2.shop.test"], "fault": "nxdomain", "first": 1}}) as s:
        campaign = s.campaign()
        s.start()
        wait_for(lambda: sum(e["name"] == PTR for e in s.world.events("dns")) >= 2)
        time.sleep(0.5)
        s.enqueue(campaign, people(60))
        assert s.check(campaign) == {"delivered": 60}
        assert senders(s) == {"127.0.5.1": 30, "127.0.5.2": 30}
        s.stop()


def test_sender_P5_a_source_that_loses_its_names_is_taken_out(scene):
    with scene(GOOD) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(40))
        s.start()
        assert s.check(campaign) == {"delivered": 40}
        before = senders(s)
        assert set(before) == {"127.0.5.1", "127.0.5.2"}
        s.world.stop()  # the same world a moment later, without the PTR
        text = world_with({**GOOD, PTR: {}}).replace("listen: 127.0.0.1:0", f"listen: 127.0.0.1:{s.world.dns_port}")
        s.world = World(s.directory, text.replace("port: 0", f"port: {s.world.smtp_port}"), *s.world.options)
        s.world.__enter__()
        wait_for(lambda: "has no PTR record" in s.log_text())
        s.enqueue(campaign, people(40))
        assert s.check(campaign) == {"delivered": 80}
        assert senders(s) == {"127.0.5.1": before["127.0.5.1"] + 40, "127.0.5.2": before["127.0.5.2"]}
        s.stop()


def test_without_a_good_source_nothing_is_sent_and_no_attempt_is_lost(scene):
    with scene({**GOOD, PTR: {}, "1.5.0.127.in-addr.arpa": {}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(5))
        s.start()
        time.sleep(2)
        s.stop()
        assert s.world.ledger() == [] and s.attempts(campaign) == []
        assert s.account(campaign) == {"waiting": 5}


def test_an_operators_hold_that_ends_is_no_leave(scene):
    with scene({**GOOD, PTR: {}}) as s:
        campaign = s.campaign()
        s.start()
        session = s.shop.session
        nobody = "00000000-0000-0000-0000-000000000000"
        session.run("hold_add", nobody, "source", "s2", "for a while", None)
        time.sleep(1)
        session.run("hold_release", nobody, "source", "s2")
        time.sleep(1)
        s.enqueue(campaign, people(30))
        assert s.check(campaign) == {"delivered": 30}
        assert senders(s) == {"127.0.5.1": 30}
        s.stop()


def test_a_dns_that_does_not_answer_is_not_held_against_a_source(scene):
    with scene({**GOOD, PTR: {"fault": "servfail"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(60))
        s.start()
        assert s.check(campaign) == {"delivered": 60}
        assert set(senders(s)) == {"127.0.5.1", "127.0.5.2"}
        assert "the DNS does not answer" in s.log_text()
        s.stop()


def test_by_default_it_is_told_and_no_more(scene):
    with scene({**GOOD, PTR: {}}, dns={"timeout": "300ms"}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(60))
        s.start()
        assert s.check(campaign) == {"delivered": 60}
        assert senders(s) == {"127.0.5.1": 30, "127.0.5.2": 30}
        assert "2.5.0.127.in-addr.arpa. IN PTR s2.shop.test." in s.log_text()
        s.reload(dns={"check_sources": "require"})  # takes effect at once
        wait_for(lambda: s.log_text().count("has no PTR record") == 2)
        s.enqueue(campaign, people(30))
        assert s.check(campaign) == {"delivered": 90}
        assert senders(s) == {"127.0.5.1": 60, "127.0.5.2": 30}
        s.reload(dns={"check_sources": "off"})
        time.sleep(1)
        s.enqueue(campaign, people(30))
        assert s.check(campaign) == {"delivered": 120}
        assert senders(s) == {"127.0.5.1": 75, "127.0.5.2": 45}
        s.stop()
