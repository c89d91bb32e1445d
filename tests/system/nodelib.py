"""Two nodes on one Postgres and in one world, and a wire between a node and Postgres that can be cut.

    with stack(config=SHORT) as s, Wire(s.dsn) as wire, Node(s, "b", "127.0.5.2", dsn=wire.dsn) as b:
        s.start()
        b.start()
        wire.freeze()
"""
import pathlib
import select
import shutil
import socket
import tempfile
import threading
import time

from mtalib import Stack, merged


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


class Node(Stack):
    """One more penguin-mta: a node and a source of its own; shop, keys and world are the stack's."""

    def __init__(self, stack, name, address, dsn=None, **change):
        directory = stack.directory / name
        directory.mkdir()
        super().__init__(dsn or stack.dsn, directory, judge=False, config=merged(stack.config, change))
        self.shop, self.world, self.alone = stack.shop, stack.world, stack.alone
        self.config = merged(self.config, {
            "node": name,
            "keys": {"directory": str(stack.directory / "keys")},
            "tokens": {"keys": {"1": str(stack.directory / "token.key")}},
            "sources": {"s1": None, name: {"ipv4": address, "ehlo": f"{name}.shop.test"}},
            "pools": {"default": {"sources": [name]}},
        })

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.mta is not None and self.mta.poll() is None:
            self.mta.kill()
            self.mta.wait()
        if kind not in (None, KeyboardInterrupt) and (self.directory / "mta.log").exists():
            print(f"--- {self.directory.name}\n" + self.log_text()[-4000:])


class Wire:
    """A socket of the server's that passes everything on, until it is cut (all ends at once, and nobody
    gets through) or frozen (nothing moves, and nobody is told)."""

    def __init__(self, dsn):
        words = dict(word.split("=", 1) for word in dsn.split())
        self.target = words["host"] + "/.s.PGSQL.5432"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgwire."))
        self.dsn = " ".join(f"{key}={value}" for key, value in (words | {"host": str(self.directory)}).items())
        self.state = "whole"
        self.peers = {}

    def __enter__(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.directory / ".s.PGSQL.5432"))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.state = "over"
        self.thread.join()
        self.listener.close()
        shutil.rmtree(self.directory)

    def cut(self):
        self.state = "cut"

    def freeze(self):
        self.state = "frozen"

    def mend(self):
        """What was frozen is lost, as by a machine between that has forgotten its connections."""
        self.state = "cut"
        time.sleep(0.3)
        self.state = "whole"

    def end(self, one):
        other = self.peers.pop(one)
        del self.peers[other]
        one.close()
        other.close()

    def accept(self):
        client, _ = self.listener.accept()
        if self.state == "cut":
            client.close()
            return
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.target)
        self.peers[client], self.peers[server] = server, client

    def pass_on(self, one):
        try:
            data = one.recv(1 << 16)
            if data:
                self.peers[one].sendall(data)
        except OSError:
            data = b""
        if not data:
            self.end(one)

    def serve(self):
        while self.state != "over":
            if self.state == "frozen":
                time.sleep(0.05)
                continue
            if self.state == "cut":
                while self.peers:
                    self.end(next(iter(self.peers)))
            ready = select.select([self.listener, *self.peers], [], [], 0.05)[0]
            for one in ready:
                if self.state == "frozen":
                    break
                if one is self.listener:
                    self.accept()
                elif one in self.peers:
                    self.pass_on(one)
        while self.peers:
            self.end(next(iter(self.peers)))
