"""STARTTLS by policy, against servers that do it well, badly or not at all."""

import ssl

import pytest

from tlspeer import STAGES, TlsPeer

MX = {"mx.post.test": "127.0.61.1"}


def host(mode="valid", keywords="[PIPELINING, STARTTLS]", **keys):
    more = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return (f"tls:\n  directory: .\nhosts:\n  - host: mx.post.test\n    address: 127.0.61.1\n"
            f"    tls: {mode}\n    keywords: {keywords}\n{more}")


# What the message does, per server and policy: inside TLS, in clear, or not at all (failure).
MATRIX = {
    "valid": {"none": "clear", "opportunistic": "tls", "required": "tls", "verified": "tls"},
    "self-signed": {"none": "clear", "opportunistic": "tls", "required": "tls", "verified": "tls_unverified"},
    "expired": {"none": "clear", "opportunistic": "tls", "required": "tls", "verified": "tls_unverified"},
    "wrong-name": {"none": "clear", "opportunistic": "tls", "required": "tls", "verified": "tls_unverified"},
    "garbage": {"none": "clear", "opportunistic": "clear", "required": "tls_failed", "verified": "tls_failed"},
    "close": {"none": "clear", "opportunistic": "clear", "required": None, "verified": None},
}


@pytest.mark.parametrize("mode", MATRIX)
@pytest.mark.parametrize("policy", ["none", "opportunistic", "required", "verified"])
def test_smtp_T5_threat_C2_policy(start, send, check, mode, policy):
    world = start(host(mode))
    sent = send(world, MX, "--count", 3, "--tls", policy, "--ca", world.directory / "ca.pem")
    check(world, sent)
    want = MATRIX[mode][policy]
    if want in ("clear", "tls"):
        assert sent.actions() == ["deliver"] * 3
        for line in world.ledger():
            assert (line["tls"] is not None) == (want == "tls")
        assert all(line["verified"] == (mode == "valid" and want == "tls") for line in sent.outcomes)
    else:
        assert world.ledger() == [] and sent.outcomes == []
        assert want in (None, sent.unreachable[0]["failure"])
        assert not any(e["text"].startswith("MAIL") for e in world.events("command"))


def test_smtp_T4_threat_C3_clear_on_a_new_connection(start, send, check):
    """The fallback is another connection, and the host is remembered."""
    world = start(host("garbage"))
    sent = send(world, MX, "--count", 4, "--messages", 2, "--tls", "opportunistic")
    check(world, sent)
    assert sent.actions() == ["deliver"] * 4
    starttls = [e for e in world.events("command") if e["text"] == "STARTTLS"]
    assert len(starttls) == 1
    assert starttls[0]["session"] not in {line["session"] for line in world.ledger()}


def test_smtp_T4_each_of_many_connections_goes_on_in_clear(start, send, check):
    """Handshakes that are under way together all fail: each goes on in clear, although the host is known by then."""
    world = start(host("garbage", latency="100ms"))
    sent = send(world, MX, "--count", 30, "--connections", 5, "--tls", "opportunistic")
    check(world, sent)
    assert sent.actions() == ["deliver"] * 30 and sent.unreachable == []
    assert len([e for e in world.events("command") if e["text"] == "STARTTLS"]) == 5


@pytest.mark.parametrize("policy, outcome", [("opportunistic", "deliver"), ("required", "tls_missing")])
def test_threat_C2_stripped(start, send, check, policy, outcome):
    world = start(host(keywords="[PIPELINING]"))
    sent = send(world, MX, "--tls", policy)
    check(world, sent)
    assert outcome in (sent.only["action"], sent.only["failure"])


@pytest.mark.parametrize("policy, outcome", [("opportunistic", "deliver"), ("required", 454)])
def test_smtp_T3_threat_C2_refused(start, send, check, policy, outcome):
    world = start(host() + "rules:\n  - {at: starttls, reply: 454 4.7.0 not now}\n")
    sent = send(world, MX, "--tls", policy)
    check(world, sent)
    assert outcome in (sent.only["action"], sent.only["code"])
    assert all(line["tls"] is None for line in world.ledger())


