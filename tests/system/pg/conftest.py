"""Fixtures of the claim and report tests: claim-cli against a fresh database."""
import pytest

from claimlib import Cli
from penguin import Shop


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
