"""The proper server: dialogue, strictness, the ledger, mailboxes, AUTH."""

import base64
import hashlib
import smtplib

import pytest
from worldlib import Client

HOST = """
hosts:
  - host: mx1.post.test
    address: 127.0.10.1
"""
JOB = "01890000-0000-7000-8000-00000000000a"


@pytest.fixture
def world(start):
    return start(HOST)


def test_a_python_client_delivers(world):
    with smtplib.SMTP("127.0.10.1", world.smtp_port, source_address=("127.0.5.9", 0)) as smtp:
        smtp.sendmail("s@from.test", ["x@d1.test", "y@d2.test"], f"Message-ID: <{JOB}@from.test>\r\n\r\nhi\r\n.dot\r\n")
    one, two = world.ledger()
    assert (one["recipient"], two["recipient"]) == ("x@d1.test", "y@d2.test")
    assert (one["domain"], two["domain"]) == ("d1.test", "d2.test")
    assert one["job"] == JOB
    assert one["message_id"] == f"<{JOB}@from.test>"
    assert one["source"] == "127.0.5.9" and one["local"] == "127.0.10.1" and one["mx"] == "mx1.post.test"
    assert one["mail_from"] == "s@from.test" and one["tls"] is None and one["smtputf8"] is False
    message = f"Message-ID: <{JOB}@from.test>\r\n\r\nhi\r\n.dot\r\n".encode()
    assert one["sha256"] == hashlib.sha256(message).hexdigest()
    assert one["size"] == len(message)
    assert one["violations"] == []


def test_the_line_is_there_before_the_250(world):
    with Client(world) as client:
        client.hello()
        for n in range(1, 6):
            assert client.deliver().startswith("250 ")
            assert len(world.ledger()) == n


@pytest.mark.parametrize("header, sender, job", [
    (f"X-Penguin-Job: {JOB}\r\nMessage-ID: <other@x>\r\n", "s@from.test", JOB),
    (f"Subject: x\r\nmessage-id:  <{JOB}@x>\r\n", "s@from.test", JOB),
    ("Message-ID: <other@x>\r\n", f"b-{JOB}@from.test", JOB),
    ("Message-ID: <other@x>\r\n", "s@from.test", None),
    (f"Message-ID: <not-{JOB}@x>\r\n", "s@from.test", None),
    (f"Subject: x\r\n\r\nX-Penguin-Job: {JOB}\r\n", "", None),
], ids=["own header", "message-id", "return path", "none", "only as a part", "not in the body"])
def test_the_job(world, header, sender, job):
    with Client(world) as client:
        client.hello()
        client.deliver(sender=sender, body=header.encode() + b"\r\nhi\r\n")
    assert [line["job"] for line in world.ledger()] == [job]


def test_dots_split_anywhere(world):
    body = b"Subject: x\r\n\r\n..\r\n..a\r\n...\r\nend\r\n"
    with Client(world) as client:
        client.hello()
        for command in ("MAIL FROM:<>", "RCPT TO:<x@d1.test>", "DATA"):
            client.ask(command)
        for byte in body + b".\r\n":
            client.send(bytes([byte]))
        assert client.reply().startswith("250 ")
    (line,) = world.ledger()
    assert line["sha256"] == hashlib.sha256(b"Subject: x\r\n\r\n.\r\n.a\r\n..\r\nend\r\n").hexdigest()
    assert line["mail_from"] == ""


def test_an_empty_message(world):
    with Client(world) as client:
        client.hello()
        assert client.deliver(body=b"").startswith("250 ")
    assert world.ledger()[0]["size"] == 0


