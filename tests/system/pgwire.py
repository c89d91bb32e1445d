"""Stands between a program and Postgres, and knows enough of the wire to fail at a chosen statement.

    wire = Wire(server_directory, rule)
    rule(names) is asked for each transaction with the statements of src/sql that it consists of, and says
        None       it passes
        "before"   both connections end before the server has heard of it
        "after"    the server has done it and answered; the answer does not arrive, both connections end
        "53100"    (any SQLSTATE) the server is not asked; this is its answer
"""
import pathlib
import re
import select
import shutil
import socket
import struct
import tempfile
import threading

SOCKET = ".s.PGSQL.5432"


NAME = re.compile(r"/\* (\w+) \*/")  # how the engine begins each


class Gone(Exception):
    """One of the two has hung up."""


class Reader:
    """The messages of one side."""

    def __init__(self, end, wire):
        self.end, self.wire, self.bytes = end, wire, b""

    def need(self, size):
        while len(self.bytes) < size:
            while not select.select([self.end], [], [], 0.1)[0]:
                if not self.wire.open:
                    raise Gone
            data = self.end.recv(262144)
            if not data:
                raise Gone
            self.bytes += data

    def take(self, size):
        self.need(size)
        data, self.bytes = self.bytes[:size], self.bytes[size:]
        return data

    def opening(self):
        """The first message of a client has no kind."""
        self.need(4)
        return self.take(struct.unpack("!I", self.bytes[:4])[0])

    def message(self):
        self.need(5)
        return self.take(1 + struct.unpack("!I", self.bytes[1:5])[0])


def refusal(state):
    fields = b"SERROR\0VERROR\0C" + state.encode() + b"\0Mmade up by a test\0\0"
    return b"E" + struct.pack("!I", 4 + len(fields)) + fields + b"Z\0\0\0\x05I"


class Wire:
    def __init__(self, server_directory, rule):
        self.target = str(pathlib.Path(server_directory) / SOCKET)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgwire."))
        self.rule, self.open, self.did = rule, True, []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.directory / SOCKET))
        self.listener.listen()
        self.threads = [threading.Thread(target=self.listen, daemon=True)]
        self.threads[0].start()

    def dsn(self, dsn):
        """The same database, through here."""
        words = [word for word in str(dsn).split() if not word.startswith("host=")]
        return " ".join([f"host={self.directory}"] + words)

    def listen(self):
        while self.open:
            if select.select([self.listener], [], [], 0.1)[0]:
                client, _ = self.listener.accept()
                self.threads.append(threading.Thread(target=self.serve, args=(client,), daemon=True))
                self.threads[-1].start()

    def serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self.target)
                self.talk(client, server)
            except (Gone, OSError):
                pass

    @staticmethod
    def answer(server):
        """All that the server says until it is ready for more."""
        said = b""
        while not said.endswith(b"Z\0\0\0\x05I"):
            message = server.message()
            said += message
            if message[:1] == b"R" and message[5:9] not in (b"\0\0\0\0",):
                raise Gone  # passwords are not for here
        return said

    @staticmethod
    def transaction(client):
        """The next messages that belong together, and the names of their statements."""
        asked, names = b"", []
        while True:
            message = client.message()
            asked += message
            if message[:1] == b"P":
                text = message[5:].split(b"\0")[1].decode()
                named = NAME.match(text)
                names.append(named.group(1) if named else text)
            if message[:1] in b"SXQ":
                return asked, names

    def talk(self, client_end, server_end):
        client, server = Reader(client_end, self), Reader(server_end, self)
        server_end.sendall(client.opening())
        client_end.sendall(self.answer(server))
        while True:
            asked, names = self.transaction(client)
            what = self.rule(names)
            if what is not None:
                self.did.append((what, names))
            if what == "before":
                return
            if what not in (None, "after"):
                client_end.sendall(refusal(what))
                continue
            server_end.sendall(asked)
            if asked[:1] == b"X":
                return
            said = self.answer(server)
            if what == "after":
                return
            client_end.sendall(said)

    def close(self):
        self.open = False
        for thread in self.threads:
            thread.join()
        self.listener.close()
        shutil.rmtree(self.directory)
