"""Postfix's smtp-sink: takes mail or refuses it in a way of one's choice, and keeps what it was sent in files."""

import os
import subprocess
import time

from jail import fetched


class Sink:
    """smtp-sink at an address, with these options; every multipart message becomes a file in the directory."""

    def __init__(self, directory, address, port, *options):
        self.directory = directory
        self.address, self.port = address, port
        self.options = options
        self.process = None

    def __enter__(self):
        (tree,) = fetched("postfix")
        self.directory.mkdir()
        self.directory.chmod(0o777)
        # The user that it becomes may not pass every folder on the way: it works where it was started.
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        with open(self.directory / "log", "wb") as log:
            self.process = subprocess.Popen(
                [tree / "usr/sbin/smtp-sink", *user, *self.options, "-d", "m.", f"{self.address}:{self.port}", "100"],
                cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(os.environ, LD_LIBRARY_PATH=str(tree / "usr/lib/postfix")))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def wait_listening(self):
        """By the kernel's list, since some sinks count the connections that they get."""
        octets = [int(octet) for octet in self.address.split(".")]
        wanted = "{3:02X}{2:02X}{1:02X}{0:02X}:{4:04X} 00000000:0000 0A".format(*octets, self.port)
        for _ in range(200):
            with open("/proc/net/tcp", encoding="ascii") as table:
                if wanted in table.read():
                    return
            assert self.process.poll() is None, (self.directory / "log").read_text()
            time.sleep(0.05)
        raise AssertionError("smtp-sink does not listen")

    def messages(self):
        """What it was sent, whatever it answered.  A file is made at DATA: what has no end was not sent."""
        files = [path.read_bytes() for path in self.directory.iterdir() if path.name.startswith("m.")]
        return [data for data in files if data.rstrip().endswith(b"--")]
