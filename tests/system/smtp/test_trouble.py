"""Servers that hang up anywhere, never answer, or answer nonsense; hosts that are down."""

import time

import pytest


def hosts(count, net):
    """h1.cut.test at 127.0.NET.1 and so on."""
    return f"hosts:\n  - host: \"h[1-{count}].cut.test\"\n    address: 127.0.{net}.{{1}}\n"


def one_host(net):
    return f"hosts:\n  - host: h1.cut.test\n    address: 127.0.{net}.1\n"


@pytest.mark.parametrize("then", ["reset", "close"])
@pytest.mark.parametrize("side", ["cut_sent", "cut_received"])
def test_smtp_M13_cut_at_every_byte(start, send, check, side, then):
    """Each host ends the connection a few bytes later than the last, into the second message."""
    count = 250
    step = 2 if side == "cut_sent" else 5
    rules = "".join(f"  - {{at: connect, host: h{n}.cut.test, {side}: {n * step}, then: {then}}}\n"
                    for n in range(1, count + 1))
    world = start(hosts(count, 62) + "rules:\n" + rules)
    seen = set()
    for n in range(1, count + 1, 3):
        sent = send(world, {f"h{n}.cut.test": f"127.0.62.{n}"}, "--count", 2, "--size", 300)
        check(world, sent)
        seen.update((line["phase"], line["action"]) for line in sent.outcomes)
    phases = {phase for phase, _ in seen}
    assert ("dot", "deliver") in seen and {"mail", "rcpt"} & phases
    assert ("dot", "doubt") in seen or ("body", "retry") in seen
    assert all(action in ("retry", "again", "deliver") or phase == "dot" for phase, action in seen)


@pytest.mark.parametrize("at, phase, seconds", [
    ("connect", "greeting", 300), ("ehlo", "ehlo", 300), ("mail", "mail", 300), ("rcpt", "rcpt", 300),
    ("data", "data", 120), ("dot", "dot", 600)])
def test_smtp_timeout_dot_and_each_phase_has_its_time(start, send, check, at, phase, seconds):
    """Each phase has its own time, here a millisecond for a second."""
    world = start(one_host(63)
                  + f"rules:\n  - {{at: {at}, then: silence}}\n")
    begun = time.monotonic()
    sent = send(world, {"h1.cut.test": "127.0.63.1"}, "--scale", 0.001)
    took = time.monotonic() - begun
    assert sent.only["phase"] == phase and sent.only["failure"] == "timed_out"
    assert sent.only["action"] == ("doubt" if phase == "dot" else "retry")
    assert seconds / 1000 <= took < seconds / 1000 + 1.5


@pytest.mark.parametrize("at, seconds", [("mail", 300), ("dot", 600)])
def test_smtp_timeout_trickle(start, send, at, seconds):
    """A byte now and then moves no deadline."""
    world = start(one_host(64)
                  + f"rules:\n  - {{at: {at}, reply: 250 {'x' * 400}, split: 1, pause: 20ms}}\n")
    sent = send(world, {"h1.cut.test": "127.0.64.1"}, "--scale", 0.001)
    assert sent.only["failure"] == "timed_out"


def test_slow_but_in_time(start, send, check):
    rules = "".join(f"  - {{at: {at}, delay: 120ms}}\n" for at in ("connect", "ehlo", "mail", "rcpt", "dot"))
    world = start(one_host(65) + "rules:\n" + rules)
    sent = send(world, {"h1.cut.test": "127.0.65.1"}, "--scale", 0.001, "--count", 2)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 2


def test_smtp_M14_accepted_but_never_said(start, send, check):
    world = start(one_host(66)
                  + "rules:\n  - {at: dot, then: reset, accept: true}\n")
    sent = send(world, {"h1.cut.test": "127.0.66.1"})
    check(world, sent)
    assert sent.only["action"] == "doubt" and len(world.ledger()) == 1


def test_smtp_B7_garbage_then_goodbye(start, send):
    world = start(one_host(67)
                  + "rules:\n  - at: dot\n    raw: \"garbage\\r\\n221 bye\\r\\n\"\n")
    sent = send(world, {"h1.cut.test": "127.0.67.1"})
    assert sent.only["failure"] == "protocol" and sent.only["action"] == "doubt"


