"""Fixtures of the claim and report tests: claim-cli against a fresh database."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "system" / "sql"))

from penguin import Shop  # noqa: E402


def claim_cli():
    build = pathlib.Path(os.environ.get("PENGUIN_BUILD", ROOT / "build"))
    return build / "tests" / "tools" / "claim-cli"


class Cli:
    """A running claim-cli."""

    def __init__(self, dsn, **settings):
        self.process = subprocess.Popen(
            [claim_cli(), dsn] + [f"{k}={v}" for k, v in settings.items()],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def finish(self, timeout=60, code=0):
        """Waits for its end; returns what it printed."""
        try:
            out, err = self.process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            out, err = self.process.communicate()
            raise AssertionError(f"claim-cli did not end:\n{out[-2000:]}\n{err[-2000:]}")
        assert self.process.returncode == code, err[-2000:]
        return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def shop(database):
    it = Shop(database)
    yield it
    it.session.close()


@pytest.fixture
def run(database):
    """Starts claim-cli on the test's database, or another DSN."""
    running = []

    def start(dsn=None, **settings):
        cli = Cli(dsn or database, **settings)
        running.append(cli)
        return cli

    yield start
    for cli in running:
        if cli.process.poll() is None:
            cli.process.kill()
            cli.process.wait()
