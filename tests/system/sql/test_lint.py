"""Rules that every statement keeps; durability depends on them, so they are tested."""
import re

import pytest

from penguin import SQL, Session, text_of

FILES = sorted(SQL.glob("*.sql"))
NAMES = [path.stem for path in FILES]
FLEET = {"workers", "source_leases", "holds", "limits", "schema_migrations"}
# What works on whole partitions, for all tenants at once.
PARTITIONS = {"maintain_missing", "maintain_expired", "maintain_default", "maintain_limits", "maintain_quarantine"}
LARGE = {"jobs", "attempts"}
# Erasing a person is the one thing that changes what was appended.
MAY_UPDATE_LARGE = {"erase_jobs": {"jobs"}, "erase_attempts": {"attempts"}}


def tables_of(text):
    return set(re.findall(r"penguin\.([a-z_]+)", text))


def test_every_file_is_built_in():
    listed = re.findall(r"'([\w/]+\.sql)'", (SQL / "meson.build").read_text())
    assert sorted(listed) == sorted(str(path.relative_to(SQL)) for path in SQL.rglob("*.sql"))


@pytest.mark.parametrize("name", NAMES)
def test_names_its_tenant(name):
    if name in PARTITIONS or not tables_of(text_of(name)) - FLEET:
        assert "tenant" in (SQL / f"{name}.sql").read_text()
    else:
        assert "tenant_id" in text_of(name)


@pytest.mark.parametrize("name", NAMES)
def test_head_documents_parameters_and_rows(name):
    full = (SQL / f"{name}.sql").read_text()
    head = "\n".join(line for line in full.splitlines() if line.startswith("--"))
    for number in set(re.findall(r"\$(\d+)", text_of(name))):
        assert re.search(rf"\${number}\b", head), number
    assert "-- rows: " in head
    columns = head.split("-- rows: ")[1].split(";")[0]
    if not columns.startswith("none"):
        for column in re.findall(r"^\s*(?:--)?\s*(\w+)", columns, re.M)[:1]:
            assert column in text_of(name), column


@pytest.mark.parametrize("name", NAMES)
def test_large_tables_are_only_appended_to(name):
    text = text_of(name)
    changed = set(re.findall(r"(?:UPDATE|DELETE FROM)\s+penguin\.([a-z_]+)", text))
    assert changed & LARGE <= MAY_UPDATE_LARGE.get(name, set())


def test_no_volatile_function_where_it_writes(database):
    session = Session(database)
    for name in NAMES:
        text = text_of(name)
        if re.search(r"\b(INSERT|UPDATE|DELETE)\b", text):
            called = sorted(set(re.findall(r"\b([a-z_0-9]+)\(", text)))
            assert session.query("SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v' "
                                 "AND proname = ANY (%s)", called) == [], name
    session.close()


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_its_type(name):
    for match in re.finditer(r"\$\d+", text_of(name)):
        after = text_of(name)[match.end():match.end() + 2]
        assert after == "::", text_of(name)[match.start() - 20:match.end() + 20]


def test_retry_merge_needs_no_session():
    for path in FILES:
        text = text_of(path.stem)
        for word in ("SET SESSION", "LISTEN", "pg_advisory", "TEMP", "nextval", "WITH HOLD", "PREPARE "):
            assert word not in text, (path.name, word)


def test_the_manual_has_every_table_and_column(database):
    manual = (SQL.parents[1] / "man" / "penguin-sql.7").read_text()
    sections = dict(re.findall(r"^\.Ss ([a-z_]+)\n(.*?)(?=^\.S[sh] )", manual, re.M | re.S))
    session = Session(database)
    rows = session.query("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = "
                         "'penguin' AND table_name NOT LIKE '%default' AND table_name NOT IN "
                         "('accounting', 'inbox_waiting') ORDER BY 1, ordinal_position")
    session.close()
    assert {table for table, _ in rows} == set(sections) & {table for table, _ in rows}
    for table, column in rows:
        assert re.search(rf"^\.It .*\b{column}\b", sections[table], re.M), f"{table}.{column}"
    for table in {t for t, _ in rows}:
        named = set(re.findall(r"\b[a-z_]+\b", " ".join(
            re.sub(r"Vt [a-z0-9\[\]]+", "", line)
            for line in re.findall(r"^\.It Va (.*)", sections[table], re.M)))) - {"a"}
        assert named <= {c for t, c in rows if t == table}, table


def test_every_migration_is_embedded():
    """One that only the tests apply is one that no user gets."""
    listed = re.findall(r"'migrations/(\w+\.sql)'", (SQL / "meson.build").read_text())
    assert listed == sorted(path.name for path in (SQL / "migrations").glob("*.sql"))
    assert [name[:4] for name in listed] == [f"{n:04}" for n in range(1, len(listed) + 1)]
