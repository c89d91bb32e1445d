"""The rows of the checklist about transactions, as a receiver sees them from the whole engine."""
import re

from mtalib import WORLD


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
