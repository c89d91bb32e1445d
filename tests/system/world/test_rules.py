"""Rules and scripts: what servers do that proper ones would not."""

import socket
import time

import pytest
from worldlib import Client

HOSTS = """
hosts:
  - host: "mx[1-2].post.test"
    address: 127.0.10.{1}
  - host: other.test
    address: 127.0.10.9
rules:
"""


def rule(**keys):
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return "  -" + lines[3:]


def codes(client, recipients, sender="s@from.test"):
    client.ask(f"MAIL FROM:<{sender}>")
    got = [client.ask(f"RCPT TO:<{r}>")[:3] for r in recipients]
    client.ask("RSET")
    return got


@pytest.mark.parametrize("at, commands", [
    ("connect", []),
    ("helo", ["HELO c"]),
    ("ehlo", ["EHLO c"]),
    ("starttls", ["EHLO c", "STARTTLS"]),
    ("auth", ["EHLO c", "AUTH PLAIN AHUAcA=="]),
    ("mail", ["EHLO c", "MAIL FROM:<a@b>"]),
    ("rcpt", ["EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<x@d1.test>"]),
    ("data", ["EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<x@d1.test>", "DATA"]),
    ("dot", ["EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<x@d1.test>", "DATA", "a: b\r\n\r\n."]),
    ("rset", ["RSET"]),
    ("noop", ["NOOP"]),
    ("quit", ["QUIT"]),
    ("vrfy", ["VRFY x"]),
    ("unknown", ["BLAH"]),
])
@pytest.mark.parametrize("what", ["reply", "close", "reset", "silence", "421"])
def test_every_state(start, at, commands, what):
    keys = {"reply": {"reply": "451 4.3.0 not now"}, "421": {"reply": "421 4.3.2 going down"},
            "close": {"then": "close"}, "reset": {"then": "reset"}, "silence": {"then": "silence"}}[what]
    text = HOSTS.replace("other.test\n", "other.test\n    keywords: [STARTTLS, AUTH PLAIN]\n    users: 'u:p'\n")
    world = start(text + rule(at=at, host="other.test", **keys))
    try:
        client = Client(world, "127.0.10.9", timeout=0.3 if what == "silence" else 5)
    except ConnectionResetError:  # so soon that connect() itself tells of it
        assert (what, at) == ("reset", "connect")
        return
    with client:
        for command in commands:
            client.reply()
            client.send(command + "\r\n")
        if what == "reply":
            assert client.reply() == "451 4.3.0 not now"
        elif what == "421":
            assert client.rest() == b"421 4.3.2 going down\r\n"
        elif what == "close":
            assert client.rest() == b""
        elif what == "reset":
            assert client.rest() == b"RESET"
        else:
            with pytest.raises(socket.timeout):
                client.reply()
    world.stop()
    assert world.ledger() == []


def test_reply_and_then(start):
    world = start(HOSTS + rule(at="mail", reply="450 4.0.0 bye", then="close"))
    with Client(world) as client:
        client.hello()
        client.send("MAIL FROM:<a@b>\r\n")
        assert client.rest() == b"450 4.0.0 bye\r\n"


def test_many_lines_and_raw_bytes(start):
    world = start(HOSTS + rule(at="noop", reply="['250 one', '250 two', '250 three']") +
                  rule(at="rset", raw='"250-a\\n250 b\\r\\n"') + rule(at="vrfy", raw_hex="323530ff000d0a"))
    with Client(world) as client:
        client.hello()
        assert client.ask("NOOP") == "250-one\n250-two\n250 three"
        assert client.ask("RSET") == "250-a\n250 b"
        client.send("VRFY x\r\n")
        time.sleep(0.1)
        assert client.socket.recv(100) == b"250\xff\0\r\n"


def test_raw_354_with_a_bare_lf_opens_the_message(start):
    world = start(HOSTS + rule(at="data", raw='"354 go\\n"'))
    with Client(world) as client:
        client.hello()
        assert client.deliver().startswith("250")
    assert len(world.ledger()) == 1


