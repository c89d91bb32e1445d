"""The rows of the checklist about transactions, as a receiver sees them from the whole engine."""
import collections
import os
import re
import subprocess

import pytest
from dialoguelib import check_nobody_is_asked_again, check_order, dialogues
from mtalib import CONTENT, MTA, WORLD


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def commands(stack, verb):
    return [e["text"] for e in stack.world.events("command") if e["text"].upper().startswith(verb)]


def from_xtext(text):
    return re.sub(r"\+([0-9A-F]{2})", lambda m: chr(int(m[1], 16)), text)


def test_smtp_M5_a_dsn_would_name_the_job_and_the_address(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["a+b=c@d1.test", "plain@d2.test", "x.y-z@d3.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 3}
        s.stop()
        assert all(line["violations"] == [] for line in s.world.ledger())
        jobs = {from_xtext(re.fullmatch(r"MAIL FROM:<\S+> SIZE=\d+ RET=HDRS ENVID=(\S+)", text)[1])
                for text in commands(s, "MAIL")}
        assert jobs == {line["job"] for line in s.world.ledger()}
        for text in commands(s, "RCPT"):
            recipient, original = re.fullmatch(r"RCPT TO:<(\S+)> NOTIFY=FAILURE ORCPT=rfc822;(\S+)", text).groups()
            assert from_xtext(original) == recipient
        assert "ORCPT=rfc822;a+2Bb+3Dc@d1.test" in " ".join(commands(s, "RCPT"))


def test_smtp_M5_no_parameter_that_was_not_offered(stack):
    world = WORLD.replace("    address: 127.0.10.{1}\n", "    address: 127.0.10.{1}\n    keywords: [8BITMIME]\n")
    with stack(world=world) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["a+b=c@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        assert all(re.fullmatch(r"(MAIL FROM|RCPT TO):<\S+>", text) for text in commands(s, "MAIL") + commands(s, "RCPT"))
        assert all(line["violations"] == [] for line in s.world.ledger())


# Some of everything: what is refused, what is put off, and connections that end.
MIXED = """
rules:
  - {at: rcpt, recipient: "no*@*", reply: 550 5.1.1 no such user}
  - {at: rcpt, recipient: "later*@*", nth: 1-1, per: recipient, reply: 450 4.2.1 later}
  - {at: dot, recipient: "spam*@*", reply: 554 5.7.1 no thanks}
  - {at: dot, recipient: "busy*@*", nth: 1-1, per: recipient, reply: 451 4.3.0 busy}
  - {at: data, recipient: "data*@*", nth: 1-1, per: recipient, reply: 451 4.3.0 not now}
  - {at: mail, nth: 50, reply: 451 4.3.0 busy}
  - {at: mail, nth: 90, reply: 421 4.3.2 closing}
  - {at: rcpt, nth: 120, then: close}
  - {at: dot, recipient: "user*@*", nth: 30, then: reset}
"""


@pytest.mark.parametrize("keywords", ["[PIPELINING, SIZE, 8BITMIME, DSN]", "[8BITMIME]"])
def test_smtp_M6_smtp_M10_smtp_M16_smtp_M17_smtp_M18_sender_Y7_sender_MS3_some_of_everything(stack, keywords):
    """Each recipient has a fate of its own, and what was said on every connection is in order."""
    world = WORLD.replace("    address: 127.0.10.{1}\n", f"    address: 127.0.10.{{1}}\n    keywords: {keywords}\n")
    kinds = ["user"] * 4 + ["no", "later", "spam", "busy", "data", "user"]
    with stack(world=world + MIXED, config={"default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"{kinds[i % 10]}{i}@d{i % 50 + 1}.test" for i in range(200)])
        s.start()
        assert s.check(campaign) == {"delivered": 160, "bounced": 40}
        s.stop()
        by_kind = {(kind, a["state"]) for a in s.attempts(campaign) for kind in ("no", "spam")
                   if a["phase"] == ("rcpt" if kind == "no" else "dot") and a["code"] in (550, 554)}
        assert by_kind == {("no", "bounced"), ("spam", "bounced")}
        assert all(re.match("user|later|busy|data", line["recipient"]) for line in s.world.ledger())
        # what was pipelined behind a MAIL that is refused comes out of sequence
        allowed = {"sequence"} if "PIPELINING" in keywords else set()
        assert {word for line in s.world.ledger() for word in line["violations"]} <= allowed
        said = dialogues(s.world)
        for dialogue in said.values():
            check_order(dialogue)
        assert any(d.verb == "RSET" for dialogue in said.values() for d in dialogue)
        assert len(check_nobody_is_asked_again(s.world)) == 40
        # QUIT before close, but where the server ended the connection
        theirs = {e["session"] for e in s.world.events() if e["event"] in ("close", "reset")}
        ours = [dialogue for session, dialogue in said.items() if dialogue[-1].verb == "QUIT"]
        assert ours and all(d[-1].verb == "QUIT" for session, d in said.items() if session not in theirs)
        assert s.world.events("lost") == []


@pytest.mark.parametrize("answer", ["reply: 221 2.0.0 bye", "reply: 500 5.5.1 what", "then: silence", "then: reset"])
def test_smtp_M17_the_answer_to_quit_changes_nothing(stack, answer):
    with stack(world=WORLD + f"\nrules:\n  - {{at: quit, {answer}}}\n") as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(10, 1))
        s.start(timeouts={"quit": "1s", "idle": "1s"})
        assert s.check(campaign) == {"delivered": 10}
        s.wait(campaign, lambda _: commands(s, "QUIT"))
        s.stop()
        assert len(s.attempts(campaign)) == 10 and s.world.events("lost") == []


def test_smtp_M2_the_size_is_exact(stack):
    """To the octet, signature and all, of messages with lines that begin with a dot; for both signers."""
    for signer in ("native", "libopendkim"):
        content = dict(CONTENT, text="\n.\n..\n.x {{name}}\n" * 20)
        with stack(content=content, config={"keys": {"signer": signer}}) as s:
            campaign = s.campaign()
            s.enqueue(campaign, people(10), [{"name": "x" * n} for n in range(10)])
            s.start()
            assert s.check(campaign) == {"delivered": 10}
            s.stop()
            said = {m[2]: int(m[1]) for m in (re.search(r"SIZE=(\d+).*ENVID=(\S+)", t) for t in commands(s, "MAIL"))}
            assert said == {line["job"]: line["size"] for line in s.world.ledger()}


@pytest.mark.parametrize("limit, delivered", [("SIZE", True), ("SIZE 0", True), ("exact", True), ("one less", False)])
def test_smtp_M2_the_limit_of_the_host(stack, limit, delivered):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        size = s.world.ledger()[0]["size"]
    words = {"exact": f"SIZE {size}", "one less": f"SIZE {size - 1}"}.get(limit, limit)
    world = WORLD.replace("    address: 127.0.10.{1}\n", f"    address: 127.0.10.{{1}}\n    keywords: [{words}]\n")
    with stack(world=world) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == ({"delivered": 1} if delivered else {"failed": 1})
        s.stop()
        assert len(commands(s, "MAIL")) == delivered
        if not delivered:
            assert s.attempts(campaign)[0]["enhanced"] == "5.3.4"


RAW_8BIT = """From: ann@news.shop.test
Subject: eight
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\u00fc\u00dfe
"""


@pytest.mark.parametrize("content", [dict(CONTENT, text="Gr\u00fc\u00dfe {{name}} " + "\u4f60\u597d" * 900), RAW_8BIT.encode()])
def test_smtp_M3_nothing_is_8bit_where_8bitmime_is_not_offered(stack, content):
    world = WORLD.replace("    address: 127.0.10.{1}\n", "    address: 127.0.10.{1}\n    keywords: [SIZE]\n")
    with stack(world=world, content=content) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(3), [{"name": "J\u00f6rg \u4f60"}] * 3)
        s.start()
        assert s.check(campaign) == {"delivered": 3}
        s.stop()
        assert all(line["violations"] == [] for line in s.world.ledger())  # 8bit is one of them
        assert not any("BODY=" in text for text in commands(s, "MAIL"))


def test_smtp_M7_a_host_of_one_recipient_a_message(stack):
    """One message has one recipient, so no transaction has too many: twelve go at their first attempt."""
    world = WORLD.replace("    address: 127.0.10.{1}\n", "    address: 127.0.10.{1}\n    recipients: 1\n")
    with stack(world=world) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(12, 1))
        s.start()
        assert s.check(campaign) == {"delivered": 12}
        s.stop()
        assert [a["attempt_no"] for a in s.attempts(campaign)] == [1] * 12
        assert len(commands(s, "RCPT")) == len(commands(s, "MAIL")) == 12


def test_smtp_M9_a_refusal_of_mail_is_not_remembered(stack):
    """The first campaign's MAIL is refused for good; the second's is asked all the same, on the same connection."""
    with stack(world=WORLD + "\nrules:\n  - {at: mail, nth: 1-1, reply: 550 5.7.1 not you}\n") as s:
        first, second = s.campaign(), s.campaign()
        s.enqueue(first, ["ann@d1.test"])
        s.start()
        assert s.check(first) == {"bounced": 1}
        s.enqueue(second, ["ann@d1.test", "bob@d1.test"])
        assert s.check(second) == {"delivered": 2}
        s.stop()


def test_smtp_M15_a_worker_that_ends_waits_for_the_answer_to_the_dot(stack):
    with stack(world=WORLD + "\nrules:\n  - {at: dot, delay: 3s}\n", config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda _: len(s.world.ledger()) == 1)  # the dot was read, the answer is held back
        s.stop()
        assert s.account(campaign) == {"delivered": 1}
        (attempt,) = s.attempts(campaign)
        assert attempt["code"] == 250 and attempt["flags"] & 1 == 0


def test_smtp_M18_a_host_that_refuses_everybody_is_not_the_last_word(stack):
    """5yz as a greeting or to EHLO is about the host: the next one is asked, and without any it is no bounce."""
    world = WORLD.replace("hosts:\n", """hosts:
  - host: "bad[1-2].post.test"
    address: 127.0.12.{1}
""") + """
  - domain: half.test
    mx: ["10 bad1.post.test", "20 bad2.post.test", "30 mx1.post.test"]
  - domain: one.test
    mx: ["10 bad2.post.test", "20 mx1.post.test"]
  - domain: none.test
    mx: ["10 bad1.post.test"]
rules:
  - {at: connect, host: bad1.post.test, reply: 554 5.7.1 not you}
  - {at: ehlo, host: bad2.post.test, reply: 554 5.7.1 not you}
"""
    with stack(world=world) as s:
        campaign = s.campaign(expires_s=5)
        s.enqueue(campaign, ["ann@one.test", "ann@none.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1, "expired": 1}
        assert [line["recipient"] for line in s.world.ledger()] == ["ann@one.test"]
        s.stop()

def test_smtp_M15_killed_at_any_system_call(stack):
    """Killed at its Nth write or read, over the whole of a small campaign: nothing is lost, nothing said that is not so."""
    with stack(config={"lease": {"duration": "3s", "renew": "300ms", "autonomy": "0s"}, "report": {"interval": "50ms"},
                       "timeouts": {"scale": 0.001}, "default_site": {"connections": 1}}) as s:
        killed, campaigns = 0, []
        for number in range(40, 400, 2 if os.environ.get("PENGUIN_FULL") else 24):
            campaigns.append(s.campaign())
            s.enqueue(campaigns[-1], [f"user{number}x{i}@d1.test" for i in range(10)])
            trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write,writev,sendto,sendmsg,read,recvfrom,recvmsg",
                     "-e", f"inject=write,writev,sendto,sendmsg,read,recvfrom,recvmsg:signal=SIGKILL:when={number}"]
            with open(s.directory / "mta.log", "ab") as log:
                tracer = subprocess.Popen([*trace, MTA, "-c", s.write_config(), "--worker", "w0"], stderr=log,
                                          env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
            try:
                assert tracer.wait(6) == -9
                killed += 1
            except subprocess.TimeoutExpired:  # it had nothing left to say
                tracer.terminate()
                tracer.wait(30)
        campaigns.append(s.campaign())
        s.enqueue(campaigns[-1], [f"last{i}@d1.test" for i in range(10)])
        s.start()
        final = {}
        for campaign in campaigns:
            assert s.wait(campaign) == {"delivered": 10}
            final.update(s.final_states(campaign))
        taken = collections.Counter(line["job"] for line in s.world.ledger())
        assert set(taken) == set(final), "lost, or taken and not said"
        assert sum(count - 1 for count in taken.values()) <= killed, "one a connection, of which there is one"
        s.stop()
        assert killed >= 10
