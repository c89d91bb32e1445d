"""penguinctl from an empty database to mail in the world, and a newcomer's mistakes."""
import json
import subprocess

import psycopg2
import pytest
from ctllib import Ctl
from mtalib import CONTENT, DOMAIN, Stack
from zonelib import GOOD, world_with


@pytest.fixture
def ctl(empty_dsn, tmp_path):
    it = Ctl(empty_dsn, tmp_path)
    (tmp_path / "letter.json").write_text(json.dumps(CONTENT))
    return it


@pytest.fixture
def shop(ctl):
    """A tenant with a content and a draft campaign."""
    ctl.run("migrate", "up")
    ctl.run("tenant", "add", "acme", "--bounce-domain", "bounce.shop.test")
    ctl.run("content", "add", "letter.json", "--tenant", "acme", "--name", "letter")
    ctl.run("campaign", "create", "spring", "--tenant", "acme", "--content", "letter")
    return ctl


def test_migrate_twice_changes_nothing(ctl):
    ctl.run("migrate", "up")
    first = ctl.run("migrate", "status")
    ctl.run("migrate", "up")
    assert ctl.run("migrate", "status") == first
    assert "CREATE TABLE" in ctl.run("migrate", "print")


def test_what_is_printed_and_applied_by_hand_is_known_as_applied(ctl, empty_dsn):
    sql = ctl.run("migrate", "print")
    subprocess.run(["psql", "-qX", "-v", "ON_ERROR_STOP=1", "-d", empty_dsn], input=sql, text=True, check=True, stdout=subprocess.DEVNULL)
    status = ctl.run("migrate", "status")
    assert "to do" not in status and "changed" not in status and status.count("applied") == sql.count("\nBEGIN;\n")
    assert "applied" not in ctl.run("migrate", "up"), "nothing is left"


def test_a_csv_is_read_once_however_often_it_is_given(shop):
    (shop.directory / "people.csv").write_bytes(
        "\ufeffemail,name\r\nann@d1.test,\"Ann, \"\"the\"\" first\"\r\nnot an address,x\r\nBOB@D2.test,Bob\r\n".encode())
    for added in (2, 0):
        text = shop.run("enqueue", "--tenant", "acme", "--campaign", "spring", "people.csv")
        assert f"{added} added" in text and "1 rejected" in text, text
    rejected = (shop.directory / "people.csv.rejected.csv").read_text()
    assert "not an address" in rejected and "3" in rejected
    account = json.loads(shop.run("campaign", "show", "spring", "--tenant", "acme", "--json").splitlines()[0])
    assert "2" in json.dumps(account)


def test_a_quote_that_is_not_closed_is_said_where_it_opened(shop):
    (shop.directory / "people.csv").write_text('email,name\nann@d1.test,Ann\n"bob@d1.test,Bob\neve@d1.test,Eve\n')
    text = shop.run("enqueue", "--campaign", "spring", "people.csv", code=65)
    assert "people.csv: line 3: a quote opens here" in text and "1 were added" in text, text
    (shop.directory / "people.csv").write_text('email,name\nann@d1.test,Ann\n"bob@d1.test",Bob\neve@d1.test,Eve\n')
    assert "2 added, 1 already there" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    (shop.directory / "head.csv").write_text('email,"name\nann@d1.test,Ann\n')
    assert "head.csv: line 1: a quote opens here" in shop.run("enqueue", "--campaign", "spring", "head.csv", code=65)


def test_rows_that_a_quote_made_one_are_said_to_be_many(shop):
    (shop.directory / "people.csv").write_text('email,name\n"bob@d1.test,Bob\neve@d1.test,Eve\nx@d1.test,"X"\nann@d1.test,Ann\n')
    assert "1 added" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    (_, row) = (shop.directory / "people.csv.rejected.csv").read_text().splitlines()
    assert row.startswith("2,") and "down to line 4" in row, row


def test_a_file_of_which_no_row_can_be_used_is_no_success(shop):
    (shop.directory / "people.csv").write_text("email,name\nann,Ann\nbob,Bob\n")
    assert "0 added, 0 already there, 2 rejected" in shop.run("enqueue", "--campaign", "spring", "people.csv", code=65)
    (shop.directory / "none.csv").write_text("email,name\n")
    assert "0 added" in shop.run("enqueue", "--campaign", "spring", "none.csv")