def test_conditions_select(start):
    world = start(HOSTS +
                  rule(at="rcpt", host="mx2.*", reply="450 1.1.1 host") +
                  rule(at="rcpt", domain="d[1-9].test", recipient="r*@*", reply="450 1.1.2 recipient") +
                  rule(at="rcpt", domain="D10.test", reply="450 1.1.3 domain") +
                  rule(at="rcpt", sender="bad@*", reply="450 1.1.4 sender") +
                  rule(at="rcpt", source="127.0.6.[1-3]", reply="450 1.1.5 source") +
                  rule(at="rcpt", ehlo="evil*", reply="450 1.1.6 ehlo") +
                  rule(at="rcpt", recipients="2+", reply="450 1.1.7 recipients"))

    def last(address="127.0.10.1", source="127.0.5.1", ehlo="c", sender="a@b", *recipients):
        with Client(world, address, source) as client:
            client.reply()
            client.ask(f"EHLO {ehlo}")
            client.ask(f"MAIL FROM:<{sender}>")
            return [client.ask(f"RCPT TO:<{r}>").split()[-1] for r in recipients or ["x@d1.test"]]

    assert last() == ["ok"]
    assert last("127.0.10.2") == ["host"]
    assert last("127.0.10.1", "127.0.5.1", "c", "a@b", "rr@d5.test") == ["recipient"]
    assert last("127.0.10.1", "127.0.5.1", "c", "a@b", "x@d10.TEST") == ["domain"]
    assert last(sender="bad@from.test") == ["sender"]
    assert last(source="127.0.6.3") == ["source"]
    assert last(source="127.0.6.4") == ["ok"]
    assert last(ehlo="evil.test") == ["ehlo"]
    assert last("127.0.10.1", "127.0.5.1", "c", "a@b", "x@d1.test", "y@d1.test") == ["ok", "recipients"]


def test_nth_counts_by_key(start):
    world = start(HOSTS + rule(at="rcpt", recipient="defer*", nth="1-2", per="recipient", reply="450 4.2.1 later") +
                  rule(at="rcpt", recipient="third*", nth="3", reply="550 5.0.0 third"))
    with Client(world) as client:
        client.hello()
        assert codes(client, ["defer1@d", "defer2@d", "defer1@d", "DEFER1@d", "defer2@d", "defer2@d"]) == \
            ["450", "450", "450", "250", "450", "250"]
        assert codes(client, ["third1@d", "third2@d", "third1@d", "third1@d"]) == ["250", "250", "550", "250"]


def test_messages_and_connections(start):
    world = start(HOSTS + rule(at="mail", messages="2+", reply="421 4.7.0 enough") +
                  rule(at="connect", connections="2+", reply="554 5.7.1 busy"))
    with Client(world) as one, Client(world) as two, Client(world, source="127.0.5.2") as three:
        one.hello()
        assert two.reply().startswith("554") and three.reply().startswith("220")
        assert two.ask("EHLO c").startswith("503")
        assert two.ask("QUIT").startswith("221")
        one.deliver(), one.deliver()
        assert one.deliver().startswith("421")
    assert len(world.ledger()) == 2


def test_share_is_the_seeds(start, tmp_path):
    text = HOSTS + rule(at="rcpt", share="20%", per="recipient", reply="550 5.1.1 unlucky")
    recipients = [f"u{n}@d1.test" for n in range(500)]

    def run(*options):
        world = start(text, *options)
        with Client(world) as client:
            client.hello()
            client.ask("MAIL FROM:<a@b>")
            got = [client.ask(f"RCPT TO:<{r}>")[:3] == "550" for r in recipients[:90]]
            client.ask("RSET")
            client.ask("MAIL FROM:<a@b>")
            again = [client.ask(f"RCPT TO:<{r}>")[:3] == "550" for r in recipients[:90]]
        world.stop()
        assert got == again
        return got

    one, two, other = run("--seed", "1"), run("--seed", "1"), run("--seed", "2")
    assert one == two != other
    assert 6 <= sum(one) <= 34


