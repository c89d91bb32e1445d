"""A database that is not what this program is made for: it says so, does nothing by halves, and goes on once that is mended."""
import os
import subprocess
import time

import psycopg2
import pytest
from mtalib import BUILD, wait_for

CTL = BUILD / "src" / "main" / "penguinctl"


def people(n):
    return [f"user{i}@d{i % 50 + 1}.test" for i in range(n)]


def ask(dsn, text):
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(text)
            return cursor.fetchall() if cursor.description else None
    finally:
        connection.close()


def said(s, word):
    return [line for line in s.log_text().splitlines() if line.startswith(word)]


def note(s, highest):
    """The schema is as penguinctl would have left it, up to this migration."""
    ask(s.dsn, f"DELETE FROM penguin.schema_migrations WHERE number > {highest};"
        f" INSERT INTO penguin.schema_migrations (number, name, checksum) SELECT n, 'x', 'x' FROM generate_series(1, {highest}) n"
        " ON CONFLICT DO NOTHING")


def newest():
    """Of this program."""
    text = subprocess.run([CTL, "migrate", "print"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return text.count("\nBEGIN;\n")


def is_live(dsn):
    return ask(dsn, "SELECT count(*) FROM penguin.workers WHERE state = 'live'") == [(1,)]


def test_a_database_without_the_schema_is_waited_for(stack, empty_dsn):
    with stack() as s:
        s.start(postgres={"dsn": empty_dsn})
        wait_for(lambda: said(s, "schema_differs"))
        time.sleep(2)
        (line,) = said(s, "schema_differs")
        assert "penguinctl migrate up" in line and not said(s, "postgres_refused"), s.log_text()
        subprocess.run([CTL, "-d", empty_dsn, "migrate", "up"], stdout=subprocess.DEVNULL, check=True)
        wait_for(lambda: is_live(empty_dsn))
        s.stop()


@pytest.mark.parametrize("highest, remedy", [(-1, "penguinctl migrate up"), (1, "newer")])
def test_a_schema_of_another_version_is_refused_by_name(stack, highest, remedy):
    with stack() as s:
        note(s, newest() + highest)
        campaign = s.campaign()
        s.enqueue(campaign, people(10))
        s.start()
        wait_for(lambda: said(s, "schema_differs"))
        time.sleep(1)
        (line,) = said(s, "schema_differs")
        assert remedy in line and f"has={newest() + highest} needs={newest()} " in line
        assert s.account(campaign) == {"waiting": 10} and not is_live(s.dsn)
        note(s, newest())
        assert s.check(campaign) == {"delivered": 10}
        s.stop()


def test_a_login_without_the_rights_is_told_which(stack):
    """The manual's own words for a role, with one of them forgotten."""
    with stack() as s:
        name = f"poor_{os.getpid()}"
        ask(s.dsn, f"CREATE ROLE {name} LOGIN")
        try:
            campaign = s.campaign()
            s.enqueue(campaign, people(10))
            s.start(postgres={"dsn": s.dsn.replace("user=postgres", f"user={name}")})
            wait_for(lambda: said(s, "no_rights"))
            assert "GRANT penguin_mta TO" in said(s, "no_rights")[0]
            ask(s.dsn, f"GRANT penguin_mta TO {name}")
            assert s.check(campaign) == {"delivered": 10}
            s.stop()
        finally:
            ask(s.dsn, f"DROP ROLE {name}")


def test_a_start_before_the_migration_keeps_what_the_journal_has(stack):
    """Results that were never reported, and a program that is newer than the table they go to."""
    with stack(config={"report": {"interval": "30s", "rows": 10000}}) as s:
        note(s, newest())
        campaign = s.campaign()
        s.enqueue(campaign, people(100))
        s.start()
        s.wait(campaign, lambda _: len(s.world.ledger()) == 100)
        s.kill()
        assert not s.attempts(campaign)
        note(s, newest() - 1)
        ask(s.dsn, "ALTER TABLE penguin.attempts RENAME COLUMN reply TO later")
        s.start()
        wait_for(lambda: said(s, "schema_differs"))
        time.sleep(3)
        s.reload(report={"interval": "100ms"})
        ask(s.dsn, "ALTER TABLE penguin.attempts RENAME COLUMN later TO reply")
        note(s, newest())
        account = s.wait(campaign)
        assert len(s.world.ledger()) == 100, "none is sent once more"
        assert account.get("delivered", 0) + account.get("in_doubt", 0) == 100 and account["delivered"] >= 97
        s.shop.account(campaign)
        s.stop()


def test_a_table_that_is_changed_under_way_costs_no_result(stack):
    with stack(config={"report": {"interval": "50ms", "rows": 10}, "timeouts": {"scale": 0.1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(300))
        s.start()
        s.wait(campaign, lambda _: len(s.world.ledger()) >= 50)
        ask(s.dsn, "ALTER TABLE penguin.attempts RENAME COLUMN reply TO later")
        wait_for(lambda: "42703" in s.log_text())
        time.sleep(2)
        ask(s.dsn, "ALTER TABLE penguin.attempts RENAME COLUMN later TO reply")
        assert s.check(campaign) == {"delivered": 300}
        assert len(s.attempts(campaign)) == 300
        s.stop()
