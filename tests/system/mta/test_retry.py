"""The rows of the checklist about retries, reuse of connections, and who is told: over the whole engine."""
import collections
import re
import socket
import threading
import time

import pytest
from dialoguelib import dialogues
from mtalib import WORLD

ONE_CONNECTION = {"default_site": {"connections": 1}}


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def commands(stack, verb):
    return [e for e in stack.world.events("command") if e["text"].upper().startswith(verb)]


class Hole:
    """An address that answers no SYN: its listener's queue is full and nobody takes from it."""

    def __init__(self, address, port):
        self.where = (address, port)
        self.listener = socket.socket()
        self.listener.bind(self.where)
        self.listener.listen(0)
        self.fillers = []
        self.most = 0
        self.over = threading.Event()
        self.watcher = threading.Thread(target=self.watch)

    def fill(self):
        while True:
            filler = socket.socket()
            filler.settimeout(0.5)
            self.fillers.append(filler)
            try:
                filler.connect(self.where)
            except TimeoutError:
                filler.close()
                return

    def watch(self):
        """Connections of this moment that wait for an answer to their SYN."""
        wanted = f"{int.from_bytes(socket.inet_aton(self.where[0]), 'little'):08X}:{self.where[1]:04X} 02"
        while not self.over.wait(0.02):
            with open("/proc/net/tcp", encoding="ascii") as table:
                self.most = max(self.most, table.read().count(wanted))

    def __enter__(self):
        self.fill()
        self.watcher.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.watcher.join()
        for filler in self.fillers:
            filler.close()
        self.listener.close()


def timed(stack, count):
    """A campaign to hosts that are well: how long it takes from the first job to the last answer."""
    campaign = stack.campaign()
    begun = time.monotonic()
    stack.enqueue(campaign, people(count))
    assert stack.wait(campaign, timeout=120) == {"delivered": count}
    return time.monotonic() - begun


def test_smtp_R3_an_unreachable_host_holds_up_nobody_else(stack):
    world = WORLD + """
  - domain: hole.test
    mx: hole.post.test
  - domain: hole.post.test
    a: 127.0.98.1
"""
    count = 100000
    with stack(world=world, config={"timeouts": {"connect": "2s"}, "retry": {"first": "15m", "max": "3h"}}) as s:
        s.start()
        with Hole("127.0.98.1", s.world.smtp_port) as hole:
            alone = timed(s, 500)
            campaign = s.campaign()
            s.enqueue(campaign, [f"user{i}@hole.test" for i in range(count)])
            s.wait(campaign, lambda a: a.get("retrying"))
            beside = timed(s, 500)
            time.sleep(3)
            assert 1 <= hole.most <= 3, "connections of one lane to the site, by default_site.connections"
        assert beside < 3 * alone + 3, (alone, beside)
        account = s.account(campaign)
        assert set(account) <= {"waiting", "leased", "retrying"} and sum(account.values()) == count
        # what was tried was tried with a connection that failed: not each with one of its own
        assert account["retrying"] < count / 10
        s.kill()