def test_greylisting_by_source_sender_recipient(start):
    world = start(HOSTS + rule(at="rcpt", greylist="400ms", reply="451 4.7.1 greylisted"))

    def once(source="127.0.5.1", sender="a@b", recipient="x@d1.test"):
        with Client(world, source=source) as client:
            client.hello()
            return codes(client, [recipient], sender)[0]

    assert once() == "451" and once() == "451"
    time.sleep(0.45)
    assert once() == "250"
    assert once(source="127.0.5.2") == "451"
    assert once(sender="c@b") == "451"
    assert once(recipient="y@d1.test") == "451"


def test_delays_add_up_and_scale(start):
    world = start(HOSTS + rule(at="[ehlo, mail]", delay="2s") + rule(at="mail", delay="2s", reply="250 slow"),
                  "--scale", "0.1")
    with Client(world) as client:
        client.reply()
        begin = time.monotonic()
        client.ask("EHLO c")
        assert 0.19 < time.monotonic() - begin < 0.39
        begin = time.monotonic()
        assert client.ask("MAIL FROM:<a@b>") == "250 slow"
        assert 0.39 < time.monotonic() - begin < 0.8


def test_latency_is_once_a_flight(start):
    world = start(HOSTS.replace("127.0.10.9", "127.0.10.9\n    latency: 100ms"))
    with Client(world, "127.0.10.9") as client:
        begin = time.monotonic()
        client.hello()
        client.send("MAIL FROM:<a@b>\r\nRCPT TO:<x@d1.test>\r\nDATA\r\n")
        for _ in range(3):
            client.reply()
        assert 0.29 < time.monotonic() - begin < 0.5
        client.send("x: y\r\n\r\n.\r\n")
        client.reply()
        assert 0.39 < time.monotonic() - begin < 0.7


def test_bytewise(start):
    world = start(HOSTS + rule(at="ehlo", split=1, pause="2ms") + rule(at="noop", split=3))
    with Client(world) as client:
        client.reply()
        client.send("EHLO c\r\n")
        pieces = []
        while not b"".join(pieces).endswith(b"DSN\r\n"):
            pieces.append(client.socket.recv(1000))
        assert len(pieces) > 50 and b"".join(pieces).startswith(b"250-mx1.post.test\r\n250-PIPELINING\r\n")
        assert client.ask("NOOP").startswith("250 2.0.0")
        assert client.ask("RSET").startswith("250 2.0.0")


@pytest.mark.parametrize("then, end", [("reset", b"RESET"), ("close", b"")])
@pytest.mark.parametrize("n", [0, 1, 7, 40])
def test_cut_after_sent_bytes(start, n, then, end):
    world = start(HOSTS + rule(at="ehlo", cut_sent=n or '"0-1"', then=then))
    with Client(world) as client:
        client.reply()
        client.send("EHLO c\r\n")
        got = client.rest()
        whole = b"250-mx1.post.test\r\n250-PIPELINING\r\n250-SIZE"
        if then == "close":
            assert got == whole[:n]
        else:
            assert got.endswith(end) and whole.startswith(got.removesuffix(end)) and len(got) - len(end) <= n


@pytest.mark.parametrize("offset, lines", [(-1, 0), (0, 1)])
def test_cut_after_received_bytes(start, offset, lines):
    body = b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n.\r\n"
    world = start(HOSTS + rule(at="data", cut_received=len(body) + offset, then="reset"))
    with Client(world) as client:
        client.hello()
        for command in ("MAIL FROM:<a@b>", "RCPT TO:<x@d1.test>", "DATA"):
            client.ask(command)
        client.send(body)
        assert client.rest().endswith(b"RESET")
    assert len(world.ledger()) == lines


