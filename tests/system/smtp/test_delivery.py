"""Messages over real sockets: bytes, reuse, addresses, sizes, logins."""

import pytest

HOST = """
hosts:
  - host: mx.post.test
    address: 127.0.60.1
"""
MX = {"mx.post.test": "127.0.60.1"}


def host(**keys):
    return HOST + "".join(f"    {key}: {value}\n" for key, value in keys.items())


def with_rules(*rules):
    return HOST + "rules:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)


def body(size):
    """As smtp-send makes it: every fifth line begins with a dot."""
    text = bytearray(size)
    for i in range(size):
        column = i % 72
        text[i] = {70: 13, 71: 10}.get(column, ord("x"))
        if column == 0 and i // 72 % 5 == 0:
            text[i] = ord(".")
    text[-2:] = b"\r\n"
    if text[-3] == 13:
        text[-3] = ord("x")
    return bytes(text)


@pytest.mark.parametrize("keywords", ["[PIPELINING, SIZE, 8BITMIME]", "[8BITMIME]"])
def test_smtp_B6_one_connection_serves_many(start, send, check, keywords):
    world = start(host(keywords=keywords))
    sent = send(world, MX, "--count", 50)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 50
    assert len({line["session"] for line in world.ledger()}) == 1


@pytest.mark.parametrize("size", [3, 72, 1000, 32768, 70000, 3000000])
def test_smtp_B3_every_byte_arrives(start, send, check, tmp_path, size):
    world = start(HOST, "--mailboxes", str(tmp_path / "mail"))
    sent = send(world, MX, "--count", 2, "--size", size)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 2
    for path in (tmp_path / "mail").glob("*/*/*.eml"):
        head, _, text = path.read_bytes().partition(b"\r\n\r\n")
        assert head.startswith(b"From: <a@sender.test>\r\n")
        assert text == body(size)


def test_smtp_B3_gate_stays_shut(start, send, check):
    world = start(HOST)
    sent = send(world, MX, "--count", 3, "--hold")
    check(world, sent)
    assert [line["failure"] for line in sent.outcomes] == ["gate_closed"] * 3
    assert world.ledger() == []


def test_smtp_M2_size_limit(start, send):
    world = start(host(keywords='["SIZE 2000", PIPELINING]'))
    assert send(world, MX, "--size", 3000).only["failure"] == "too_large"
    assert send(world, MX, "--size", 1000).only["action"] == "deliver"
    assert [e["text"] for e in world.events("command") if e["text"].startswith("MAIL")][0].endswith("SIZE=1119")


def test_smtp_M4_utf8(start, send, check):
    world = start(host(keywords="[SMTPUTF8, 8BITMIME]"))
    sent = send(world, MX, "--to", "δοκιμή@r.test", "--utf8")
    check(world, sent)
    (line,) = world.ledger()
    assert line["smtputf8"] and line["recipient"] == "δοκιμή@r.test"


def test_smtp_M4_utf8_not_offered(start, send):
    world = start(host(keywords="[8BITMIME]"))
    assert send(world, MX, "--to", "δοκιμή@r.test", "--utf8").only["failure"] == "no_smtputf8"


def test_smtp_M6_each_recipient_its_own_fate(start, send, check):
    world = start(with_rules('at: rcpt, recipient: "b[1-3]@*", reply: 550 5.1.1 no such user',
                             'at: rcpt, recipient: "b[5-6]@*", reply: 450 4.2.1 later',
                             'at: dot, recipient: "b8@*", reply: 554 5.7.1 spam',
                             'at: mail, nth: 10, reply: 451 4.3.0 busy'))
    sent = send(world, MX, "--count", 10)
    check(world, sent)
    by_number = {line["message"]: line["action"] for line in sent.outcomes}
    assert {n: by_number[n] for n in (1, 2, 3)} == {n: "bounce" for n in (1, 2, 3)}
    assert {by_number[5], by_number[6]} == {"retry"} and by_number[8] == "bounce"
    assert list(by_number.values()).count("deliver") == 3
    assert len({line["session"] for line in sent.outcomes}) == 1


def test_smtp_R6_messages_a_connection(start, send, check):
    world = start(host(messages_per_connection=7))
    sent = send(world, MX, "--count", 30)
    check(world, sent)
    refused = [line for line in sent.outcomes if line["action"] != "deliver"]
    assert {(line["phase"], line["code"]) for line in refused} <= {("mail", 421)} and len(refused) <= 4


def test_smtp_R6_our_own_limit(start, send, check):
    world = start(HOST)
    sent = send(world, MX, "--count", 30, "--messages", 10)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 30
    assert len({line["session"] for line in world.ledger()}) == 3


def test_smtp_R7_idle_connection_closed(start, send, check):
    """The server hangs up at MAIL on a connection that was idle: nothing is held against the message."""
    world = start(with_rules('at: mail, nth: 6, then: close', 'at: mail, nth: 12, then: reset'))
    sent = send(world, MX, "--count", 20)
    check(world, sent)
    assert sent.actions().count("deliver") == 20
    again = [line for line in sent.outcomes if line["action"] == "again"]
    assert [line["phase"] for line in again] == ["idle", "idle"]


def test_smtp_R7_closed_while_idle(start, send, check):
    world = start(host(timeout="100ms"))
    sent = send(world, MX, "--count", 10, "--idle", 0.5)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 10
    assert len({line["session"] for line in world.ledger()}) == 2


def test_many_connections(start, send, check):
    world = start(HOST)
    sent = send(world, MX, "--count", 3000, "--connections", 60, "--tls", "opportunistic")
    check(world, sent)
    assert sent.actions() == ["deliver"] * 3000
    assert len({line["session"] for line in world.ledger()}) == 60


@pytest.mark.parametrize("mechanisms", ["AUTH PLAIN LOGIN", "AUTH LOGIN"])
def test_smtp_T17_login(start, send, check, mechanisms):
    world = start(host(keywords=f'[STARTTLS, "{mechanisms}"]', users='"bob:secret"', auth_required="true"))
    clear = send(world, MX, "--tls", "none", "--user", "bob", "--password", "secret")
    assert clear.only["failure"] == "auth_missing"
    assert not any(e["text"].startswith("AUTH") for e in world.events("command"))
    good = send(world, MX, "--tls", "required", "--user", "bob", "--password", "secret")
    check(world, good)
    assert good.only["action"] == "deliver" and world.ledger()[0]["auth"] == "bob"
    bad = send(world, MX, "--tls", "required", "--user", "bob", "--password", "wrong")
    assert bad.only["phase"] == "auth" and bad.only["code"] == 535


@pytest.mark.parametrize("name, said", [
    ("mx1.client.test", "mx1.client.test"), ("short", "[127.0.5.9]"), ("", "[127.0.5.9]"), ("mx_1.test", "[127.0.5.9]")])
def test_smtp_S5_who_has_no_full_name_says_its_address(start, send, check, name, said):
    world = start(HOST)
    sent = send(world, MX, "--ehlo", name, "--local", "127.0.5.9")
    check(world, sent)
    assert [e["text"] for e in world.events("command")][0] == f"EHLO {said}"
    assert world.ledger()[0]["ehlo"] == said