def test_smtp_S13_two_replies(start, send):
    world = start(one_host(68) + "    keywords: [8BITMIME]\n"
                  "rules:\n  - at: mail\n    raw: \"250 a\\r\\n250 b\\r\\n\"\n")
    sent = send(world, {"h1.cut.test": "127.0.68.1"})
    assert sent.only["failure"] == "unsolicited" and sent.only["action"] == "retry"
    assert not any(e["text"].startswith("RCPT") for e in world.events("command"))


def test_threat_C7_endless_reply(start, send):
    world = start(one_host(69)
                  + "rules:\n  - at: connect\n    script:\n      - send: \"220-more of the same\\r\\n\"\n"
                  "        times: 100000000\n")
    sent = send(world, {"h1.cut.test": "127.0.69.1"})
    assert sent.only["failure"] == "protocol"


def test_dns_D9_next_host(start, send, check):
    """Refused, then 554, then good: the third takes it."""
    world = start("hosts:\n  - {host: bad.mx.test, address: 127.0.70.2}\n  - {host: good.mx.test, address: 127.0.70.3}\n"
                  "rules:\n  - {at: connect, host: bad.mx.test, reply: 554 5.7.1 go away}\n")
    sent = send(world, [("dead.mx.test", "127.0.70.1"), ("bad.mx.test", "127.0.70.2"),
                        ("good.mx.test", "127.0.70.3")], "--count", 2)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 2 and sent.outcomes[0]["host"] == "good.mx.test"


def test_dns_D9_fifth_address(start, send, check):
    world = start("hosts:\n  - {host: good.mx.test, address: 127.0.71.5}\n")
    dead = [("dead.mx.test", f"127.0.71.{n}") for n in range(1, 5)]
    sent = send(world, dead + [("good.mx.test", "127.0.71.5")])
    check(world, sent)
    assert sent.only["action"] == "deliver"
    sixth = send(world, dead + [("dead.mx.test", "127.0.71.6"), ("good.mx.test", "127.0.71.5")])
    assert sixth.only["failure"] == "connect_refused"


def test_dns_D9_two_sessions_past_the_handshake(start, send):
    """Hosts that greet, answer EHLO and fail then are tried twice, not for ever."""
    world = start("tls:\n  directory: .\nhosts:\n  - {host: \"b[1-3].mx.test\", address: \"127.0.72.{1}\","
                  " keywords: [STARTTLS]}\n"
                  "rules:\n  - {at: starttls, reply: 454 4.7.0 not now}\n")
    sent = send(world, [(f"b{n}.mx.test", f"127.0.72.{n}") for n in (1, 2, 3)], "--tls", "required")
    assert sent.only["code"] == 454
    assert len(world.events("connect")) == 2


def test_dns_D9_hosts_that_refuse_at_the_greeting_are_passed_over(start, send, check):
    """What they say is about themselves: the fifth takes it."""
    refusals = ("554 no", "421 busy", "521 no mail here", "450 later")
    rules = "".join(f"  - {{at: connect, host: b{n}.mx.test, reply: {text}}}\n" for n, text in enumerate(refusals, 1))
    world = start("hosts:\n  - {host: \"b[1-5].mx.test\", address: \"127.0.73.{1}\"}\nrules:\n" + rules)
    sent = send(world, [(f"b{n}.mx.test", f"127.0.73.{n}") for n in range(1, 6)])
    check(world, sent)
    assert sent.only["action"] == "deliver" and sent.only["host"] == "b5.mx.test"
    assert len(world.events("connect")) == 5


def test_dns_D11_a_family_that_this_machine_lacks_does_not_end_the_walk(start, send, check):
    """A source address that is not here: no socket of that family, the other one serves."""
    world = start("hosts:\n  - {host: good.mx.test, address: 127.0.74.1}\n")
    sent = send(world, [("six.mx.test", f"[2001:db8::{n}]") for n in range(1, 5)] + [("good.mx.test", "127.0.74.1")],
                "--local", "2001:db8::99")
    check(world, sent)
    assert sent.only["action"] == "deliver" and sent.only["host"] == "good.mx.test"
