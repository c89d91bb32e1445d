"""Servers that read slowly, answer slowly or answer too early; each is a few lines of Python here."""
import contextlib
import socket
import threading
import time

import pytest


class Peer:
    """A server on a free port of 127.0.73.1 whose sockets hold `buffer` bytes, or the little the kernel lets them.

    `serve(peer, connection)` plays it, each connection in a thread of its own; what it raises is
    raised when the peer is closed.
    """

    def __init__(self, serve, buffer=8192):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
        self.listener.bind(("127.0.73.1", 0))
        self.listener.listen(10)
        self.smtp_port = self.listener.getsockname()[1]
        self.serve = serve
        self.bodies = []
        self.threads = []
        self.errors = []
        self.accepting = threading.Thread(target=self.accept)
        self.accepting.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.play, args=(connection,)))
                self.threads[-1].start()

    def play(self, connection):
        with connection:
            connection.settimeout(60)
            try:
                self.serve(self, connection)
            except Exception as error:  # pylint: disable=broad-except
                self.errors.append(error)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.accepting.join()
        for thread in self.threads:
            thread.join()
        if kind is None:
            assert not self.errors, self.errors


def read_line(connection):
    """A byte at a time, so that the window opens a byte at a time."""
    line = b""
    while not line.endswith(b"\r\n"):
        byte = connection.recv(1)
        if not byte:
            return None
        line += byte
    return line[:-2].decode()


def say(connection, text, pause=0.0):
    if not pause:
        connection.sendall(text.encode())
        return
    for character in text:
        connection.sendall(character.encode())
        time.sleep(pause)


def read_until_end(connection):
    """All that comes; a reset is an end too."""
    text = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            text += part
    return text


def read_body(connection, piece=512, pause=0.0005):
    body = b""
    while not body.endswith(b"\r\n.\r\n"):
        part = connection.recv(piece)
        assert part, "the connection ended in the body"
        body += part
        time.sleep(pause)
    return body


def answer(connection, code, text="ok", lines=1, pause=0.0):
    reply = "".join(f"{code}-{text}\r\n" for _ in range(lines - 1)) + f"{code} {text}\r\n"
    say(connection, reply, pause)


def converse(peer, connection, lines=1, pause=0.0, body=read_body):
    """A whole session; with many lines to a reply it is busy writing while the client may be, too."""
    answer(connection, 220, "peer", 1, pause)
    while (line := read_line(connection)) is not None:
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            say(connection, "250-peer\r\n250-PIPELINING\r\n250 SIZE\r\n", pause)
        elif verb == "DATA":
            answer(connection, 354, "go", lines, pause)
            peer.bodies.append(body(connection))
            answer(connection, 250, "taken", lines, pause)
        elif verb == "QUIT":
            answer(connection, 221, "bye")
            return
        else:
            answer(connection, 250, "well " * 60 if lines > 1 else "ok", lines, pause)


@pytest.mark.parametrize("buffer, size", [(1, 3000), (8192, 200000)])
@pytest.mark.parametrize("lines, pause", [(1, 0.0), (1, 0.002), (90, 0.0)])
def test_smtp_B6_no_deadlock_with_a_peer_that_reads_slowly(send, buffer, size, lines, pause):
    """Small windows on both sides, replies byte by byte, or of 27 kB to each of a pipelined group."""
    with Peer(lambda peer, connection: converse(peer, connection, lines, pause), buffer) as peer:
        sent = send(peer, {"peer.test": "127.0.73.1"}, "--count", 3, "--size", size)
    assert sent.actions() == ["deliver"] * 3
    assert len({line["session"] for line in sent.outcomes}) == 1
    assert all(len(body) > size for body in peer.bodies)


