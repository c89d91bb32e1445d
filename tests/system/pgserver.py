"""A Postgres of a test's own, for rough handling, and a pooler in front of it."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

import psycopg2

from claimlib import MIGRATIONS, ROOT
from penguin import Session

PGTEMP = ROOT / "tests" / "pgtemp"


def is_alive(pid):
    """Running, or at least not only waiting to be waited for."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


class Server:
    """fsync is on: it will be killed."""

    def __init__(self):
        answer = subprocess.run(
            [PGTEMP, "start", "fsync=on", "full_page_writes=on"], check=True,
            stdout=subprocess.PIPE, text=True).stdout.splitlines()
        self.directory = pathlib.Path(answer[0])
        self.databases = 0
        self.name = "postgres"

    @property
    def dsn(self):
        return f"host={self.directory} user=postgres dbname={self.name}"

    def new_database(self):
        self.name = "postgres"
        session = Session(self.dsn)
        self.databases += 1
        session.query(f"CREATE DATABASE t{self.databases}")
        session.close()
        self.name = f"t{self.databases}"
        session = Session(self.dsn)
        for path in MIGRATIONS:
            session.query(path.read_text())
        session.close()

    def set_up(self):
        """Whatever a test before has left."""
        try:
            self.signal_all(signal.SIGCONT)
            Session(f"host={self.directory} user=postgres dbname=postgres").close()
        except (FileNotFoundError, psycopg2.OperationalError):
            self.start()
        session = Session(f"host={self.directory} user=postgres dbname=postgres")
        session.query("ALTER SYSTEM RESET ALL")
        session.query("SELECT pg_reload_conf()")
        session.close()

    def pid(self):
        return int((self.directory / "data" / "postmaster.pid").read_text().split()[0])

    def family(self):
        """The postmaster and its children."""
        pid = self.pid()
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)],
                                  stdout=subprocess.PIPE, text=True, check=False).stdout.split()
        return [pid] + [int(c) for c in children]

    def signal_all(self, number):
        members = self.family()
        for member in members:
            try:
                os.kill(member, number)
            except ProcessLookupError:
                pass
        return members

    def control(self, *words):
        directories = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
        command = [directories[-1] / "pg_ctl", "-D", self.directory / "data", "-w", "-t", "60"]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] + command
        subprocess.run(command + list(words), check=True, stdout=subprocess.DEVNULL,
                       cwd=self.directory)

    def start(self):
        self.control("-l", str(self.directory / "log"), "start")

    def kill(self):
        """As if the machine had lost its power."""
        family = self.signal_all(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(is_alive(member) for member in family) and time.monotonic() < deadline:
            time.sleep(0.02)
        # Nobody may have waited for the dead yet, and then Postgres thinks they live.
        for lock in ("data/postmaster.pid", ".s.PGSQL.5432.lock"):
            (self.directory / lock).unlink(missing_ok=True)

    def stop(self):
        subprocess.run([PGTEMP, "stop", self.directory], check=True)


class Pooler:
    """PgBouncer 1.18 in transaction mode, with fewer server connections than clients."""

    def __init__(self, server, directory):
        self.directory = directory
        config = directory / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n* = host={server.directory} user=postgres\n"
            f"[pgbouncer]\nlisten_addr =\nunix_socket_dir = {directory}\n"
            "listen_port = 6432\nauth_type = any\n"
            "pool_mode = transaction\ndefault_pool_size = 2\nserver_login_retry = 1\n"
            f"logfile = {directory}/log\npidfile = {directory}/pid\n")
        self.command = [shutil.which("pgbouncer") or "/usr/sbin/pgbouncer", str(config)]
        os.chmod(directory, 0o777)
        if os.getuid() == 0:
            self.command = ["setpriv", "--reuid=postgres", "--regid=postgres",
                            "--clear-groups"] + self.command
        self.dsn = f"host={directory} port=6432 user=postgres dbname={server.name}"
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, cwd=self.directory)
        for _ in range(50):
            try:
                psycopg2.connect(self.dsn).close()
                return
            except psycopg2.OperationalError:
                time.sleep(0.1)
        raise AssertionError((self.directory / "log").read_text())

    def stop(self):
        self.process.terminate()
        self.process.wait()
