"""Runs a Debian package that is not installed, as if it were.

    with Jail(directory, ["postfix"], users=["postfix"]) as jail:
        jail.write("/etc/postfix/main.cf", "...")
        jail.start("postfix", "start-fg")
        jail.wait_port(address, port)

tools/receivers has unpacked the package with what it depends on.  A jail is a process in mount and
PID namespaces of its own: there /usr is the machine's with the package's files above it, /etc
likewise (and may be written to), /var/{cache,lib,log,mail,spool} and /run are new, and the jail's
directory is also /srv, where every user may go.  The network is the machine's.  When the first
process is ended all others of the jail are gone, and nothing was changed on the machine.
"""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
FIRST_ID = 61200  # of users that only a jail has

# Where daemons listen: these tests' own part of 127/8, so that two runs at once do not meet.
NETWORK = f"127.{64 + os.getpid() // 250 % 128}.{1 + os.getpid() % 250}"


def fetched(*packages):
    """The folders of these packages."""
    done = subprocess.run([ROOT / "tools" / "receivers", *packages], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
    return [pathlib.Path(line) for line in done.stdout.splitlines()]


def need_namespaces():
    """Skips the test where nobody may have mounts of his own."""
    if os.getuid() != 0 or subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL,
                                          check=False).returncode != 0:
        pytest.skip("needs root with mount namespaces")


def free_port(*addresses):
    """A TCP port that is free on all of them."""
    for _ in range(100):
        with contextlib.ExitStack() as stack:
            port = 0
            try:
                for address in addresses:
                    sock = stack.enter_context(socket.socket())
                    sock.bind((address, port))
                    port = sock.getsockname()[1]
                return port
            except OSError:
                continue
    raise AssertionError("no port is free on " + ", ".join(addresses))


class Jail:
    def __init__(self, directory, packages, users=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.directory.chmod(0o755)
        self.packages = packages
        self.users = users
        self.process = None
        self.log = None

    def __enter__(self):
        self.trees = fetched(*self.packages)
        for name in ("passwd", "group"):
            text = pathlib.Path("/etc", name).read_text()
            for number, user in enumerate(self.users, FIRST_ID):
                tail = f"{number}:{number}:{user}:/nonexistent:/usr/sbin/nologin" if name == "passwd" else f"{number}:"
                text += f"{user}:x:{tail}\n"
            self.write(f"/etc/{name}", text)
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is not None:
            print(self.log_text()[-4000:])

    def path(self, inside):
        """Where a file of /etc or /srv lies outside; its folder is made."""
        path = self.directory / inside.removeprefix("/srv/").lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, inside, text, mode=0o644):
        path = self.path(inside)
        path.write_text(text)
        path.chmod(mode)

    def folder(self, inside, user):
        """A new folder for this user, below /srv."""
        path = self.path(inside)
        path.mkdir()
        self.give(inside, user)
        return path

    def give(self, inside, user, mode=0o700):
        number = FIRST_ID + self.users.index(user)
        os.chown(self.path(inside), number, number)
        self.path(inside).chmod(mode)

    def command(self, *argv):
        return ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL",
                HERE / "enter", self.directory, *self.trees, "--", *argv]

    def run(self, *argv, **settings):
        """A command to its end, in a jail of its own with the same files."""
        return subprocess.run(self.command(*argv), check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)

    def start(self, *argv):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(*argv), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def stop(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def inside(self, path):
        """A path of the running jail, seen from outside."""
        pid = self.process.pid
        first = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        return pathlib.Path(f"/proc/{first}/root{path}")

    def count_files(self, *folders):
        """How many files there are below these folders of the running jail."""
        return sum(path.is_file() for folder in folders for path in self.inside(folder).rglob("*"))

    def log_text(self):
        path = self.directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, condition, what, seconds=30):
        end = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"{self.packages[0]} ended:\n{self.log_text()[-4000:]}"
            assert time.monotonic() < end, f"{what}:\n{self.log_text()[-4000:]}"
            time.sleep(0.05)

    def wait_port(self, address, port):
        """Until it is listened on."""
        def listens():
            try:
                socket.create_connection((address, port), 1).close()
                return True
            except OSError:
                return False
        self.wait(listens, f"{self.packages[0]} does not listen on {address}:{port}")

    def remove(self):
        shutil.rmtree(self.directory)
