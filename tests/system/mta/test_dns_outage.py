"""The name server goes away in mid-campaign and comes back: it costs time, and nothing else."""
import collections
import time

import pytest

from dnsproxy import DnsProxy
from mtalib import WORLD

DOMAINS = 2000
WORLD_OF_MANY = WORLD.replace('"d[1-50].test"', f'"d[1-{DOMAINS}].test"')
SOON = {"dns": {"timeout": "300ms", "attempts": 2}}


@pytest.fixture
def ill(stack):
    """ill(stack): the Stack's sender asks a DnsProxy from now on, which is returned."""
    proxies = []

    def between(it):
        proxies.append(DnsProxy(it.world.dns_port))
        it.config["dns"]["servers"] = [f"127.0.0.1:{proxies[-1].port}"]
        return proxies[-1]

    yield between
    for proxy in proxies:
        proxy.close()


@pytest.mark.parametrize("mode", ["drop", "servfail"])
def test_dns_N7_an_outage_costs_no_attempt_and_no_bounce(stack, ill, mode):
    """Ten seconds without DNS under load; nothing is claimed meanwhile, and the rest goes out within a minute."""
    with stack(world=WORLD_OF_MANY, config={**SOON, "retry": {"first": "15m", "max": "3h"}, "limits": {"jobs": 300}}) as s:
        proxy = ill(s)
        campaign = s.campaign()
        s.enqueue(campaign, [f"ann@d{i}.test" for i in range(1, DOMAINS + 1)])
        s.start()
        s.wait(campaign, lambda a: a.get("delivered", 0) > DOMAINS // 10)
        proxy.mode = mode
        time.sleep(6)
        quiet = time.monotonic()
        time.sleep(4)
        assert len(proxy.asked_since(quiet)) <= 4 * 6, "only a question now and then"
        account = s.account(campaign)
        assert not set(account) - {"delivered", "waiting", "leased", "retrying"}, account
        assert account["delivered"] < DOMAINS, "the outage came too late"
        proxy.mode = "pass"
        back = time.monotonic()
        assert s.wait(campaign, timeout=90) == {"delivered": DOMAINS}
        assert time.monotonic() - back < 60
        lost, duplicate, misreported = s.join(campaign)
        assert not lost and not duplicate and not misreported
        numbers = collections.Counter((a["state"], int(a["attempt_no"])) for a in s.attempts(campaign))
        assert numbers.pop(("delivered", 1)) == DOMAINS
        assert set(numbers) <= {("retrying", 0)}, numbers
        assert s.shop.session.value("SELECT count(*) FROM penguin.holds") == 0
        s.stop()


def test_dns_N7_it_can_be_away_at_the_start(stack, ill):
    """Not even the sender's own key can be compared: the campaign waits, and is on no hold."""
    with stack(config=SOON) as s:
        proxy = ill(s)
        proxy.mode = "drop"
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test", "bob@d2.test"])
        s.start()
        time.sleep(4)
        assert s.account(campaign).get("delivered") is None
        proxy.mode = "pass"
        assert s.wait(campaign, timeout=60) == {"delivered": 2}
        assert {int(a["attempt_no"]) for a in s.attempts(campaign) if a["state"] == "delivered"} == {1}
        assert s.shop.session.value("SELECT count(*) FROM penguin.holds") == 0
        s.stop()


def test_dns_N7_known_hosts_go_on_being_served(stack, ill):
    """What was found before is used beyond its time, which is a second here."""
    brief = WORLD.replace("dns:\n", "dns:\n  ttl: 1\n")
    with stack(world=brief, config=SOON) as s:
        proxy = ill(s)
        first = s.campaign()
        s.enqueue(first, [f"ann@d{i % 6 + 1}.test" for i in range(60)])
        s.start()
        assert s.check(first) == {"delivered": 60}
        proxy.mode = "servfail"
        time.sleep(2)
        begun = time.monotonic()
        second = s.campaign()
        s.enqueue(second, [f"bob@d{i % 6 + 1}.test" for i in range(200)])
        assert s.wait(second, timeout=30) == {"delivered": 200}
        assert {a["state"] for a in s.attempts(second)} == {"delivered"}
        assert proxy.asked_since(begun), "it asked, and had no answer"
        s.stop()
