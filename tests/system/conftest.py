"""Fixtures for all system tests: a throwaway Postgres, and fresh migrated databases."""
import itertools
import pathlib
import subprocess

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PGTEMP = ROOT / "tests" / "pgtemp"
MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))


class Cluster:
    """A running throwaway server; `dsn(name)` reaches one of its databases."""

    def __init__(self, directory):
        self.directory = directory
        self.numbers = itertools.count(1)

    def dsn(self, database="postgres", user="postgres"):
        return f"host={self.directory} user={user} dbname={database}"

    def execute(self, text, database="postgres"):
        connection = psycopg2.connect(self.dsn(database))
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
        finally:
            connection.close()

    def create_migrated(self, name):
        self.execute(f"CREATE DATABASE {name}")
        for path in MIGRATIONS:
            self.execute(path.read_text(), name)


@pytest.fixture(scope="session")
def cluster():
    """A Postgres for the whole session, on a Unix socket in a directory of its own."""
    answer = subprocess.run(
        [PGTEMP, "start"], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    server = Cluster(answer[0])
    try:
        server.create_migrated("migrated")
        yield server
    finally:
        subprocess.run([PGTEMP, "stop", server.directory], check=True)


@pytest.fixture
def empty_dsn(cluster):
    """A fresh database without our schema: for penguinctl migrate."""
    name = f"empty_{next(cluster.numbers)}"
    cluster.execute(f"CREATE DATABASE {name}")
    yield cluster.dsn(name)
    cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def database(cluster):
    """The DSN of a fresh database with all migrations applied."""
    name = f"test_{next(cluster.numbers)}"
    cluster.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield cluster.dsn(name)
    cluster.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