@pytest.mark.parametrize("category", ["450 4.7.1", "451 4.3.0"])
def test_smtp_R5_a_greylister_lets_the_second_attempt_pass(stack, category):
    """Keyed on address, return path and recipient, for five minutes (here three seconds), and a pool of four."""
    world = WORLD + f"\nrules:\n  - {{at: rcpt, greylist: 300s, reply: {category} greylisted}}\n"
    sources = {f"s{n}": {"ipv4": f"127.0.5.{n}", "ehlo": f"s{n}.shop.test"} for n in (1, 2, 3, 4)}
    with stack(world=world, world_options=["--scale", "0.01"], config={
            "sources": sources, "pools": {"default": {"sources": list(sources)}}, "default_site": {"sources": 4},
            "retry": {"first": "4s", "max": "10s", "jitter": "20%" if "4.7.1" in category else "0%"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(40))
        s.start()
        assert s.check(campaign) == {"delivered": 40}
        s.stop()
        assert collections.Counter(a["attempt_no"] for a in s.attempts(campaign)) == {1: 40, 2: 40}
        asked = collections.defaultdict(set)
        senders = {}
        for event in s.world.events("command"):
            path = re.search(r"<([^>]*)>", event["text"])
            if event["text"].startswith("MAIL"):
                senders[event["session"]] = path[1]
            elif event["text"].startswith("RCPT"):
                asked[path[1]].add((event["source"], senders[event["session"]]))
        assert len(asked) == 40 and all(len(triples) == 1 for triples in asked.values())
        assert len({source for triples in asked.values() for source, _ in triples}) > 1


def test_smtp_R2_a_lifetime_that_ends_is_no_bounce(stack):
    with stack(world=WORLD + "\nrules:\n  - {at: rcpt, reply: 450 4.2.1 later}\n") as s:
        campaign = s.campaign(expires_s=4)
        s.enqueue(campaign, people(10))
        s.start()
        assert s.check(campaign) == {"expired": 10}
        s.stop()
        assert {a["state"] for a in s.attempts(campaign)} == {"retrying", "expired"}
        assert s.shop.session.value("SELECT count(*) FROM penguin.suppressions") == 0


@pytest.mark.parametrize("campaign_s, expire, lives_s", [(None, "4s", 4), (3, "1h", 3), (86400, "4s", 4)])
def test_smtp_R2_a_campaign_may_say_less_than_the_configuration(stack, campaign_s, expire, lives_s):
    with stack(world=WORLD + "\nrules:\n  - {at: rcpt, reply: 450 4.2.1 later}\n",
               config={"retry": {"first": "1s", "max": "1s", "expire": expire}}) as s:
        campaign = s.campaign(expires_s=campaign_s)
        said = s.shop.session.value("SELECT extract(epoch FROM expires_after) FROM penguin.campaigns")
        assert said == campaign_s
        s.enqueue(campaign, ["ann@d1.test"])
        begun = time.monotonic()
        s.start()
        assert s.wait(campaign, timeout=20) == {"expired": 1}
        assert lives_s - 1.5 < time.monotonic() - begun < lives_s + 6
        s.stop()
        assert lives_s - 1 <= len(s.attempts(campaign)) <= lives_s + 1


def age(stack, days):
    """As if the jobs had been leased first so many days ago."""
    stack.shop.session.query("UPDATE penguin.batches SET not_before = now(), due = NULL, first_leased_at = now() - %s * "
                             "interval '1 day', first_at = ARRAY[now() - %s * interval '1 day']", days, days)


def test_smtp_R2_without_a_word_a_message_lives_for_four_days(stack):
    """By the configuration's default and the table's; a signature is good for a day more than that at least."""
    with stack(world=WORLD + "\nrules:\n  - {at: dot, nth: 1-2, reply: 450 4.2.1 later, accept: true}\n",
               config={"retry": {"first": "1h", "expire": None, "max": "3h"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: a.get("retrying") and len(s.attempts(campaign)) == 1)
        age(s, 3.8)
        s.wait(campaign, lambda a: a.get("retrying") and len(s.attempts(campaign)) == 2)
        age(s, 4.1)
        assert s.wait(campaign) == {"expired": 1}
        s.stop()
        letters = [p.read_bytes() for p in sorted(s.boxes.rglob("*.eml"))]
        assert len(letters) == 2
        for letter in letters:
            assert int(re.search(rb"[; \t]x=(\d+)", letter)[1]) > time.time() + 86400


def test_smtp_R2_what_waits_for_its_turn_expires_as_well(stack):
    """A message in two seconds: for most the turn comes when their three seconds are over."""
    with stack(config={"default_site": {"connections": 1, "rate": "30/m"}}) as s:
        campaign = s.campaign(expires_s=3)
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(8)])
        s.start()
        account = s.check(campaign)
        s.stop()
        assert account["delivered"] + account["expired"] == 8 and account["expired"] >= 3, account
        assert len(s.world.ledger()) == account["delivered"]


@pytest.mark.parametrize("keywords", ["[PIPELINING]", "[8BITMIME]"])
def test_smtp_R6_sender_Y6_a_server_that_closes_after_twenty_messages(stack, keywords):
    """Without a 421: nothing failed, and no message had an attempt for nothing."""
    world = WORLD.replace("    address: 127.0.10.{1}\n", f"    address: 127.0.10.{{1}}\n    keywords: {keywords}\n")
    rule = "\nrules:\n  - {at: dot, messages: 19, reply: 250 2.0.0 taken, then: close}\n"
    with stack(world=world + rule, config=ONE_CONNECTION) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(100)])
        s.start()
        assert s.check(campaign) == {"delivered": 100}
        s.stop()
        assert [(a["state"], a["attempt_no"]) for a in s.attempts(campaign)] == [("delivered", 1)] * 100
        assert set(collections.Counter(line["session"] for line in s.world.ledger()).values()) == {20}


def test_smtp_R6_a_connection_serves_so_many_messages_and_so_long(stack):
    slow = "\nrules:\n  - {at: mail, delay: 100ms}\n"
    with stack(world=WORLD + slow, config={"default_site": {"connections": 1, "messages_per_connection": 7}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(28)])
        s.start()
        assert s.check(campaign) == {"delivered": 28}
        s.stop()
        assert list(collections.Counter(line["session"] for line in s.world.ledger()).values()) == [7] * 4
    with stack(world=WORLD + slow, config=ONE_CONNECTION) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(50)])
        s.start(timeouts={"reuse": "1s"})
        assert s.check(campaign) == {"delivered": 50}
        s.stop()
        served = collections.Counter(line["session"] for line in s.world.ledger())
        assert max(served.values()) <= 12 and len(served) >= 4  # ten in a second, and the one under way


