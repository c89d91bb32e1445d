"""A large message to a receiver that reads slowly: minutes pass between the durable intent and the last octet of
the body, and the gate's word is the one of the moment in which the dot would leave."""
import socket
import threading

import pytest
from mtalib import merged, wait_for

pytestmark = pytest.mark.alone

LARGE = {"from": "ann@news.shop.test", "subject": "x", "text": "y" * 75 * 40000}  # more than all buffers hold
SUPPRESS = "INSERT INTO penguin.suppressions (tenant_id, address, stream, reason) VALUES (%s, %s, '*', 'unsubscribe')"
DEAD = "UPDATE penguin.workers SET state = 'dead' WHERE state = 'live'"


class Slow:
    """Says yes to everything, and after 354 reads nothing until it is told to."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.listener.bind(("127.0.73.2", 0))
        self.listener.listen()
        self.where = f"127.0.73.2:{self.listener.getsockname()[1]}"
        self.begun, self.go_on, self.over = threading.Event(), threading.Event(), threading.Event()
        self.body = b""
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with self.listener.accept()[0] as client:
            client.sendall(b"220 slow\r\n")
            while line := self.line(client):
                if line.startswith(b"DATA"):
                    client.sendall(b"354 go\r\n")
                    self.begun.set()
                    self.go_on.wait(60)
                    self.take(client)
                else:
                    client.sendall(b"250 ok\r\n")
        self.over.set()

    @staticmethod
    def line(client):
        line = b""
        while not line.endswith(b"\n"):
            octet = client.recv(1)
            if not octet:
                return b""
            line += octet
        return line

    def take(self, client):
        while not self.body.endswith(b"\r\n.\r\n"):
            try:
                part = client.recv(65536)
            except ConnectionError:
                return
            if not part:
                return
            self.body += part
        client.sendall(b"250 taken\r\n")

    @property
    def has_dot(self):
        return self.body.endswith(b"\r\n.\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_on.set()
        self.listener.close()


def begin(s, slow, **change):
    campaign = s.campaign()
    s.enqueue(campaign, ["ann@d1.test"])
    s.start(**merged({"delivery": {"redirect": slow.where}}, change))
    assert slow.begun.wait(60)
    return campaign


def test_a_large_message_is_taken_when_nothing_speaks_against_it(stack):
    with stack(content=LARGE) as s, Slow() as slow:
        campaign = begin(s, slow)
        slow.go_on.set()
        assert s.wait(campaign) == {"delivered": 1}
        assert slow.has_dot and len(slow.body) > len(LARGE["text"])
        s.stop()


def test_fault_F28_suppressed_while_a_slow_receiver_reads(stack):
    """The intent has been durable for long when the recipient opts out."""
    with stack(content=LARGE) as s, Slow() as slow:
        campaign = begin(s, slow)
        s.shop.session.query(SUPPRESS, s.shop.tenant, "ann@d1.test")
        threading.Event().wait(2)  # ten times as long as it takes to hear of it
        slow.go_on.set()
        assert s.wait(campaign) == {"suppressed": 1}
        assert slow.over.wait(60) and slow.body and not slow.has_dot
        s.shop.account(campaign)
        s.stop()


def test_a_campaign_is_cancelled_while_a_slow_receiver_reads(stack):
    with stack(content=LARGE) as s, Slow() as slow:
        campaign = begin(s, slow)
        s.shop.session.run("campaign_cancel", s.shop.tenant, campaign, "enough")
        threading.Event().wait(2)
        slow.go_on.set()
        assert s.wait(campaign) == {"cancelled": 1}
        assert slow.over.wait(60) and slow.body and not slow.has_dot
        s.shop.account(campaign)
        s.stop()


def test_fault_F18_no_dot_behind_the_lease_of_a_body_that_took_long(stack):
    """The worker is declared dead in the middle of the body: others may have its job by the time it is out."""
    with stack(content=LARGE) as s, Slow() as slow:
        campaign = begin(s, slow, lease={"renew": "300ms"})
        s.shop.session.query(DEAD)
        wait_for(lambda: s.mta.poll() is not None or "fenced" in s.log_text())
        slow.go_on.set()
        assert slow.over.wait(60) and slow.body and not slow.has_dot
        assert "delivered" not in s.account(campaign)
        s.kill()
