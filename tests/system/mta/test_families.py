"""Sources and hosts with addresses of different families: what one source cannot reach, another sends or it waits."""
import contextlib
import subprocess
import time

import pytest
from mtalib import WORLD, wait_for
from netnslib import private_network

OLD = {"ipv4": "127.0.5.1", "ehlo": "s1.shop.test"}
NEW = {"ipv6": "::1", "ehlo": "s6.shop.test"}
BOTH_LATER = WORLD + '  - {domain: "six.test", mx: ["10 mx.six.test"]}\n  - {domain: "mx.six.test", aaaa: ["2001:db8::25"]}\n'


def people(n):
    return [f"user{i}@d{i % 50 + 1}.test" for i in range(n)]


def pool(**sources):
    return {"sources": {"s1": None, **sources}, "pools": {"default": {"sources": sorted(sources)}},
            "default_site": {"sources": 1}}


def waits(s, campaign, n):
    wait_for(lambda: "no_source" in s.log_text())
    wait_for(lambda: s.account(campaign) == {"waiting": n})


def test_hosts_without_ipv6_get_no_source_that_has_nothing_else(stack):
    """One of the two is chosen for each site, and for half of them it could not be the one with IPv6."""
    with stack(config=pool(s1=OLD, s6=NEW)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(50))
        s.start()
        assert s.check(campaign) == {"delivered": 50}
        assert {line["source"] for line in s.world.ledger()} == {"127.0.5.1"}
        s.stop()


def test_a_pool_that_has_ipv6_alone_bounces_nobody(stack):
    """The domains are as they should be; what is missing is an address of ours, and mail waits for it."""
    with stack(config=pool(s6=NEW)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(20))
        s.start()
        waits(s, campaign, 20)
        s.stop()
        assert s.account(campaign) == {"waiting": 20} and not s.attempts(campaign)


def test_a_domain_that_no_source_reaches_is_told_at_once(stack):
    """IPv6 alone is hardly to be waited for: so few have it that it is a slip of that domain."""
    with stack(world=BOTH_LATER, config=pool(s1=OLD)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@six.test"])
        s.start()
        assert s.wait(campaign) == {"bounced": 1}
        (attempt,) = s.attempts(campaign)
        assert attempt["enhanced"] == "5.4.4" and "IPv6" in attempt["reply"]
        s.stop()


def test_two_workers_hand_it_to_the_one_that_reaches(stack):
    with stack(config={**pool(s1=OLD, s6=NEW), "workers": 2}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(50))
        s.start()
        assert s.check(campaign) == {"delivered": 50}
        s.stop()


def absent(s):
    return [line for line in s.log_text().splitlines() if line.startswith("source_absent")]


def test_an_address_that_the_machine_has_not_is_named_and_passed_over(stack):
    """Of two sources one has a slip in its address; what would go over it goes over the other."""
    with stack(config=pool(s1=OLD, s9={"ipv4": "192.0.2.9", "ehlo": "s9.shop.test"})) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(50))
        s.start()
        assert s.check(campaign) == {"delivered": 50}
        assert {line["source"] for line in s.world.ledger()} == {"127.0.5.1"}
        (line,) = absent(s)
        assert "source=s9 address=192.0.2.9 " in line and "ip address add" in line
        assert "shortage" not in s.log_text()
        assert s.shop.session.query("SELECT host(address) FROM penguin.source_leases") == [("127.0.5.1",)], "another node may have it"
        s.stop()


def test_a_source_without_its_ipv6_sends_over_ipv4(stack):
    with stack(config=pool(s1={**OLD, "ipv6": "2001:db8::9"})) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(10))
        s.start()
        assert s.check(campaign) == {"delivered": 10}
        assert len(absent(s)) == 1 and "2001:db8::9" in absent(s)[0]
        s.stop()


def test_an_address_that_comes_and_goes(stack):
    with contextlib.ExitStack() as room:
        try:
            room.enter_context(private_network())
        except PermissionError:
            pytest.skip("no network namespace can be made here")
        s = room.enter_context(stack(config={**pool(s9={"ipv4": "10.9.9.9", "ehlo": "s9.shop.test"}), "timeouts": {"idle": "1s"}}))
        campaign = s.campaign()
        s.start()
        wait_for(lambda: absent(s))
        subprocess.run(["ip", "address", "add", "10.9.9.9/32", "dev", "lo"], check=True)
        s.enqueue(campaign, people(20))
        assert s.check(campaign) == {"delivered": 20}
        subprocess.run(["ip", "address", "del", "10.9.9.9/32", "dev", "lo"], check=True)
        time.sleep(3)  # until no connection is open
        later = s.campaign()
        s.enqueue(later, [f"later{i}@d{i}.test" for i in range(21, 41)])
        wait_for(lambda: len(absent(s)) == 2)
        assert not s.attempts(later), "a slip of ours is no attempt"
        subprocess.run(["ip", "address", "add", "10.9.9.9/32", "dev", "lo"], check=True)
        s.wait(later, timeout=120)
        assert s.account(later) == {"delivered": 20}
        s.stop()