@pytest.mark.parametrize("commands, code", [
    (["MAIL FROM:<a@b>"], "503"),
    (["EHLO c", "RCPT TO:<a@b>"], "503"),
    (["EHLO c", "DATA"], "503"),
    (["EHLO c", "MAIL FROM:<a@b>", "MAIL FROM:<a@b>"], "503"),
    (["EHLO c", "MAIL FROM:<a@b>", "DATA"], "503"),
    (["EHLO c", "MAIL FROM: <a@b>"], "501"),
    (["EHLO c", "MAIL FROM:a@b"], "501"),
    (["EHLO c", "MAIL FROM:<a@b> FOO=1"], "555"),
    (["EHLO c", "MAIL FROM:<a@b> SIZE=99999999"], "552"),
    (["EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<>"], "501"),
    (["EHLO c", "MAIL FROM:<a@b>", "RCPT TO:<a@b> SIZE=1"], "555"),
    (["EHLO"], "501"),
    (["EHLO c", "STARTTLS"], "502"),
    (["EHLO c", "AUTH PLAIN AGEAYg=="], "502"),
    (["EHLO c", "WHAT"], "500"),
    (["EHLO c", "VRFY a"], "252"),
    (["EHLO c", "NOOP"], "250"),
    (["HELO c", "MAIL FROM:<a@b>", "RSET", "DATA"], "503"),
])
def test_order_and_syntax(world, commands, code):
    with Client(world) as client:
        client.reply()
        for command in commands:
            reply = client.ask(command)
        assert reply.startswith(code)
    assert world.ledger() == []


def violations(world):
    (line,) = world.ledger()
    return set(line["violations"])


@pytest.mark.parametrize("body, expected", [
    (b"a: b\r\n\r\nx\r\n", set()),
    (b"a: b\n\r\nx\r\n", {"bare_lf"}),
    (b"a: b\r\n\r\nx\ry\r\n", {"bare_cr"}),
    (b"a: b\r\n\r\n\r\r\n", {"bare_cr"}),
    (b"a: b\r\n\r\nx\0\r\n", {"nul"}),
    (b"a: b\r\n\r\n\xc3\xa9\r\n", {"8bit"}),
    (b"a: b\r\n\r\n" + b"x" * 998 + b"\r\n", set()),
    (b"a: b\r\n\r\n" + b"x" * 999 + b"\r\n", {"text_long"}),
    (b"a: b\r\n\r\nx\n.\nQUIT\r\n", {"bare_lf"}),
])
def test_violations_of_the_message(world, body, expected):
    with Client(world) as client:
        client.hello()
        assert client.deliver(body=body).startswith("250 ")
    assert violations(world) == expected


def test_eight_bits_that_were_announced(world):
    with Client(world) as client:
        client.hello()
        client.ask("MAIL FROM:<a@b> BODY=8BITMIME SMTPUTF8")
        client.ask("RCPT TO:<x@d1.test>")
        client.ask("DATA")
        client.send("Subject: é\r\n\r\né\r\n.\r\n")
        client.reply()
    assert violations(world) == set()
    assert world.ledger()[0]["smtputf8"] is True


def test_a_message_larger_than_it_said(world):
    with Client(world) as client:
        client.hello()
        client.ask("MAIL FROM:<a@b> SIZE=10")
        client.ask("RCPT TO:<x@d1.test>")
        client.ask("DATA")
        client.send("Subject: longer than ten\r\n\r\n.\r\n")
        client.reply()
    assert violations(world) == {"size"}


def test_talking_before_the_greeting(start):
    world = start(HOST + "    latency: 1500ms\n")
    with Client(world) as client:
        client.send("EHLO early.test\r\n")
        assert client.reply().startswith("220 ")
        assert client.reply().startswith("250")
        client.deliver()
    assert violations(world) == {"early_talk"}


def test_commands_and_their_line_ends(world):
    with Client(world) as client:
        client.hello()
        client.send("NOOP\n")
        client.reply()
        assert client.ask("NOOP " + "x" * 600).startswith("250")
        assert client.ask("BLAH").startswith("500")
        client.deliver()
    assert violations(world) == {"command_line_end", "command_long", "unknown_command"}