@pytest.mark.parametrize("then", ["reset", "close", "silence"])
def test_accepted_but_never_said(start, then):
    world = start(HOSTS + rule(at="dot", recipient="lost*", then=then, accept="true"))
    with Client(world, timeout=0.5) as client:
        client.hello()
        try:
            client.deliver("lost@d1.test")
            raise AssertionError("a reply came")
        except (EOFError, ConnectionResetError, socket.timeout):
            pass
    assert [line["recipient"] for line in world.ledger()] == ["lost@d1.test"]


def test_a_dot_that_is_refused_is_not_in_the_ledger(start):
    world = start(HOSTS + rule(at="dot", nth=1, reply="550 5.7.1 spam"))
    with Client(world) as client:
        client.hello()
        assert client.deliver().startswith("550")
        assert client.deliver().startswith("250")
    assert len(world.ledger()) == 1


def test_stall_stops_reading(start):
    world = start(HOSTS + rule(at="data", reply="354 go", then="stall"))
    with Client(world, timeout=0.5) as client:
        client.hello()
        for command in ("MAIL FROM:<a@b>", "RCPT TO:<x@d1.test>", "DATA"):
            client.ask(command)
        with pytest.raises(socket.timeout):
            for _ in range(1000):
                client.send(b"x" * 65536)


def test_silence_goes_on_reading(start):
    world = start(HOSTS + rule(at="data", reply="354 go", then="silence"))
    with Client(world, timeout=3) as client:
        client.hello()
        for command in ("MAIL FROM:<a@b>", "RCPT TO:<x@d1.test>", "DATA"):
            client.ask(command)
        for _ in range(300):
            client.send(b"x" * 65536)


def test_a_silent_client_is_dropped(start):
    world = start(HOSTS.replace("127.0.10.9", "127.0.10.9\n    timeout: 200ms"))
    with Client(world, "127.0.10.9") as client:
        client.reply()
        assert client.rest() == b""
    assert len(world.events("timeout")) == 1


def script(*steps):
    return "  - at: connect\n    script:\n" + "".join(f"      - {step}\n" for step in steps)


def test_a_script(start):
    world = start(HOSTS + script('send: "220 hi\\r\\n"', "expect: EHLO", 'send: "250-x\\r\\n250 y\\r\\n"', "wait: 100ms",
                                 'send_hex: 3235300d0a', "skip: 5", 'send: "skipped\\r\\n"', "message: true",
                                 'send: "250 done\\r\\n"', "end: close"))
    with Client(world) as client:
        assert client.reply() == "220 hi"
        client.send("NOISE\r\nEHLO c\r\n")
        assert client.reply() == "250-x\n250 y"
        begin = time.monotonic()
        assert client.reply() == "250"
        assert time.monotonic() - begin > 0.05
        client.send("1234")
        client.send("5a: b\r\n\r\n..\r\n")
        assert client.reply() == "skipped"
        client.send("x\r\n.\r\n")
        assert client.reply() == "250 done"
        assert client.rest() == b""
    assert world.ledger() == []


def test_a_script_may_reset_or_go_silent(start):
    world = start(HOSTS + script('send: "220 hi\\r\\n"', "expect: QUIT", "end: reset"))
    with Client(world) as client:
        client.reply()
        client.send("QUIT\r\n")
        assert client.rest() == b"RESET"


def test_an_endless_reply_needs_no_memory(start):
    ballast = bytearray(b"x") * 300_000_000  # what the starter holds is not the world's
    world = start(HOSTS + script('send: "220 hi\\r\\n"', 'expect: ""', 'send: "250-more and more of the same\\r\\n"\n'
                                 "        times: 1000000000", "end: close"))
    with Client(world) as client:
        client.reply()
        client.send("EHLO c\r\n")
        got = 0
        while got < 30_000_000:
            got += len(client.socket.recv(1 << 20))
    stats = world.stop()
    assert 1000 < stats["max_rss_kb"] < 120_000 < len(ballast) / 1024
