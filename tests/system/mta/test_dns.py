"""The DNS rows of the protocol checklist that only a delivery can show.

What a resolver makes of records is in tests/system/dns; here a message is on its way, and what
counts is which server got it, and what the job's last attempt says.
"""
import datetime
import time

from mtalib import WORLD
from netnslib import connections_begun, private_network

SERVERS = """
hosts:
  - host: "mx[1-3].post.test"
    address: 127.0.10.{1}
  - host: at.domain.test
    address: 127.0.10.9
"""


def world_of(domains):
    return WORLD[:WORLD.index("hosts:")] + SERVERS + "domains:\n" + domains


FAULTS = ("servfail", "refused", "formerr", "timeout")


def last_attempts(stack, campaign):
    """By recipient's domain."""
    domains = {str(job): recipient.split("@")[1] for job, recipient in stack.shop.session.query(
        "SELECT id::text, recipient FROM penguin.jobs WHERE campaign_id = %s", campaign)}
    return {domains[a["job_id"]]: a for a in stack.attempts(campaign)}


def connected(stack):
    """The hosts' addresses that a connection came to."""
    return {e["local"] for e in stack.world.events("connect")}


def test_dns_D1_an_alias_and_an_international_name_reach_their_hosts(stack):
    world = WORLD + """
  - domain: "alias.test"
    cname: d1.test
  - domain: "xn--bcher-kva.test"
    mx: "10 mx2.post.test"
"""
    with stack(world=world) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@alias.test", "ann@B\u00fccher.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 2}
        assert {line["recipient"]: line["mx"] for line in s.world.ledger()} == {
            "ann@alias.test": "mx2.post.test", "ann@xn--bcher-kva.test": "mx2.post.test"}
        s.stop()


