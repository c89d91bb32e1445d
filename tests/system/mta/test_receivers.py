"""What large receivers ask of senders, from the whole engine: TLS, whose fault a refusal is, pools, connections."""
import collections

import pytest
import yaml
from dialoguelib import check_nobody_is_asked_again
from mtalib import ROOT, WORLD

# The hosts that conf/providers.yaml knows them by.
LARGE = {
    "gmail": "alt1.gmail-smtp-in.l.google.com",
    "yahoo": "mta5.am0.yahoodns.net",
    "microsoft": "hotmail-com.olc.protection.outlook.com",
    "microsoft-365": "shop-com.mail.protection.outlook.com",
    "apple": "mx01.mail.icloud.com",
}


def world_of(hosts, rest=""):
    """{domain: MX host}, each host at an address of its own; rest: lines of each host."""
    listed = sorted(set(hosts.values()))
    return ("dns:\n  listen: 127.0.0.1:0\n  dkim_dir: dkim\nsmtp:\n  port: 0\ntls:\n  directory: .\nhosts:\n"
            + "".join(f"  - host: {host}\n    address: 127.0.14.{n}\n{rest}" for n, host in enumerate(listed, 1))
            + "domains:\n" + "".join(f"  - domain: {domain}\n    mx: [\"10 {host}\"]\n" for domain, host in hosts.items()))


def providers():
    with open(ROOT / "conf" / "providers.yaml", encoding="utf-8") as file:
        return yaml.safe_load(file)["providers"]


CLEAR = "    keywords: [PIPELINING, SIZE, 8BITMIME]\n"
BROKEN = "    keywords: [PIPELINING, SIZE, 8BITMIME, STARTTLS]\n    tls: garbage\n"
GOOD = "    keywords: [PIPELINING, SIZE, 8BITMIME, STARTTLS]\n    tls: self-signed\n"


@pytest.mark.parametrize("host, delivered", [(CLEAR, False), (BROKEN, False), (GOOD, True)])
def test_sender_P6_nothing_in_clear_to_the_large_receivers(stack, host, delivered):
    """With what conf/providers.yaml says of them; everybody else gets it in clear where there is no TLS."""
    hosts = {f"{name}.test": mx for name, mx in LARGE.items()} | {"other.test": "mx.other.test"}
    with stack(world=world_of(hosts, host), config={"providers": providers()}) as s:
        campaign = s.campaign(expires_s=5)
        s.enqueue(campaign, [f"ann@{domain}" for domain in hosts])
        s.start()
        account = s.check(campaign)
        s.stop()
        reached = {line["domain"] for line in s.world.ledger() if line["tls"] is not None}
        in_clear = {line["domain"] for line in s.world.ledger() if line["tls"] is None}
        if delivered:
            assert account == {"delivered": 6} and reached == set(hosts)
        else:
            assert account == {"delivered": 1, "expired": 5} and in_clear == {"other.test"} and reached == set()
            assert not [e for e in s.world.events("command") if e["text"].startswith("MAIL") and "other" not in e["mx"]]


AUTH = ["550 5.7.26 This mail has been blocked because the sender is unauthenticated",
        "550 5.7.515 Access denied, sending domain does not meet the required authentication level",
        "550 5.7.27 SPF check did not pass", "550 5.7.30 DKIM did not pass", "550 5.7.40 no DMARC record"]


def suppressed(stack):
    return stack.shop.session.value("SELECT count(*) FROM penguin.suppressions")


@pytest.mark.parametrize("at", ["rcpt", "dot"])
def test_sender_P7_an_authentication_failure_is_the_senders(stack, at):
    """Named so, nobody is suppressed for it, and when it is mended the same people are written to."""
    rules = "\nrules:\n" + "".join(f"  - {{at: {at}, recipient: \"u{n}@*\", nth: 1-1, reply: \"{text}\"}}\n"
                                   for n, text in enumerate(AUTH))
    people = [f"u{n}@d1.test" for n in range(len(AUTH))]
    with stack(world=WORLD + rules) as s:
        first = s.campaign()
        s.enqueue(first, people)
        s.start()
        assert s.check(first) == {"bounced": len(people)}
        assert {(a["category"], a["action"]) for a in s.attempts(first)} == {("sender-auth", "bounce")}
        assert suppressed(s) == 0
        second = s.campaign()
        s.enqueue(second, people)
        assert s.wait(second) == {"delivered": len(people)}
        s.stop()


