"""Sources and hosts with addresses of different families: what one source cannot reach, another sends or it waits."""
from mtalib import WORLD, wait_for

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