def test_smtp_R6_never_again_after_what_was_no_clean_end(stack):
    """Garbage, a late answer, a wrong code: the next message goes over another connection."""
    rules = """
rules:
  - {at: rcpt, recipient: "bad1@*", nth: 1-1, raw: "garbage\\r\\n"}
  - {at: rcpt, recipient: "bad2@*", nth: 1-1, then: silence}
  - {at: mail, nth: 7, reply: 354 what}
  - {at: rset, nth: 1-1, reply: 500 what}
"""
    with stack(world=WORLD + rules, config=ONE_CONNECTION) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"{kind}{i}@d1.test" for i in range(1, 11) for kind in ("bad", "user")])
        s.start(timeouts={"rcpt": "1s"})
        assert s.check(campaign) == {"delivered": 20}
        s.stop()
        for said in dialogues(s.world).values():
            for before, after in zip(said, said[1:]):
                wrong = before.code in (0, 999) or (before.verb in ("MAIL", "RCPT") and before.code == 354) or (
                    before.verb == "RSET" and before.code != 250)
                assert not wrong or after.verb in ("RCPT", "DATA"), said  # only what was pipelined behind it


@pytest.mark.parametrize("then", ["close", "reset"])
def test_smtp_R7_sender_Y6_an_idle_connection_that_was_closed_costs_no_attempt(stack, then):
    """Every second connection's second MAIL finds the server gone: at once over another, and nothing is counted."""
    rule = f"\nrules:\n  - {{at: mail, messages: 1-1000, nth: 1-20, then: {then}}}\n"
    with stack(world=WORLD + rule, config=ONE_CONNECTION) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(60)])
        s.start(retry={"first": "1h", "max": "1h", "expire": "2h"})
        assert s.check(campaign) == {"delivered": 60}
        s.stop()
        assert [(a["state"], a["attempt_no"]) for a in s.attempts(campaign)] == [("delivered", 1)] * 60
        unanswered = [said for said in dialogues(s.world).values() if any(d[::2] == ("MAIL", 0) for d in said)]
        assert len(unanswered) == 20


def test_smtp_R8_sender_P10_one_message_has_one_recipient(stack):
    """The same content to ten at one domain is ten messages, each to one."""
    with stack(content={"from": "ann@news.shop.test", "subject": "s", "text": "the same\n"}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(10)])
        s.start()
        assert s.check(campaign) == {"delivered": 10}
        s.stop()
        for said in dialogues(s.world).values():
            verbs = [d.verb for d in said]
            assert all(after == "RCPT" for before, after in zip(verbs, verbs[1:]) if before == "MAIL")
            assert all(after == "DATA" for before, after in zip(verbs, verbs[1:]) if before == "RCPT")
        assert len(commands(s, "RCPT")) == 10
        for recipient, data in s.letters().items():
            assert re.findall(rb"^To: (\S+)\r$", data, re.M) == [recipient.encode()]
            assert data.lower().count(b"user") == data.lower().count(recipient.encode()[:5])


def test_smtp_R9_smtp_R11_nobody_is_written_to_about_a_failure_or_a_delay(stack):
    """Bounced, expired, in doubt and failed: rows of `attempts`, and not one message to the return path."""
    world = WORLD.replace("domains:\n", """domains:
  - domain: "bounce.shop.test"
    mx: "10 mx1.post.test"
  - domain: "news.shop.test"
    mx: "10 mx1.post.test"
""") + """
rules:
  - {at: rcpt, recipient: "no*@*", reply: 550 5.1.1 no such user}
  - {at: rcpt, recipient: "later*@*", reply: 450 4.2.1 later}
  - {at: dot, recipient: "doubt*@*", nth: 1-1, per: recipient, then: reset}
"""
    with stack(world=world) as s:
        campaign = s.campaign(expires_s=5)
        wanted = [f"{kind}{i}@d{i}.test" for i in range(1, 11) for kind in ("no", "later", "doubt", "user")]
        s.enqueue(campaign, wanted + ["not an address", "x@null.test"])
        s.start()
        s.wait(campaign)
        time.sleep(2)
        s.stop()
        account = s.account(campaign)
        assert account["bounced"] >= 10 and account["expired"] >= 10 and account["failed"] == 1
        recipients = {re.search(r"<([^>]*)>", e["text"])[1] for e in commands(s, "RCPT")}
        assert recipients <= set(wanted), "somebody else was written to"
        assert not any("DELAY" in e["text"].upper() or "SUCCESS" in e["text"].upper() for e in commands(s, "RCPT"))
        assert len(s.final_states(campaign)) == sum(account.values())