def test_smtp_B6_a_peer_that_stops_reading_holds_up_nobody_else(send):
    """One connection is full and stays so; the messages of the other go on meanwhile."""
    stuck = threading.Event()
    over = threading.Event()

    def body(connection):
        if not stuck.is_set():
            stuck.set()
            over.wait(30)
            raise ConnectionError
        return read_body(connection, 65536, 0)

    def serve(peer, connection):
        with contextlib.suppress(ConnectionError):
            converse(peer, connection, body=body)

    with Peer(serve) as peer:
        # blocked for 180 s by the book, here three
        sent = send(peer, {"peer.test": "127.0.73.1"}, "--count", 8, "--connections", 2, "--size", 3000000,
                    "--scale", 1 / 60)
        over.set()
    *first, last = sent.outcomes
    assert [line["action"] for line in first] == ["deliver"] * 7
    assert last["failure"] == "timed_out" and last["phase"] == "body" and last["action"] == "retry"


@pytest.mark.parametrize("code, action", [(552, "bounce"), (451, "retry")])
@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_smtp_B9_an_answer_in_the_middle_of_the_body(send, code, action, pause):
    """After 4 kB of a large message: we stop, close, and there is no final dot."""
    heard = []

    def body(connection):
        head = connection.recv(4096)
        answer(connection, code, f"{code // 100}.3.4 enough", 1, pause)
        time.sleep(0.3)
        heard.append(head + read_until_end(connection))
        raise ConnectionError

    def serve(peer, connection):
        with contextlib.suppress(ConnectionError):
            converse(peer, connection, body=body)

    with Peer(serve) as peer:
        sent = send(peer, {"peer.test": "127.0.73.1"}, "--size", 20000000)
    assert sent.only["code"] == code and sent.only["action"] == action and sent.only["phase"] == "body"
    assert len(heard[0]) < 10000000, "it went on with the body"
    assert b"\r\n.\r\n" not in heard[0]


def test_smtp_B9_a_yes_in_the_middle_of_the_body_is_none(send):
    heard = []

    def body(connection):
        head = connection.recv(4096)
        answer(connection, 250, "2.0.0 taken")
        heard.append(head + read_until_end(connection))
        raise ConnectionError

    def serve(peer, connection):
        with contextlib.suppress(ConnectionError):
            converse(peer, connection, body=body)

    with Peer(serve) as peer:
        sent = send(peer, {"peer.test": "127.0.73.1"}, "--size", 1000000)
    assert sent.only["failure"] == "unsolicited" and sent.only["action"] == "retry"
    assert b"\r\n.\r\n" not in heard[0]


def test_smtp_B8_sender_P13_nothing_is_said_across_starttls(send):
    """Half a second between STARTTLS and its 220: not a byte comes, and the first one after it is TLS."""
    early, first = [], []

    def serve(peer, connection):
        answer(connection, 220, "peer")
        assert read_line(connection).startswith("EHLO")
        say(connection, "250-peer\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
        assert read_line(connection) == "STARTTLS"
        connection.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            early.append(connection.recv(100))
        connection.settimeout(10)
        answer(connection, 220, "go")
        first.append(connection.recv(1))

    with Peer(serve) as peer:
        send(peer, {"peer.test": "127.0.73.1"}, "--tls", "required")
    assert early == [] and first == [b"\x16"]


def test_smtp_M8_a_354_that_nobody_wants(send):
    """The recipient is refused, DATA had gone out with it and is accepted: a lone dot, and its 250 delivers nothing."""
    heard = []

    def serve(peer, connection):
        answer(connection, 220, "peer")
        read_line(connection)
        say(connection, "250-peer\r\n250 PIPELINING\r\n")
        for code, text in ((250, "ok"), (550, "5.1.1 unknown"), (354, "go")):
            read_line(connection)
            answer(connection, code, text)
        heard.append(read_line(connection))
        answer(connection, 250, "2.0.0 taken")
        heard.append(read_line(connection))

    with Peer(serve) as peer:
        sent = send(peer, {"peer.test": "127.0.73.1"})
    assert heard == [".", "QUIT"]
    assert sent.only["action"] == "bounce" and sent.only["code"] == 550 and sent.summary["delivered"] == 0
