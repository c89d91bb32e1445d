"""What a round of the fault bench is played on: nodes and a database server that die, stand still and come back."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import psycopg2

from chaosplan import LEASE_S
from mtalib import ROOT, merged

PGTEMP = ROOT / "tests" / "pgtemp"
MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))
CONFIG = {
    "lease": {"duration": f"{LEASE_S:.0f}s", "renew": "500ms", "autonomy": "1s"},
    "timeouts": {"scale": 0.005},
    "retry": {"first": "1s", "max": "2s", "jitter": 0, "expire": "1h"},
    "report": {"interval": "300ms", "retry_interval": "300ms"},
    "dns": {"min_ttl": "0", "timeout": "500ms"},
    "limits": {"jobs": 5000},
}


# Processes


def tree_of(pid):
    """A process and all that came of it, whatever group they are in now."""
    children = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def connections(sources, port):
    """TCP connections from these addresses to that port, in whatever state but over."""
    count = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, remote, state = line.split()[1:4]
        address = ".".join(str(b) for b in reversed(bytes.fromhex(local.split(":")[0])))
        count += address in sources and int(remote.split(":")[1], 16) == port and state in ("01", "04", "05", "08", "09")
    return count


class Node:
    """A machine with a penguin-mta: its own configuration, sources, journal, and perhaps a disk that forgets."""

    def __init__(self, stack, program, number, change, disk=None):
        self.program = program
        self.name = f"n{number + 1}"
        self.sources = [f"127.0.5.{number + 1}"]
        self.disk = disk
        self.directory = stack.directory / self.name
        self.directory.mkdir()
        self.spool = disk.directory if disk else self.directory / "spool"
        self.process = None
        self.away_until = 0.0
        self.config = self.directory / "penguin-mta.yaml"
        self.config.write_text(json.dumps(merged({
            "node": self.name,
            "postgres": {"dsn": stack.dsn, "poll_busy": "20ms", "poll_idle": "50ms", "sweep": "500ms", "feed": "200ms"},
            "keys": {"directory": str(stack.directory / "keys")},
            "delivery": {"log": str(self.directory / "delivery.log"), "port": stack.world.smtp_port},
            "tokens": {"keys": {"1": str(stack.directory / "token.key")}},
            "guard": {"allow": ["127.0.0.0/8"]},
            "sources": {self.name: {"ipv4": self.sources[0], "ehlo": f"s{number + 1}.shop.test"}},
            "pools": {"default": {"sources": [self.name]}},
            "spool": {"directory": str(self.spool), "sync": True},
        }, merged(CONFIG, change)), indent=1))

    def start(self, wrapper=(), alone=False):
        """alone: one worker and no supervisor that would start it again."""
        environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        if self.disk:
            environment = self.disk.environment(environment)
        with open(self.directory / "mta.log", "ab") as log:
            self.process = subprocess.Popen([*wrapper, self.program, "-c", self.config, *(["--worker", "w0"] if alone else [])],
                                            stderr=log, env=environment, start_new_session=True)

    def pids(self):
        return tree_of(self.process.pid)

    def freeze(self):
        """Everything of it stands still; what was left to it is as a kill would leave it."""
        pids = self.pids()
        signal_all(pids, signal.SIGSTOP)
        pids = self.pids()  # one was perhaps being made
        signal_all(pids, signal.SIGSTOP)
        return pids

    def kill(self):
        signal_all(self.pids(), signal.SIGKILL)
        self.process.wait()

    def log(self):
        path = self.directory / "mta.log"
        return path.read_text() if path.exists() else ""


class Tail:
    """How many lines the ledger has, without reading them again."""

    def __init__(self, path):
        self.path, self.at, self.count = path, 0, 0

    def lines(self):
        if self.path.exists():
            with open(self.path, "rb") as f:
                f.seek(self.at)
                data = f.read()
            self.at += len(data)
            self.count += data.count(b"\n")
        return self.count


# The database server


class Server:
    """A throwaway Postgres that can be killed, frozen and started again."""

    def __init__(self):
        self.directory = pathlib.Path(subprocess.run([PGTEMP, "start"], check=True, stdout=subprocess.PIPE, text=True,
                                                     start_new_session=True).stdout.split("\n")[0])
        self.bin = pathlib.Path(os.readlink(f"/proc/{self.postmaster()}/exe")).parent
        self.create("migrated")
        connection = psycopg2.connect(self.dsn("migrated"))
        connection.autocommit = True
        for path in MIGRATIONS:
            connection.cursor().execute(path.read_text())
        connection.close()

    def dsn(self, name):
        return f"host={self.directory} user=postgres dbname={name}"

    def postmaster(self):
        return int((self.directory / "data" / "postmaster.pid").read_text().split("\n")[0])

    def execute(self, text, name="postgres"):
        connection = psycopg2.connect(self.dsn(name))
        connection.autocommit = True
        connection.cursor().execute(text)
        connection.close()

    def create(self, name, template="template1"):
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")

    def drop(self, name):
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def terminate(self, name):
        """All connections of a database end."""
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    def crash(self):
        """kill -9, and a start that recovers."""
        signal_all(tree_of(self.postmaster()), signal.SIGKILL)
        user = ["setpriv", f"--reuid={self.directory.owner()}", f"--regid={self.directory.group()}", "--clear-groups"]
        for _ in range(20):
            time.sleep(0.3)
            done = subprocess.run([*(user if os.getuid() == 0 else []), self.bin / "pg_ctl", "-D", self.directory / "data", "-l",
                                   self.directory / "log", "-w", "-t", "60", "start"], cwd=self.directory, check=False,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            if done.returncode == 0:
                return
        raise OSError("the Postgres server did not come back")

    @contextlib.contextmanager
    def frozen(self):
        pids = tree_of(self.postmaster())
        signal_all(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_all(pids, signal.SIGCONT)

    def stop(self):
        subprocess.run([PGTEMP, "stop", self.directory], check=True)