def test_dns_D2_a_domain_that_fails_waits_and_one_that_is_not_there_bounces(stack):
    """Three questions a lookup fail, and its own address, where a server runs, is no way out."""
    world = world_of("".join(f"""
  - domain: "{fault}.test"
    mx: "10 mx1.post.test"
    a: 127.0.10.9
    fault: {fault}
    types: [mx]
    first: 3
""" for fault in FAULTS))
    with stack(world=world, config={"dns": {"timeout": "300ms"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"ann@{fault}.test" for fault in FAULTS] + ["ann@nowhere.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 4, "bounced": 1}
        assert last_attempts(s, campaign)["nowhere.test"]["enhanced"] == "5.1.2"
        deferred = [a for a in s.attempts(campaign) if a["state"] == "retrying"]
        assert len({a["job_id"] for a in deferred}) == 4
        assert {(a["phase"], a["enhanced"], a["code"]) for a in deferred} == {("resolve", "4.4.3", 0)}
        assert connected(s) == {"127.0.10.1"}
        s.stop()


def test_dns_D4_an_MX_that_leads_nowhere_is_no_reason_for_the_domains_address(stack):
    """The domain's own address has a server that would take it."""
    world = world_of("""
  - domain: "dead.test"
    mx: "10 nowhere.test"
    a: 127.0.10.9
  - domain: "unsure.test"
    mx: ["10 nowhere.test", "20 sick.test"]
    a: 127.0.10.9
  - domain: "sick.test"
    fault: servfail
""")
    with stack(world=world) as s:
        campaign = s.campaign(expires_s=4)
        s.enqueue(campaign, ["ann@dead.test", "ann@unsure.test"])
        s.start()
        assert s.check(campaign) == {"bounced": 1, "expired": 1}
        assert last_attempts(s, campaign)["dead.test"]["enhanced"] == "5.4.4"
        assert connected(s) == set()
        s.stop()


def test_dns_D6_null_MX_is_final_and_nobody_is_called(stack):
    world = world_of("""
  - domain: "null.test"
    mx: "0 ."
    a: 127.0.10.9
  - domain: "ten.test"
    mx: "10 ."
    a: 127.0.10.9
  - domain: "beside.test"
    mx: ["0 .", "10 mx1.post.test"]
    a: 127.0.10.9
""")
    with stack(world=world) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@null.test", "ann@ten.test", "ann@beside.test"])
        s.start()
        assert s.check(campaign) == {"bounced": 2, "delivered": 1}
        assert connected(s) == {"127.0.10.1"}
        for domain in ("null.test", "ten.test"):
            attempt = last_attempts(s, campaign)[domain]
            assert (attempt["enhanced"], attempt["category"]) == ("5.1.10", "bad-domain")
            assert attempt["reply"].startswith("556 ")  # RFC 7504
        s.stop()


def test_dns_D9_a_host_that_fails_behind_its_greeting_is_not_the_only_one_tried(stack):
    """The best MX takes EHLO and hangs up at MAIL, each time; the next attempt meets the other."""
    world = world_of("""
  - domain: "half.test"
    mx: ["10 mx1.post.test", "20 mx2.post.test"]
""") + "\nrules:\n  - {at: mail, host: mx1.post.test, then: reset}\n"
    with stack(world=world) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@half.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        assert [a["state"] for a in s.attempts(campaign)] == ["retrying", "delivered"]
        assert [line["mx"] for line in s.world.ledger()] == ["mx2.post.test"]
        s.stop()


def test_dns_D10_dns_N6_sender_P12_mail_for_ourselves_is_a_loop(stack):
    """A server runs at the source's own address: it must not be called."""
    world = world_of("""
  - domain: "loop.test"
    mx: ["10 us.test", "20 mx1.post.test"]
  - domain: "name.test"
    mx: ["10 s1.shop.test", "20 mx1.post.test"]
  - domain: "better.test"
    mx: ["10 mx1.post.test", "20 us.test", "30 mx2.post.test"]
  - domain: "us.test"
    a: 127.0.5.1
  - domain: "s1.shop.test"
    a: 127.0.10.9
""").replace("domains:", "  - host: us.test\n    address: 127.0.5.1\ndomains:", 1)
    rule = "\nrules:\n  - {at: connect, host: mx1.post.test, nth: 1, reply: 421 not now}\n"
    with stack(world=world + rule) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@loop.test", "ann@name.test"])
        s.start()
        assert s.check(campaign) == {"failed": 2}
        assert {a["enhanced"] for a in last_attempts(s, campaign).values()} == {"5.4.6"}
        assert connected(s) == set()
        second = s.campaign()
        s.enqueue(second, ["ann@better.test"])
        assert s.wait(second) == {"delivered": 1}
        assert connected(s) == {"127.0.10.1"}, "neither we nor what is worse than we"
        s.stop()


def test_dns_D13_address_literals_are_not_written_to(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@[127.0.10.1]", "ann@[IPv6:::1]"])
        s.start()
        assert s.check(campaign) == {"failed": 2}
        assert {(a["enhanced"], a["category"]) for a in s.attempts(campaign)} == {("5.1.3", "invalid-recipient")}
        assert connected(s) == set()
        s.stop()


def most_at_a_time(stack):
    """Connections open at one moment."""
    steps = {"connect": 1, "end": -1, "lost": -1}
    open_now = most = 0
    for event in stack.world.events():
        open_now += steps.get(event["event"], 0)
        most = max(most, open_now)
    return most


def seconds_of(ledger):
    return sorted(datetime.datetime.fromisoformat(line["time"]).timestamp() for line in ledger)


def test_dns_D16_sender_P9_500_domains_on_the_same_hosts_share_one_counter(stack):
    """Two connections and forty messages a second, whatever the number of domains."""
    world = world_of("""
  - domain: "d[1-500].test"
    mx: ["{1%9} mx1.post.test", "{1%9+10} mx2.post.test"]
""")
    pace = {"connections": 2, "rate": "40/s", "messages_per_connection": 100000}
    with stack(world=world, config={"default_site": pace}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"ann@d{i}.test" for i in range(1, 501)])
        s.start()
        assert s.check(campaign) == {"delivered": 500}
        times = seconds_of(s.world.ledger())
        assert len({line["recipient"].split("@")[1] for line in s.world.ledger()}) == 500
        assert times[-1] - times[0] > 450 / 40
        assert most_at_a_time(s) <= 2
        s.stop()


RANGES = ["127.0.0.1", "0.1.2.3", "10.0.0.1", "100.64.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.8",
          "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fc00::1",
          "fd12::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::1",
          "2001::1"]


def test_dns_N5_dns_D14_no_SYN_to_any_forbidden_range(stack):
    """The kernel counts connections that are begun, in a network of the test's own where all addresses route."""
    world = world_of("".join(f"""
  - domain: "n{i}.test"
    mx: "10 h{i}.test"
  - domain: "h{i}.test"
    {'aaaa' if ':' in address else 'a'}: "{address}"
""" for i, address in enumerate(RANGES)))
    sources = {"s1": {"ipv4": "127.0.5.1", "ipv6": "2003::5", "ehlo": "s1.shop.test"}}
    people = [f"ann@n{i}.test" for i in range(len(RANGES))]
    with private_network(), stack(world=world, config={
            "guard": {"allow": []}, "sources": sources, "default_site": {"ipv6": True, "tls": "none"},
            "timeouts": {"scale": 0.01}}) as s:
        before = connections_begun()
        campaign = s.campaign()
        s.enqueue(campaign, people)
        s.start()
        assert s.check(campaign) == {"failed": len(RANGES)}
        attempts = s.attempts(campaign)
        assert {(a["enhanced"], a["phase"], a["category"]) for a in attempts} == {("5.4.4", "resolve", "routing-error")}
        assert connections_begun() == before
        s.stop()
        # The counter would have told: where the operator allows it, connections are begun.
        second = s.campaign(expires_s=2)
        s.enqueue(second, ["ann@n2.test"])
        s.start(guard={"allow": ["10.0.0.0/8"]})
        s.check(second)
        assert connections_begun() > before
        s.stop()


def test_dns_N5_a_stricter_guard_holds_for_what_was_resolved_before(stack):
    with stack(config={"dns": {"min_ttl": "10m"}}) as s:
        first = s.campaign()
        s.enqueue(first, ["ann@d1.test"])
        s.start()
        assert s.check(first) == {"delivered": 1}
        s.reload(guard={"allow": []})
        s.wait(None, lambda _: "reloaded" in s.log_text(), timeout=10)
        second = s.campaign()
        s.enqueue(second, ["bob@d1.test"])
        assert s.wait(second) == {"failed": 1}
        assert [a["enhanced"] for a in s.attempts(second)] == ["5.4.4"]
        assert len(s.world.events("connect")) == 1
        s.stop()


def test_dns_N9_a_bounce_by_the_DNS_suppresses_nobody(stack):
    """The zone is gone for a moment, or something is wrong with us: bounced or failed, and next time written to."""
    world = world_of("""
  - domain: "gone.test"
    mx: "10 mx1.post.test"
    fault: nxdomain
    first: 1
    negative_ttl: 1
  - domain: "loop.test"
    mx: "10 us.test"
  - domain: "us.test"
    a: 127.0.5.1
""")
    people = ["ann@gone.test", "ann@loop.test", "ann@[127.0.10.1]"]
    with stack(world=world) as s:
        first = s.campaign()
        s.enqueue(first, people)
        s.start()
        assert s.check(first) == {"bounced": 1, "failed": 2}
        assert last_attempts(s, first)["gone.test"]["enhanced"] == "5.1.2"
        assert s.shop.session.value("SELECT count(*) FROM penguin.suppressions") == 0
        time.sleep(1)  # the negative answer was good for a second
        second = s.campaign()
        s.enqueue(second, ["ann@gone.test"])
        assert s.wait(second) == {"delivered": 1}
        assert {line["recipient"] for line in s.world.ledger()} == {"ann@gone.test"}
        s.stop()