def test_sender_P12_a_loop_behind_the_receiver_is_permanent_and_not_the_recipients(stack):
    with stack(world=WORLD + "\nrules:\n  - {at: dot, reply: 554 5.4.6 Message exceeded 50 hops}\n") as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test", "bob@d2.test"])
        s.start()
        assert s.check(campaign) == {"bounced": 2}
        assert [(a["category"], a["attempt_no"]) for a in s.attempts(campaign)] == [("routing-error", 1)] * 2
        assert suppressed(s) == 0
        s.stop()


def test_sender_P17_each_kind_of_mail_has_its_own_addresses(stack):
    """Marketing and transactional mail to the same people at the same time, each from its pool's sources."""
    sources = {f"s{n}": {"ipv4": f"127.0.5.{n}", "ehlo": f"s{n}.shop.test"} for n in (1, 2, 3)}
    pools = {"default": {"sources": ["s1", "s2"]}, "receipts": {"sources": ["s3"]}}
    people = [f"u{i}@d{i % 50 + 1}.test" for i in range(150)]
    with stack(config={"sources": sources, "pools": pools}) as s:
        campaigns = {s.campaign(): {"127.0.5.1", "127.0.5.2"},
                     s.campaign(pool="receipts", stream="receipts"): {"127.0.5.3"}}
        jobs = {job: campaign for campaign in campaigns for job in s.enqueue(campaign, people)}
        s.start()
        for campaign in campaigns:
            assert s.wait(campaign) == {"delivered": 150}
        s.stop()
        used = collections.defaultdict(set)
        for line in s.world.ledger():
            used[jobs[line["job"]]].add(line["source"])
        assert used == campaigns


@pytest.mark.parametrize("text", ["421 4.7.0 [TSS04] Messages temporarily deferred", "451 4.7.1 [TS03] deferred"])
def test_sender_Y7_a_deferral_is_no_refusal(stack, text):
    """4yz backs off and comes again; nobody who was refused by 5yz is asked again."""
    rules = f"""
rules:
  - {{at: mail, host: mx2.post.test, nth: 1-2, reply: "{text}"}}
  - {{at: rcpt, recipient: "no*@*", reply: 554 5.7.9 not accepted for policy reasons}}
"""
    with stack(world=WORLD + rules) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test", "bob@d1.test", "no1@d1.test", "no2@d2.test"])
        s.start(default_site={"connections": 1, "suspend": "1s", "suspend_max": "2s"})
        assert s.check(campaign) == {"delivered": 2, "bounced": 2}
        assert sum(a["state"] == "retrying" for a in s.attempts(campaign)) >= 1
        s.stop()
        asked = collections.Counter(e["text"].split("<")[1].split(">")[0] for e in s.world.events("command")
                                    if e["text"].startswith("RCPT TO:<no"))
        taken = check_nobody_is_asked_again(s.world)
        assert taken == {"no1@d1.test", "no2@d2.test"} and set(asked) == taken


def test_sender_MS4_a_cap_on_connections_to_one_provider(stack):
    """Four sources with five connections each, to three hosts of one provider: six in all, and all is sent."""
    sources = {f"s{n}": {"ipv4": f"127.0.5.{n}", "ehlo": f"s{n}.shop.test"} for n in (1, 2, 3, 4)}
    provider = {"mx": ["post.test"], "connections": 5, "connections_total": 6}
    slow = "\nrules:\n  - {at: mail, delay: 20ms}\n"
    with stack(world=WORLD + slow, config={"sources": sources, "pools": {"default": {"sources": list(sources)}},
                                           "providers": {"big": provider}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(600)])
        s.start()
        assert s.check(campaign) == {"delivered": 600}
        s.stop()
        now = most = 0
        for event in s.world.events():
            now += {"connect": 1, "end": -1, "lost": -1}.get(event["event"], 0)
            most = max(most, now)
        assert 6 <= most <= 8, most  # the world may hear of a connection before it hears of another's end
        assert len({line["source"] for line in s.world.ledger()}) == 4, "none is starved"
