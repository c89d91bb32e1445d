"""Greetings, EHLO, and replies without measure: what servers say before there is a message."""
import pytest

TWO = ("hosts:\n  - {host: first.mx.test, address: 127.0.76.1}\n  - {host: second.mx.test, address: 127.0.76.2}\n")
BOTH = [("first.mx.test", "127.0.76.1"), ("second.mx.test", "127.0.76.2")]
ONE = "hosts:\n  - {host: mx.post.test, address: 127.0.76.3, keywords: [8BITMIME]}\n"
MX = {"mx.post.test": "127.0.76.3"}


def test_smtp_S1_not_a_byte_before_the_greeting(start, send, check):
    world = start(ONE + "rules:\n  - {at: connect, delay: 2s}\n")
    sent = send(world, MX)
    check(world, sent)  # the world notes early bytes as a violation
    assert sent.actions() == ["deliver"]
    first = [e for e in world.events() if e["event"] in ("command", "reply", "violation")][0]
    assert first["event"] == "reply" and first["text"].startswith("220")


GREETINGS = {
    "421": "reply: 421 4.3.2 closing", "450": "reply: 450 4.3.0 later", "521": "reply: 521 no mail here",
    "554": "reply: 554 5.7.1 go away", "no reply": "then: silence", "garbage": 'raw: "SSH-2.0-OpenSSH_9.2\\r\\n"',
    "without end": 'raw: "220-hello\\r\\n"', "half": 'raw: "22"', "closes": "then: close", "resets": "then: reset"}


@pytest.mark.parametrize("greeting", GREETINGS)
def test_smtp_S2_the_next_MX_takes_what_a_greeting_refused(start, send, check, greeting):
    world = start(TWO + f"rules:\n  - {{at: connect, host: first.mx.test, {GREETINGS[greeting]}}}\n")
    sent = send(world, BOTH, "--scale", 0.002)
    check(world, sent)
    assert sent.actions() == ["deliver"] and sent.only["host"] == "second.mx.test"
    to_first = [e["text"] for e in world.events("command") if e["mx"] == "first.mx.test"]
    assert to_first == (["QUIT"] if greeting in ("450", "521", "554") else [])


def test_smtp_S2_smtp_S3_all_refuse_and_the_last_word_is_kept(start, send):
    world = start(TWO + "rules:\n  - {at: connect, host: first.mx.test, reply: 421 busy}\n"
                  "  - {at: connect, host: second.mx.test, reply: 521 no mail here}\n")
    sent = send(world, BOTH)
    assert (sent.only["phase"], sent.only["code"], sent.only["category"]) == ("greeting", 521, "bad-domain")
    assert sent.only["action"] == "retry", "a greeting says nothing of the recipient"


@pytest.mark.parametrize("code", [500, 502, 504, 550])
def test_smtp_S4_HELO_on_the_same_connection_and_no_extensions(start, send, check, code):
    world = start(ONE.replace("[8BITMIME]", "[PIPELINING, SIZE]")
                  + f"rules:\n  - {{at: ehlo, reply: {code} what}}\n")
    sent = send(world, MX, "--count", 2)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 2 and len(world.events("connect")) == 1
    commands = [e["text"] for e in world.events("command")]
    assert commands[:4] == ["EHLO client.test", "HELO client.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<b0@d1.test>"]


@pytest.mark.parametrize("deed", ["then: close", "then: reset", "reply: 421 closing"])
def test_smtp_S4_a_server_that_closes_at_EHLO_is_not_asked_with_HELO(start, send, deed):
    world = start(ONE + f"rules:\n  - {{at: ehlo, {deed}}}\n")
    sent = send(world, MX)
    assert sent.only["action"] == "retry"
    assert [e["text"] for e in world.events("command")] == ["EHLO client.test"]


def script(text, times):
    return f"rules:\n  - at: mail\n    script:\n      - send: \"{text}\"\n        times: {times}\n      - wait: 20s\n"


LONG = {
    "513": ("250 " + "x" * 507 + "\\r\\n", 1, True), "2048": ("250 " + "x" * 2042 + "\\r\\n", 1, True),
    "4096": ("250 " + "x" * 4090 + "\\r\\n", 1, True), "4097": ("250 " + "x" * 4091 + "\\r\\n", 1, False)}


@pytest.mark.parametrize("octets", LONG)
def test_smtp_S10_lines_up_to_4096_octets(start, send, octets):
    text, _, fine = LONG[octets]
    world = start(ONE + f"rules:\n  - at: mail\n    raw: \"{text}\"\n")
    sent = send(world, MX)
    assert (sent.only["action"] == "deliver") == fine
    assert fine or sent.only["failure"] == "protocol"


@pytest.mark.parametrize("lines, fine", [(100, True), (101, False)])
def test_smtp_S10_replies_up_to_100_lines(start, send, lines, fine):
    text = "".join("250-x\\r\\n" for _ in range(lines - 1)) + "250 x\\r\\n"
    world = start(ONE + f"rules:\n  - at: ehlo\n    raw: \"{text}\"\n")
    sent = send(world, MX)
    assert (sent.only["action"] == "deliver") == fine
    assert fine or (sent.only["phase"], sent.only["failure"]) == ("ehlo", "protocol")


def test_smtp_S6_ten_thousand_keywords_are_too_many(start, send):
    world = start(ONE + "rules:\n  - at: ehlo\n    script:\n      - send: \"250-KEYWORD\\r\\n\"\n        times: 10000\n")
    assert (send(world, MX).only["phase"], send(world, MX).only["failure"]) == ("ehlo", "protocol")


FLOODS = {"a million lines": ("250-x\\r\\n", 1000000), "a gigabyte without a line end": ("x" * 1000, 1000000),
          "a gigabyte of long lines": ("250-" + "x" * 4000 + "\\r\\n", 250000)}


@pytest.mark.parametrize("flood", FLOODS)
def test_smtp_S10_memory_is_flat_whatever_comes(start, send, flood):
    text, times = FLOODS[flood]
    ordinary = send(start(ONE), MX).summary["rss_kib"]
    world = start(ONE + script(text, times))
    sent = send(world, MX)
    assert sent.only["failure"] == "protocol" and sent.only["action"] == "retry"
    assert sent.summary["rss_kib"] < ordinary + 1024
    assert sent.summary["wall_us"] < 3000000, "it went on reading"
