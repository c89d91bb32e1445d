"""A session's times over real sockets, here a millisecond for a second (--scale 0.001).

The scripts in tests/replay say what happens a second before a deadline and at it; here the timers
are real, and what ends the wait is seen from the other side.
"""
import contextlib
import datetime
import socket
import time

import pytest

HOST = "hosts:\n  - {host: mx.post.test, address: 127.0.75.1, keywords: [8BITMIME]}\n"
TLS_HOST = ("tls:\n  directory: .\nhosts:\n"
            "  - {host: mx.post.test, address: 127.0.75.1, keywords: [8BITMIME, STARTTLS]}\n")
MX = {"mx.post.test": "127.0.75.1"}
SECOND = 0.001
NO_FIRST_RECIPIENT = "  - {at: rcpt, nth: 1, reply: 450 4.2.1 no}\n"  # then RSET comes


def times(world, event):
    return [datetime.datetime.fromisoformat(e["time"]).timestamp() for e in world.events(event)]


@contextlib.contextmanager
def deaf_listener(address="127.0.75.9"):
    """A port whose SYNs are dropped: the queue of connections that nobody accepts is full."""
    with socket.socket() as listener, contextlib.ExitStack() as clients:
        listener.bind((address, 0))
        listener.listen(0)
        for _ in range(3):
            client = clients.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        time.sleep(0.1)
        yield listener.getsockname()[1]


def test_smtp_timeout_connect_of_each_address(start, send, check):
    """Thirty seconds an address, then the next one."""
    world = start(HOST)
    with deaf_listener() as port:
        world.smtp_port, port = port, world.smtp_port
        begun = time.monotonic()
        sent = send(world, {"deaf.post.test": "127.0.75.9"}, "--scale", 0.01)
        took = time.monotonic() - begun
        assert sent.only["phase"] == "connect" and sent.only["failure"] == "timed_out"
        assert 0.3 <= took < 1.5
        world.smtp_port = port


SILENCES = [
    ("connect", "greeting", 300), ("ehlo", "ehlo", 300), ("starttls", "starttls", 60), ("mail", "mail", 300),
    ("rcpt", "rcpt", 300), ("data", "data", 120), ("dot", "dot", 600), ("rset", "rset", 20)]


def world_for(at, deed):
    first = NO_FIRST_RECIPIENT if at == "rset" else ""
    return (TLS_HOST if at == "starttls" else HOST) + "rules:\n" + first + f"  - {{at: {at}, {deed}}}\n"


def options_for(at):
    policy = "required" if at == "starttls" else "none"
    return ["--tls", policy, "--scale", SECOND, "--count", 2 if at == "rset" else 1]


@pytest.mark.parametrize("at, phase, seconds", SILENCES)
def test_smtp_timeout_greeting_smtp_timeout_starttls_smtp_timeout_rset_silence(start, send, at, phase, seconds):
    world = start(world_for(at, "then: silence"))
    begun = time.monotonic()
    sent = send(world, MX, *options_for(at))
    took = time.monotonic() - begun
    late = [line for line in sent.outcomes + sent.unreachable if line["failure"] == "timed_out"]
    assert {line["phase"] for line in late} == {phase}
    assert seconds * SECOND <= took


@pytest.mark.parametrize("at, phase, seconds", SILENCES)
def test_smtp_timeout_trickle_in_each_phase(start, send, at, phase, seconds):
    """An answer that comes a byte at a time, each well within the time, and is never whole."""
    pause = max(1, seconds // 5)
    world = start(world_for(at, f"reply: 250 {'x' * 100}, split: 1, pause: {pause}ms"))
    begun = time.monotonic()
    sent = send(world, MX, *options_for(at))
    took = time.monotonic() - begun
    late = [line for line in sent.outcomes + sent.unreachable if line["failure"] == "timed_out"]
    assert {line["phase"] for line in late} == {phase}
    assert seconds * SECOND <= took < 100 * pause * SECOND, "the answer would have taken longer"


def test_smtp_timeout_trickle_inside_tls(start, send):
    world = start(TLS_HOST + f"rules:\n  - {{at: mail, reply: 250 {'x' * 100}, split: 1, pause: 60ms}}\n")
    sent = send(world, MX, "--tls", "required", "--scale", SECOND)
    assert (sent.only["phase"], sent.only["failure"]) == ("mail", "timed_out")


def test_smtp_timeout_starttls_threat_C4_handshake_that_trickles(start, send):
    """A ServerHello that never comes: reply and handshake share one minute."""
    world = start(TLS_HOST + 'rules:\n  - at: starttls\n    script:\n      - send: "220 go\\r\\n"\n'
                  '      - skip: 5\n      - send_hex: "16"\n      - wait: 20ms\n      - send_hex: "03"\n      - wait: 20ms\n'
                  '      - send_hex: "03"\n      - wait: 10s\n')
    begun = time.monotonic()
    sent = send(world, MX, "--tls", "required", "--scale", SECOND)
    assert (sent.only["phase"], sent.only["failure"]) == ("tls", "timed_out")
    assert 60 * SECOND <= time.monotonic() - begun < 5


@pytest.mark.parametrize("at, seconds", [(at, seconds) for at, _, seconds in SILENCES if at not in ("starttls", "rset")])
def test_smtp_timeout_greeting_smtp_timeout_dot_just_in_time(start, send, check, at, seconds):
    """With a fifth of the time left."""
    world = start(HOST + f"rules:\n  - {{at: {at}, delay: {seconds * 4}ms}}\n")
    sent = send(world, MX, "--scale", 0.005)
    check(world, sent)
    assert sent.actions() == ["deliver"]


def test_smtp_timeout_block_that_nobody_takes(start, send):
    """The peer does not read: three minutes after the last progress it is over, without a dot."""
    world = start(HOST + "rules:\n  - at: data\n    script:\n      - send: \"354 go\\r\\n\"\n      - end: stall\n")
    begun = time.monotonic()
    sent = send(world, MX, "--scale", SECOND, "--size", 20000000)
    assert (sent.only["phase"], sent.only["failure"], sent.only["action"]) == ("body", "timed_out", "retry")
    assert 180 * SECOND <= time.monotonic() - begun


def test_smtp_timeout_quit_is_not_waited_for(start, send, check):
    world = start(HOST + "rules:\n  - {at: quit, then: silence}\n")
    begun = time.monotonic()
    sent = send(world, MX, "--scale", 0.1)
    check(world, sent)
    assert sent.actions() == ["deliver"]
    assert 0.5 <= time.monotonic() - begun < 3


def test_smtp_timeout_quit_silence_of_the_peer_is_seen_by_it_as_our_end(start, send):
    world = start(HOST + "rules:\n  - {at: quit, then: silence}\n")
    send(world, MX, "--scale", 0.1)
    said, gone = times(world, "silence"), times(world, "end") + times(world, "lost")
    assert len(said) == len(gone) == 1 and 0.4 < gone[0] - said[0] < 2


@pytest.mark.parametrize("idle", [0.3, 0.8])
def test_smtp_timeout_idle_connection_is_given_up(start, send, check, idle):
    """Kept for the next message while it is young, closed with QUIT afterwards."""
    world = start(HOST)
    sent = send(world, MX, "--count", 2, "--idle", 0.5, "--keep", idle)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 2
    first, second = [line["session"] for line in world.ledger()]
    assert (first == second) == (idle > 0.5)
    quits = [e for e in world.events("command") if e["text"] == "QUIT"]
    assert len(quits) == 1 + (idle < 0.5)