def test_rejected_rows_are_those_of_the_last_run(shop):
    people, rejected = shop.directory / "people.csv", shop.directory / "people.csv.rejected.csv"
    people.write_text("email\nann\nbob@d1.test\n")
    assert "1 rejected" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    people.write_text("email\nann@d1.test\nbob@d1.test\neve\n")
    assert "1 rejected" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    assert [line.split(",")[0] for line in rejected.read_text().splitlines()] == ["line", "4"]
    people.write_text("email\nann@d1.test\nbob@d1.test\n")
    assert "0 rejected" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    assert not rejected.exists()
    rejected.write_text("line,reason\nsomebody else's\n")
    assert "0 rejected" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    people.write_text("email\nann\n")
    assert "move it away" in shop.run("enqueue", "--campaign", "spring", "people.csv", code=73)
    assert "somebody else's" in rejected.read_text()


def test_json_lines_keep_numbers_and_objects(shop, empty_dsn):
    lines = ['{"email": "ann@d1.test", "vars": {"n": 12.50, "list": [{"a": true}], "é": "ü"}, "engagement": 0.25}',
             "", '{"email": "bob@d1.test"}', '{"email": "eve@d1.test", "name": "Eve"}', "{broken", '{"vars": {}}',
             '{"email": "x@d1.test", "id": "not-a-uuid"}']
    (shop.directory / "people.jsonl").write_text("\n".join(lines) + "\n")
    for added in (2, 0):
        text = shop.run("enqueue", "--campaign", "spring", "people.jsonl")
        assert f"{added} added" in text and "4 rejected" in text, text
    rejected = (shop.directory / "people.jsonl.rejected.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in rejected] == ["line", "4", "5", "6", "7"]
    connection = psycopg2.connect(empty_dsn)
    with connection.cursor() as cursor:
        cursor.execute("SELECT vars, engagement FROM penguin.jobs WHERE recipient = 'ann@d1.test'")
        assert cursor.fetchone() == ({"n": 12.5, "list": [{"a": True}], "é": "ü"}, 0.25)
    connection.close()


def test_blanks_around_what_is_ours_are_nothing(shop, empty_dsn):
    """Of email, id and engagement; a merge variable is as it was written."""
    first, second = "01935d2e-5a00-7000-8000-000000000001", "01935d2e-5a00-7000-8000-000000000002"
    (shop.directory / "people.csv").write_text(
        f"email , id, engagement ,name\n ann@d1.test ,  {first} , 0.5 , Ann \nbob@d1.test, ,\t,x\n")
    assert "2 added, 0 already there, 0 rejected" in shop.run("enqueue", "--campaign", "spring", "people.csv")
    row = {"email": " eve@d1.test ", "id": f" {second}\t", "engagement": 0.25, "vars": {"name": " Eve "}}
    (shop.directory / "people.jsonl").write_text(json.dumps(row) + "\n")
    assert "1 added, 0 already there, 0 rejected" in shop.run("enqueue", "--campaign", "spring", "people.jsonl")
    connection = psycopg2.connect(empty_dsn)
    with connection.cursor() as cursor:
        cursor.execute("SELECT recipient, id::text, engagement, vars->>'name' FROM penguin.jobs ORDER BY recipient")
        rows = cursor.fetchall()
    connection.close()
    assert rows[0] == ("ann@d1.test", first, 0.5, " Ann ") and rows[1][2:] == (None, "x")
    assert rows[2] == ("eve@d1.test", second, 0.25, " Eve ")


def test_json_lines_may_begin_with_a_byte_order_mark(shop):
    lines = '{"email": "ann@d1.test"}\n\ufeff{"email": "bob@d1.test"}\n'
    (shop.directory / "people.jsonl").write_bytes(("\ufeff" + lines).encode())
    assert "1 added, 0 already there, 1 rejected" in shop.run("enqueue", "--campaign", "spring", "people.jsonl")
    (_, row) = (shop.directory / "people.jsonl.rejected.csv").read_text().splitlines()
    assert row.startswith("2,")
    (shop.directory / "mark.jsonl").write_bytes("\ufeff\n".encode())
    assert "0 added, 0 already there, 0 rejected" in shop.run("enqueue", "--campaign", "spring", "mark.jsonl")


@pytest.mark.parametrize("words, code, remedy", [
    (["frobnicate"], 64, "help"),
    (["camp", "start", "spring"], 64, "campaign"),
    (["enqueue", "--tenant", "acme", "--campaign", "spring", "missing.csv"], 66, "missing.csv"),
    (["enqueue", "--tenant", "acme", "--campaign", "winter", "letter.json"], 65, "winter"),
    (["content", "add", "broken.json", "--tenant", "acme", "--name", "b"], 65, "close"),
    (["content", "add", "empty.json", "--tenant", "acme", "--name", "e"], 65, "empty"),
    (["content", "add", "empty.eml", "--tenant", "acme", "--name", "e"], 65, "empty"),
    (["campaign", "start", "winter", "--tenant", "acme"], 65, "winter"),
    (["campaign", "create", "autumn", "--content", "letter", "--on-in-doubt", "pray"], 64, "assume_sent"),
])
def test_mistakes_say_where_and_what_to_do(shop, words, code, remedy):
    for name in ("empty.json", "empty.eml"):
        (shop.directory / name).write_text("")
    (shop.directory / "broken.json").write_text(json.dumps(dict(CONTENT, text="{{#offers}}never closed")))
    assert remedy in shop.run(*words, code=code)


def test_a_text_of_digits_is_a_text(ctl):
    """In JSON; and in a table numbers stand at the right, names at the left."""
    ctl.run("migrate", "up")
    for name in ("2024", "007", "longer-than-these"):
        ctl.run("tenant", "add", name, "--bounce-domain", "b.shop.test")
    rows = {row["name"]: row for row in map(json.loads, ctl.run("tenant", "list", "--json").splitlines())}
    assert set(rows) == {"2024", "007", "longer-than-these"}
    assert rows["2024"]["weight"] == 100 and isinstance(rows["2024"]["created_us"], int)
    head, *lines = ctl.run("tenant", "list").splitlines()
    at = head.index("name")
    assert [line[at - 1:at] + line[at:].split()[0] for line in lines if "  007" in line] == [" 007"]
    assert all(line[head.index("weight") + 3:].startswith("100") for line in lines)
    ctl.run("content", "add", "letter.json", "--tenant", "2024", "--name", "42")
    (content,) = map(json.loads, ctl.run("content", "list", "--tenant", "2024", "--json").splitlines())
    assert (content["name"], content["version"]) == ("42", 1)
    ctl.run("hold", "source", "5", "--reason", "17", "--for", "1h")
    (hold,) = map(json.loads, ctl.run("hold", "list", "--json").splitlines())
    assert (hold["name"], hold["reason"]) == ("5", "17")


def test_postgres_that_is_not_there_is_said(ctl):
    assert "ostgres" in ctl.run("-d", "host=/nonexistent dbname=x", "migrate", "status", code=69)


def test_from_an_empty_database_to_a_mailbox(ctl, empty_dsn, tmp_path, database):
    """The manual's example, with the world as the internet."""
    ctl.run("migrate", "up")
    with Stack(database, tmp_path, world=world_with(GOOD)) as s:  # the world and a configuration; its own tenant is not used
        tenant = ctl.run("tenant", "add", "acme", "--bounce-domain", "bounce.shop.test",
                         "--tracking-domain", "t.shop.test").split()[-1]
        record = ctl.run("key", "add", "acme", DOMAIN, "k1", "--directory", tmp_path / "keys")
        assert (tmp_path / "keys" / tenant / DOMAIN / "k1.pem").stat().st_mode & 0o777 == 0o600
        s.publish("k1", "".join(record.split('"')[1::2]))
        ctl.run("content", "add", "letter.json", "--tenant", "acme", "--name", "letter")
        ctl.run("campaign", "create", "spring", "--tenant", "acme", "--content", "letter", "--pool", "default")
        people = "email,name\n" + "".join(f"user{i}@d{i % 50 + 1}.test,User {i}\n" for i in range(100))
        ctl.run("enqueue", "--tenant", "acme", "--campaign", "spring", "-", stdin=people)
        config = s.write_config(postgres={"dsn": empty_dsn})
        assert "running\n" == ctl.run("-c", config, "campaign", "start", "spring", "--tenant", "acme")
        s.start()
        s.wait(None, lambda _: len(s.world.ledger()) == 100)
        s.stop()
        assert {line["recipient"] for line in s.world.ledger()} == {f"user{i}@d{i % 50 + 1}.test" for i in range(100)}
        assert "100" in ctl.run("campaign", "show", "spring", "--tenant", "acme")


def test_the_database_from_the_configuration(shop, empty_dsn):
    (shop.directory / "mta.yaml").write_text(json.dumps({
        "postgres": {"dsn": empty_dsn}, "sources": {"s1": {"ipv4": "127.0.5.1"}},
        "pools": {"default": {"sources": ["s1"]}}}))
    del shop.environment["PENGUIN_DSN"]
    assert [json.loads(line)["name"] for line in shop.run("-c", "mta.yaml", "tenant", "list", "--json").splitlines()] == ["acme"]
    assert "DSN" in shop.run("tenant", "list", code=64)
    (shop.directory / "mta.yaml").write_text("postgres: {dns: x}\n")
    assert "mta.yaml:1:12" in shop.run("-c", "mta.yaml", "tenant", "list", code=78)