INJECTIONS = {
    "one segment": '    raw: "220 go\\r\\n250-EVIL\\r\\n250 SIZE 1\\r\\n"\n',
    "two segments": '    script:\n      - send: "220 go\\r\\n"\n      - wait: 1ms\n'
                    '      - send: "250-EVIL\\r\\n250 SIZE 1\\r\\n"\n',
    "in place of the ServerHello": '    script:\n      - send: "220 go\\r\\n"\n      - skip: 5\n'
                                   '      - send: "250-EVIL\\r\\n250 SIZE 1\\r\\n"\n',
    "a byte at a time": '    raw: "220 go\\r\\n250-EVIL\\r\\n250 SIZE 1\\r\\n"\n    split: 1\n    pause: 1ms\n',
}


@pytest.mark.parametrize("how", INJECTIONS)
@pytest.mark.parametrize("policy", ["opportunistic", "required", "verified"])
def test_smtp_T1_threat_C1_injection(start, send, policy, how):
    """Plain bytes behind the 220 are believed by nobody, and are no reason to go on in clear."""
    world = start(host() + "rules:\n  - at: starttls\n" + INJECTIONS[how])
    sent = send(world, MX, "--tls", policy)
    assert sent.only["failure"] == "starttls_injection"
    assert world.ledger() == [] and len(world.events("connect")) == 1
    assert [e["text"] for e in world.events("command")] == ["EHLO client.test", "STARTTLS"]


@pytest.mark.parametrize("version", ["1.0", "1.2", "1.3"])
def test_smtp_T5_versions(start, send, check, version):
    world = start(host(tls_min=f'"{version}"', tls_max=f'"{version}"'))
    sent = send(world, MX, "--tls", "required")
    check(world, sent)
    assert sent.only["tls"] == ("TLSv1" if version == "1.0" else f"TLSv{version}")


def test_smtp_T6_sni(start, send):
    world = start(host())
    send(world, MX, "--tls", "required")
    assert world.ledger()[0]["tls"]["sni"] == "mx.post.test"


def test_large_body_inside_tls(start, send, check):
    world = start(host())
    sent = send(world, MX, "--tls", "verified", "--ca", world.directory / "ca.pem", "--count", 3, "--size", 2000000)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 3


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("stage", STAGES)
def test_smtp_T8_an_end_without_close_notify(send, tmp_path, stage, version):
    """Behind the 250 to the dot it changes nothing, before it is a lost connection."""
    peer = TlsPeer(tmp_path, "127.0.61.8", version, stage)
    sent = send(peer, {"mx.test": "127.0.61.8"}, "--tls", "required")
    peer.close()
    action = {"dot": "doubt", "answered": "deliver"}.get(stage, "retry")
    assert sent.only["action"] == action
    assert sent.only["failure"] == ("" if stage == "answered" else "connection_lost")
    assert sent.only["phase"] == {"data": "data", "answered": "dot"}.get(stage, stage)
    assert peer.taken == (stage == "answered")


def test_smtp_T4_the_memory_of_a_broken_handshake_is_limited(start, send, check):
    """Two connections, a second apart: half a second later TLS is tried again."""
    world = start(host("garbage"))
    sent = send(world, MX, "--count", 2, "--messages", 1, "--tls", "opportunistic", "--idle", 1, "--remember", 0.5)
    check(world, sent)
    assert sent.actions() == ["deliver"] * 2
    assert len([e for e in world.events("command") if e["text"] == "STARTTLS"]) == 2
    assert len({line["session"] for line in world.ledger()}) == 2


def test_smtp_T6_no_SNI_for_an_address(start, send):
    world = start(host().replace("mx.post.test", "\"127.0.61.1\""))
    send(world, {"127.0.61.1": "127.0.61.1"}, "--tls", "required")
    assert world.ledger()[0]["tls"]["sni"] is None


@pytest.mark.parametrize("mechanisms", ["AUTH PLAIN LOGIN", "AUTH=LOGIN PLAIN"])
@pytest.mark.parametrize("policy", ["none", "opportunistic", "required"])
def test_smtp_T17_an_MX_that_offers_AUTH_gets_none(start, send, check, policy, mechanisms):
    """No configured relay: no credentials, in clear or inside TLS."""
    world = start(host(keywords=f'[STARTTLS, "{mechanisms}"]'))
    sent = send(world, MX, "--tls", policy)
    check(world, sent)
    assert sent.actions() == ["deliver"]
    assert not any(e["text"].startswith("AUTH") for e in world.events("command"))
