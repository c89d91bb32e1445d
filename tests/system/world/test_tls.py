"""STARTTLS with the world's own authority, and every way it can go wrong."""

import smtplib
import socket
import ssl

import pytest
from worldlib import Client



def config(**keys):
    lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return ("tls:\n  directory: .\nhosts:\n  - host: localhost.test\n    address: 127.0.10.1\n"
            "    keywords: [PIPELINING, STARTTLS]\n" + lines)


def context(world, check=True):
    ctx = ssl.create_default_context(cafile=str(world.directory / "ca.pem"))
    if not check:
        ctx.check_hostname = False
        ctx.verify_mode = ssl.CERT_NONE
        ctx.set_ciphers("ALL:@SECLEVEL=0")
        ctx.minimum_version = ssl.TLSVersion.TLSv1
    return ctx


def wrap(world, ctx, name="localhost.test"):
    client = Client(world)
    assert "STARTTLS" in client.hello()
    assert client.ask("STARTTLS").startswith("220")
    client.socket = ctx.wrap_socket(client.socket, server_hostname=name)
    return client


def test_a_verified_delivery(start):
    world = start(config(tls="valid", tls_required="true"))
    with Client(world) as client:
        client.hello()
        assert client.ask("MAIL FROM:<a@b>").startswith("530")
    with wrap(world, context(world)) as client:
        assert "STARTTLS" not in client.ask("EHLO again.test")
        assert client.ask("STARTTLS").startswith("503")
        assert client.deliver(body=b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n").startswith("250")
        assert client.ask("QUIT").startswith("221")
    (line,) = world.ledger()
    assert line["tls"]["version"] == "TLSv1.3" and line["tls"]["sni"] == "localhost.test"
    assert line["tls"]["cipher"].startswith("TLS_") and line["ehlo"] == "again.test"


def test_a_python_client(start):
    world = start(config())
    with smtplib.SMTP("127.0.10.1", world.smtp_port) as smtp:
        smtp._host = "localhost.test"
        smtp.starttls(context=context(world))
        smtp.sendmail("a@b.test", ["x@d1.test"], b"Subject: big\r\n\r\n" + (b"z" * 70 + b"\r\n") * 20000)
    (line,) = world.ledger()
    assert line["size"] == 16 + 72 * 20000 and line["tls"]["version"] == "TLSv1.3"


@pytest.mark.parametrize("mode, reason", [
    ("self-signed", "self-signed certificate|self signed certificate"),
    ("expired", "has expired"),
    ("wrong-name", "Hostname mismatch"),
])
def test_a_certificate_that_is_wrong(start, mode, reason):
    world = start(config(tls=mode))
    with pytest.raises(ssl.SSLCertVerificationError, match=reason):
        wrap(world, context(world))
    with wrap(world, context(world, check=False)) as client:
        client.ask("EHLO c.test")
        assert client.deliver().startswith("250")


@pytest.mark.parametrize("mode", ["garbage", "close"])
def test_a_handshake_that_fails(start, mode):
    world = start(config(tls=mode))
    with pytest.raises((ssl.SSLError, OSError)) as caught:
        wrap(world, context(world, check=False))
    if mode == "garbage":
        assert "WRONG_VERSION_NUMBER" in str(caught.value)
    world.stop()
    assert world.ledger() == []


@pytest.mark.parametrize("keys, version", [
    ({"tls_max": "1.2"}, "TLSv1.2"),
    ({"tls_min": "1.3"}, "TLSv1.3"),
    ({"tls_min": "1.0", "tls_max": "1.0"}, "TLSv1"),
    ({"tls_min": "1.1", "tls_max": "1.1"}, "TLSv1.1"),
])
def test_versions(start, keys, version):
    world = start(config(**{k: f'"{v}"' for k, v in keys.items()}))
    with wrap(world, context(world, check=False)) as client:
        assert client.socket.version() == version
        client.ask("EHLO c.test")
        client.deliver()
    assert world.ledger()[0]["tls"]["version"] == version


def test_a_version_that_is_too_old(start):
    world = start(config(tls_max='"1.1"', tls_min='"1.0"'))
    ctx = context(world, check=False)
    ctx.minimum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        wrap(world, ctx)


def test_what_is_pipelined_behind_starttls_is_forgotten(start):
    world = start(config())
    client = Client(world)
    client.hello()
    client.send("STARTTLS\r\nEHLO evil.test\r\nMAIL FROM:<evil@x>\r\n")
    assert client.reply().startswith("220")
    client.socket = context(world, check=False).wrap_socket(client.socket)
    assert client.ask("RCPT TO:<x@d1.test>").startswith("503")
    client.ask("EHLO good.test")
    assert client.deliver().startswith("250")
    (line,) = world.ledger()
    assert line["ehlo"] == "good.test" and "not_last" in line["violations"]


def test_a_client_that_talks_no_tls(start):
    world = start(config())
    with Client(world) as client:
        client.hello()
        client.ask("STARTTLS")
        client.send("EHLO plain.test\r\n")
        client.rest()
    world.stop()
    assert len(world.events("tls_failed")) == 1


def test_slow_handshake_bytes(start):
    world = start(config(latency="50ms"))
    with wrap(world, context(world)) as client:
        assert client.ask("EHLO c.test").startswith("250")
    assert isinstance(client.socket, socket.socket)
