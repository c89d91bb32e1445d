"""Runs penguin-world for a test: the simulated internet, its ledger and its events.

    with World(tmp_path, YAML) as world:
        client = Client(world, "127.0.10.1")

The YAML should ask for port 0 for DNS and SMTP; the ports that were found are in
world.dns_port and world.smtp_port.  The build directory comes from PENGUIN_BUILD.
"""

import json
import os
import pathlib
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("PENGUIN_BUILD", ROOT / "build")).resolve()
PROGRAM = BUILD / "tools" / "world" / "penguin-world"

PORTS = """
dns:
  listen: 127.0.0.1:0
smtp:
  port: 0
"""


def read_lines(path):
    """The complete JSON lines of a file that may still grow."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().decode().splitlines(True) if line.endswith("\n")]


class World:
    def __init__(self, directory, text, *options):
        self.directory = pathlib.Path(directory)
        self.config = self.directory / "world.yaml"
        self.config.write_text(text)
        self.ledger_path = self.directory / "ledger.jsonl"
        self.events_path = self.directory / "events.jsonl"
        self.options = list(options)
        self.process = None
        self.stats = None

    def __enter__(self):
        command = [PROGRAM, "--config", self.config, "--ledger", self.ledger_path, "--stats", *self.options]
        if self.events_path is not None:
            command += ["--events", self.events_path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        assert ready and ready[0] == "ready", "penguin-world did not start"
        self.dns_address, dns_port = ready[1].removeprefix("dns=").split(":")
        self.dns_port = int(dns_port)
        self.smtp_port = int(ready[2].removeprefix("smtp="))
        return self

    def stop(self):
        """Ends it as a user would, and returns its --stats."""
        if self.process is not None:
            self.process.terminate()
            out, _ = self.process.communicate(timeout=20)
            code = self.process.returncode
            self.process = None
            assert code == 0, f"penguin-world ended with {code}"
            self.stats = json.loads(out)
        return self.stats

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        elif self.process is not None:
            self.process.kill()
            self.process.communicate()

    def ledger(self):
        return read_lines(self.ledger_path)

    def events(self, kind=None):
        return [e for e in read_lines(self.events_path) if kind in (None, e["event"])]


class Client:
    """A bare SMTP client: sends what it is told, sees every byte."""

    def __init__(self, world, address="127.0.10.1", source="127.0.5.1", timeout=5):
        self.socket = socket.create_connection((address, world.smtp_port), timeout, (source, 0))
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        while b"\n" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise EOFError(self.buffer)
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def reply(self):
        """All lines of one reply, joined by newlines."""
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return "\n".join(lines)

    def ask(self, command):
        self.send(command + "\r\n")
        return self.reply()

    def hello(self):
        assert self.reply().startswith("220 ")
        return self.ask("EHLO client.test")

    def deliver(self, recipient="x@d1.test", sender="s@from.test", body=b"Subject: hi\r\n\r\nhello\r\n"):
        """The reply that ended it: the first that was no success, or the dot's."""
        for command in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA"):
            reply = self.ask(command)
            if reply[0] not in "23":
                return reply
        self.send(body + b".\r\n")
        return self.reply()

    def rest(self):
        """What comes until the end; ends with 'RESET' when the connection was reset."""
        data, self.buffer = self.buffer, b""
        try:
            while True:
                more = self.socket.recv(65536)
                if not more:
                    return data
                data += more
        except ConnectionResetError:
            return data + b"RESET"