def test_pipelining_is_taken_where_offered(world):
    with Client(world) as client:
        client.hello()
        client.send("MAIL FROM:<a@b>\r\nRCPT TO:<x@d1.test>\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
        client.send("x: y\r\n\r\n.\r\nMAIL FROM:<a@b>\r\nRCPT TO:<y@d1.test>\r\nDATA\r\n")
        assert [client.reply()[:3] for _ in range(4)] == ["250", "250", "250", "354"]
        client.send("x: y\r\n\r\n.\r\n")
        client.reply()
    assert [line["violations"] for line in world.ledger()] == [[], []]


def test_pipelining_is_noted_where_not_offered(start):
    world = start(HOST + "    keywords: [8BITMIME]\n")
    with Client(world) as client:
        assert "PIPELINING" not in client.hello()
        client.send("MAIL FROM:<a@b>\r\nRCPT TO:<x@d1.test>\r\n")
        client.reply(), client.reply()
        client.ask("DATA")
        client.send("x: y\r\n\r\n.\r\n")
        client.reply()
    assert violations(world) == {"pipelining"}


def test_the_body_may_not_be_sent_with_data(world):
    with Client(world) as client:
        client.hello()
        client.ask("MAIL FROM:<a@b>")
        client.ask("RCPT TO:<x@d1.test>")
        client.send("DATA\r\nx: y\r\n\r\n.\r\n")
        assert client.reply().startswith("354")
        assert client.reply().startswith("250")
    assert violations(world) == {"not_last"}


def test_keywords_are_configured(start):
    world = start(HOST + "    keywords: [PIPELINING, SIZE 1000, DSN]\n")
    with Client(world) as client:
        assert client.hello() == "250-mx1.post.test\n250-PIPELINING\n250-SIZE 1000\n250 DSN"
        assert client.ask("MAIL FROM:<a@b> SIZE=1001").startswith("552")
        assert client.ask("MAIL FROM:<a@b> BODY=8BITMIME").startswith("555")
        assert client.ask("MAIL FROM:<a@b> RET=HDRS ENVID=1").startswith("250")
        assert client.ask("RCPT TO:<x@d1.test> NOTIFY=NEVER").startswith("250")
        client.ask("DATA")
        client.send(b"x" * 990 + b"\r\n" + b"y" * 50 + b"\r\n.\r\n")
        assert client.reply().startswith("552")
    assert world.ledger() == []


@pytest.mark.parametrize("parameters", [
    "ENVID=a+2Bb RET=FULL", "RET=hdrs", "NOTIFY=NEVER", "NOTIFY=FAILURE,delay ORCPT=rfc822;a+2Bb@x"])
def test_dsn_parameters(start, parameters):
    world = start(HOST)
    with Client(world) as client:
        client.hello()
        mail = "" if "NOTIFY" in parameters else " " + parameters
        rcpt = " " + parameters if "NOTIFY" in parameters else ""
        assert client.ask(f"MAIL FROM:<a@b>{mail}").startswith("250")
        assert client.ask(f"RCPT TO:<x@d1.test>{rcpt}").startswith("250")


@pytest.mark.parametrize("parameters", [
    "ENVID=a=b", "ENVID=a+2b", "ENVID=", "ENVID=" + "x" * 101, "RET=HEADERS", "NOTIFY=NEVER,FAILURE", "NOTIFY=",
    "NOTIFY=FAILURE,", "ORCPT=rfc822;a+b@x", "ORCPT=rfc822;a=b@x", "ORCPT=a@x", "ORCPT=rfc822;"])
def test_dsn_parameters_out_of_form(start, parameters):
    world = start(HOST)
    with Client(world) as client:
        client.hello()
        mail, rcpt = (f" {parameters}", "") if parameters[0] in "ER" else ("", f" {parameters}")
        answers = [client.ask(f"MAIL FROM:<a@b>{mail}"), client.ask(f"RCPT TO:<x@d1.test>{rcpt}")]
        assert any(answer.startswith("555") for answer in answers)


def test_limits_of_a_host(start):
    world = start(HOST + "    messages_per_connection: 2\n    connections: 2\n    recipients: 1\n")
    with Client(world) as one, Client(world) as two, Client(world) as three, Client(world, source="127.0.5.2") as other:
        assert three.reply().startswith("421 4.7.0") and three.rest() == b""
        assert other.reply().startswith("220")
        one.hello(), two.hello()
        assert one.deliver().startswith("250") and one.deliver().startswith("250")
        assert one.ask("MAIL FROM:<a@b>").startswith("421") and one.rest() == b""
        two.ask("MAIL FROM:<a@b>")
        assert two.ask("RCPT TO:<x@d1.test>").startswith("250")
        assert two.ask("RCPT TO:<y@d1.test>").startswith("452")


def test_mailboxes(start, tmp_path):
    world = start(HOST, "--mailboxes", str(tmp_path / "mail"))
    with Client(world) as client:
        client.hello()
        client.deliver("x@d1.test", body=b"one: 1\r\n\r\n..\r\n")
        client.deliver("x@d1.test", body=b"two: 2\r\n\r\n")
        client.deliver("../../etc@d1.test/..", body=b"evil: 1\r\n\r\n")
    place = tmp_path / "mail" / "d1.test" / "x@d1.test"
    assert (place / "1.eml").read_bytes() == b"one: 1\r\n\r\n.\r\n"
    assert (place / "2.eml").read_bytes() == b"two: 2\r\n\r\n"
    found = sorted(p.relative_to(tmp_path / "mail") for p in (tmp_path / "mail").rglob("*.eml"))
    assert len(found) == 3 and all(len(p.parts) == 3 for p in found)


AUTH = HOST + """    keywords: [AUTH PLAIN LOGIN]
    users: ["relay:pass:word", "other:x"]
    auth_required: true
"""


def b64(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("dialogue, last", [
    ([f"AUTH PLAIN {b64(chr(0) + 'relay' + chr(0) + 'pass:word')}"], "235"),
    (["AUTH PLAIN", b64("\0relay\0pass:word")], "235"),
    (["AUTH LOGIN", b64("relay"), b64("pass:word")], "235"),
    ([f"AUTH LOGIN {b64('relay')}", b64("pass:word")], "235"),
    ([f"AUTH PLAIN {b64(chr(0) + 'relay' + chr(0) + 'wrong')}"], "535"),
    (["AUTH LOGIN", b64("nobody"), b64("x")], "535"),
    (["AUTH PLAIN ****"], "501"),
    (["AUTH PLAIN", "*"], "501"),
    ([f"AUTH PLAIN {b64('no nul')}"], "501"),
    (["AUTH CRAM-MD5"], "504"),
])
def test_auth(start, dialogue, last):
    world = start(AUTH)
    with Client(world) as client:
        client.hello()
        assert client.ask("MAIL FROM:<a@b>").startswith("530")
        for line in dialogue:
            reply = client.ask(line)
        assert reply.startswith(last)
        done = client.deliver()
        assert done.startswith("250" if last == "235" else "530")
    assert [line["auth"] for line in world.ledger()] == (["relay"] if last == "235" else [])


def test_events_tell_of_connections(world):
    with Client(world) as client:
        client.hello()
        client.ask("QUIT")
        assert client.rest() == b""
    with Client(world) as client:
        client.reply()
    world.stop()
    kinds = [(e["session"], e["event"]) for e in world.events() if e["event"] != "dns"]
    assert kinds[0] == (1, "connect")
    assert (1, "close") in kinds and (1, "end") in kinds and (2, "lost") in kinds
    assert [e["text"] for e in world.events("command")] == ["EHLO client.test", "QUIT"]
    assert [e["text"] for e in world.events("violation")] == ["lost"]


def test_stats(world):
    with Client(world) as client:
        client.hello()
        client.deliver()
        client.deliver()
    stats = world.stop()
    assert stats["messages"] == 2 and stats["connections"] == 1 and stats["cpu_us_per_message"] > 0


def test_a_line_without_end(world):
    with Client(world) as client:
        client.hello()
        client.send(b"x" * 100_000)
        assert client.rest().startswith(b"500 5.5.2")
    with Client(world) as client:
        client.hello()
        client.send("NOO")
        client.send("P\r\n" + "NOOP\r\n" * 20000)
        assert [client.reply()[:3] for _ in range(20001)] == ["250"] * 20001
