"""A tenant's login attacks: with SQL of its own choice it learns and changes nothing of another tenant.

Two tenants have the same ids, names and addresses.  "listed" is a login that penguin.logins binds to its
tenant; "free" is one that may name any tenant and has named this one.
"""
import io
import itertools
import json
import re
import uuid

import psycopg2
import psycopg2.errors
import pytest

from penguin import Session, Shop, text_of, uuid7

SECRET = "zoe.secret@only-the-other.example"
NUMBERS = itertools.count(1)
DENIED = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.CheckViolation)


def fill(it, recipients):
    """A row in each table of tenants."""
    campaign = it.campaign()
    it.enqueue(campaign, recipients=recipients)
    query = it.session.query
    query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, %s)",
          it.tenant, uuid7(), campaign, recipients[0])
    it.session.run("suppression_add", [it.tenant] * len(recipients), recipients, ["*"] * len(recipients),
                   ["manual"] * len(recipients), [recipients[0]] * len(recipients), [None] * len(recipients))
    query("INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state, reply, at) "
          "VALUES (%s, %s, %s, %s, 1, 'bounced', %s, now())", it.tenant, uuid7(), uuid7(), campaign, recipients[0])
    query("INSERT INTO penguin.campaign_stats (tenant_id, campaign_id, stripe) VALUES (%s, %s, 0)", it.tenant, campaign)
    query("INSERT INTO penguin.quarantine (tenant_id, job_id, campaign_id, reason) VALUES (%s, %s, %s, %s)",
          it.tenant, uuid7(), campaign, recipients[0])
    it.session.run("domain_learn", [it.tenant], [recipients[0].split("@")[1]], ["gmail"], [""])
    query("INSERT INTO penguin.evidence (tenant_id, attempt_id, job_id, attempt_no, state) VALUES (%s, %s, %s, 1, 'delivered')",
          it.tenant, uuid7(), uuid7())
    query("INSERT INTO penguin.logins VALUES (%s, %s)", f"login_of_{it.tenant}"[:60], it.tenant)
    it.campaign_id = campaign


@pytest.fixture
def other(database):
    it = Shop(database, "other")
    fill(it, [SECRET] + [f"user{i}@d{i}.example" for i in range(20)])
    yield it
    it.session.close()


@pytest.fixture
def logins(database, shop, other):
    """login(kind, tenant): a connection of a login of its own."""
    made, opened = [], []

    def login(kind, tenant):
        name = f"app_{next(NUMBERS)}"
        other.session.query(f"CREATE ROLE {name} LOGIN IN ROLE penguin_app")
        made.append(name)
        if kind == "listed":
            other.session.query("INSERT INTO penguin.logins VALUES (%s, %s)", name, tenant)
        session = Session(database.replace("user=postgres", f"user={name}"))
        session.name = name
        opened.append(session)
        if kind == "free":
            session.query("SELECT set_config('penguin.tenant', %s, false)", tenant)
        return session

    yield login
    for session in opened:
        session.close()
    for name in made:
        other.session.query(f"DROP OWNED BY {name}")
        other.session.query(f"DROP ROLE {name}")


@pytest.fixture(params=["listed", "free"])
def app(request, logins, shop):
    fill(shop, [f"user{i}@d{i}.example" for i in range(3)])
    return logins(request.param, shop.tenant)


@pytest.fixture
def listed(logins, shop):
    fill(shop, [f"user{i}@d{i}.example" for i in range(3)])
    return logins("listed", shop.tenant)


def tables(session):
    """Of tenants, without the partitions."""
    found = [row[0] for row in session.query(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' "
        "WHERE c.relnamespace = 'penguin'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition "
        "ORDER BY 1")]
    assert len(found) >= 15
    return [name for name in found if name not in ("holds", "limits")]


def refused(session, text, *parameters, by=DENIED):
    """Why it is refused, without the values."""
    with pytest.raises(by) as caught:
        session.query(text, *parameters)
        pytest.fail(f"passed: {text}")
    return type(caught.value), caught.value.diag.message_primary


def all_of(it):
    """Every row of the tenant, as the superuser sees it."""
    return {name: sorted(row[0] for row in it.session.query(
        f"SELECT to_jsonb(t)::text FROM penguin.{name} t WHERE tenant_id = %s", it.tenant))
        for name in tables(it.session)}


def visible(session, name):
    """How many rows of which tenants; None: it may not look."""
    try:
        return dict(session.query(f"SELECT tenant_id::text, count(*) FROM penguin.{name} GROUP BY 1"))
    except psycopg2.errors.InsufficientPrivilege:
        return None


def test_tenant_Q1_only_rows_of_its_own_are_read(app, shop, other):
    hidden = []
    for name in tables(other.session):
        assert name == "inbox" or other.tenant in visible(other.session, name), f"{name}: nothing to hide"
        seen = visible(app, name)
        if not seen:
            hidden.append(name)
            continue
        assert set(seen) == {shop.tenant}, name
        for look in (f"SELECT tenant_id FROM penguin.{name} ORDER BY 1 DESC",
                     f"SELECT tenant_id FROM penguin.{name} WHERE tenant_id = '{other.tenant}' OR true",
                     f"SELECT (to_jsonb(t) ->> 'tenant_id')::uuid FROM penguin.{name} t"):
            assert {str(row[0]) for row in app.query(look)} == {shop.tenant}, look
        with app.connection.cursor() as cursor:
            out = io.StringIO()
            cursor.copy_expert(f"COPY (SELECT * FROM penguin.{name}) TO STDOUT", out)
            assert shop.tenant in out.getvalue() and other.tenant not in out.getvalue(), name
    listed = app.query("SELECT login FROM penguin.logins") == [(app.name,)]
    assert hidden == (["evidence", "inbox"] if listed else ["evidence", "inbox", "logins"])
    for row in app.query("SELECT c.oid::regclass::text FROM pg_class c WHERE c.relispartition AND c.relkind = 'r' "
                         "AND c.relnamespace = 'penguin'::regnamespace"):
        refused(app, f"SELECT FROM {row[0]}")
    app.query("SET row_security = off")
    refused(app, "SELECT FROM penguin.jobs")


def test_tenant_Q1_a_listed_login_has_one_tenant_whatever_it_says(listed, shop, other):
    assert visible(listed, "campaigns") == {shop.tenant: 1}
    listed.query("SELECT set_config('penguin.tenant', %s, false)", other.tenant)
    for name in tables(other.session):
        assert name == "logins" or not visible(listed, name), name
    refused(listed, "INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'a@b.c')",
            other.tenant, uuid7(), other.campaign_id)
    listed.query("SET ROLE penguin_app")
    assert not visible(listed, "campaigns")
    for role in ("penguin_mta", "penguin_admin", "penguin_bounce", "penguin_track", "postgres"):
        refused(listed, f"SET ROLE {role}")
        refused(listed, f"SET SESSION AUTHORIZATION {role}")
    refused(listed, "UPDATE penguin.logins SET tenant_id = %s", other.tenant)
    refused(listed, "DELETE FROM penguin.logins")
    listed.query("RESET ROLE")
    listed.query("SELECT set_config('penguin.tenant', %s, false)", shop.tenant)
    assert listed.query("SELECT login, tenant_id::text FROM penguin.logins") == [(listed.name, shop.tenant)]


def test_tenant_Q1_a_search_path_of_its_own_changes_no_policy(listed, shop, other):
    """As on servers that let everybody make functions in schema public."""
    other.session.query(f"GRANT CREATE, USAGE ON SCHEMA public TO {listed.name}")
    for type_ in ("name", "uuid", "text"):
        listed.query(f"CREATE FUNCTION public.always({type_}, {type_}) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true'")
        listed.query(f"CREATE OPERATOR public.= (LEFTARG = {type_}, RIGHTARG = {type_}, FUNCTION = public.always)")
    listed.query("CREATE FUNCTION public.current_setting(text, boolean) RETURNS text LANGUAGE sql "
                 f"AS $$SELECT '{other.tenant}'$$")
    listed.query("SET search_path = public, pg_catalog")
    assert listed.value("SELECT 'a'::name = 'b'::name")
    for name in tables(other.session):
        seen = visible(listed, name)
        assert seen is None or set(seen) == {shop.tenant}, name


def test_tenant_Q1_functions_of_its_own_see_no_other_row(listed, other):
    """A function that tells its argument, and claims to cost nothing, runs behind the policies."""
    listed.query("CREATE TEMP TABLE told (value text)")
    listed.query("CREATE FUNCTION pg_temp.tell(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS "
                 "$$BEGIN INSERT INTO told VALUES ($1); RETURN true; END$$")
    listed.query("CREATE OPERATOR pg_temp.### (RIGHTARG = text, FUNCTION = pg_temp.tell)")
    for name in tables(other.session):
        if name in ("evidence", "inbox"):
            continue
        for look in (f"SELECT count(*) FROM penguin.{name} t WHERE pg_temp.tell(to_jsonb(t)::text)",
                     f"SELECT count(*) FROM penguin.{name} t WHERE OPERATOR(pg_temp.###) tenant_id::text",
                     f"SELECT count(*) FROM penguin.{name} t GROUP BY tenant_id HAVING pg_temp.tell(tenant_id::text)"):
            listed.query(look)
    told = [row[0] for row in listed.query("SELECT value FROM told")]
    assert len(told) > 20
    assert [value for value in told if other.tenant in value or SECRET in value] == []
    # An error at a row of another tenant would tell as well.
    for column, table in (("address", "suppressions"), ("recipient", "jobs"), ("evidence", "suppressions")):
        listed.query(f"SELECT 1 / (length({column}) - {len(SECRET)}) FROM penguin.{table}")
        listed.query(f"SELECT FROM penguin.{table} WHERE 1 / (length({column}) - {len(SECRET)}) <> 9")


OWN = {
    "tenants": "(tenant_id, name) VALUES (%s, 'x')",
    "contents": "(tenant_id, id, version, name, kind, body) VALUES (%s, gen_random_uuid(), 1, 'x', 'template', '{}')",
    "campaigns": "(tenant_id, id, name, content_id) VALUES (%s, gen_random_uuid(), 'x', gen_random_uuid())",
    "jobs": "(tenant_id, id, campaign_id, recipient) VALUES (%s, '01935d2e-5a00-7000-8000-000000000001', "
            "gen_random_uuid(), 'a@b.c')",
    "inbox": "(tenant_id, id, campaign_id, recipient) VALUES (%s, '01935d2e-5a00-7000-8000-000000000001', "
             "gen_random_uuid(), 'a@b.c')",
    "batches": "(tenant_id, id, campaign_id, pool, priority, jobs) VALUES (%s, '01935d2e-5a00-7000-8000-000000000001', "
               "gen_random_uuid(), 'default', 10, ARRAY[gen_random_uuid()])",
    "attempts": "(tenant_id, id, job_id, campaign_id, attempt_no, state, at) VALUES (%s, "
                "'01935d2e-5a00-7000-8000-000000000001', gen_random_uuid(), gen_random_uuid(), 1, 'bounced', now())",
    "campaign_stats": "(tenant_id, campaign_id, stripe) VALUES (%s, gen_random_uuid(), 1)",
    "quarantine": "(tenant_id, job_id, campaign_id, reason) VALUES (%s, gen_random_uuid(), gen_random_uuid(), '')",
    "evidence": "(tenant_id, attempt_id, job_id, attempt_no, state)"
                " VALUES (%s, gen_random_uuid(), gen_random_uuid(), 1, 'delivered')",
    "suppressions": "(tenant_id, address, reason) VALUES (%s, 'a@b.c', 'manual')",
    "domains": "(tenant_id, domain) VALUES (%s, 'b.c')",
    "logins": "(login, tenant_id) VALUES ('somebody', %s)",
}
MAY_INSERT = {"contents", "campaigns", "jobs", "inbox", "batches", "suppressions"}


def test_tenant_Q1_nothing_is_written_for_another(app, shop, other):
    before = all_of(other)
    views = {"accounting", "inbox_waiting"}
    assert set(tables(other.session)) - views == set(OWN)
    for name, values in OWN.items():
        refused(app, f"INSERT INTO penguin.{name} {values}", other.tenant)
        if name in MAY_INSERT:
            app.query(f"INSERT INTO penguin.{name} {values}", shop.tenant)
        else:
            refused(app, f"INSERT INTO penguin.{name} {values}", shop.tenant)
    for name in OWN:
        refused(app, f"UPDATE penguin.{name} SET tenant_id = %s", other.tenant)
        refused(app, f"DELETE FROM penguin.{name}")
        refused(app, f"TRUNCATE penguin.{name}")
    assert app.query("UPDATE penguin.campaigns SET state = 'paused' WHERE tenant_id = %s", other.tenant) == 0
    assert app.query("UPDATE penguin.suppressions SET expires_at = now() WHERE address = %s", SECRET) == 0
    assert app.run("enqueue_jobs", other.tenant, other.campaign_id, [uuid7()], ["a@b.c"], [None], [None], None) == [
        {"added": 0}]
    assert app.query("SELECT penguin.enqueue(%s, %s, %s::uuid[], %s)", other.tenant, other.campaign_id, [uuid7()],
                     ["a@b.c"]) == [(0,)]
    with app.connection.cursor() as cursor:
        for tenant in (other.tenant, str(uuid.uuid4())):
            with pytest.raises(DENIED):
                cursor.copy_expert("COPY penguin.inbox (tenant_id, id, campaign_id, recipient) FROM STDIN", io.StringIO(
                    f"{shop.tenant}\t{uuid7()}\t{shop.campaign_id}\ta@b.c\n{tenant}\t{uuid7()}\t{other.campaign_id}\ta@b.c\n"))
    assert all_of(other) == before


@pytest.mark.parametrize("unset", ["RESET penguin.tenant", "SET penguin.tenant = ''", "SELECT"])
def test_tenant_Q1_who_names_no_tenant_writes_nothing(database, logins, shop, other, unset):
    free = logins("free", shop.tenant)
    free.close()
    free = Session(database.replace("user=postgres", f"user={free.name}"))
    free.query(unset)
    before = all_of(other)
    for name in MAY_INSERT:
        refused(free, f"INSERT INTO penguin.{name} {OWN[name]}", other.tenant)
    with free.connection.cursor() as cursor, pytest.raises(DENIED):
        cursor.copy_expert("COPY penguin.inbox (tenant_id, id, campaign_id, recipient) FROM STDIN",
                           io.StringIO(f"{other.tenant}\t{uuid7()}\t{other.campaign_id}\ta@b.c\n"))
    for name in tables(other.session):
        assert not visible(free, name), name
    free.close()
    assert all_of(other) == before


def answer(session, text, *parameters):
    """What is said to a statement: how many rows, or the error; nothing of it stays."""
    session.query("BEGIN")
    try:
        return session.query(text, *parameters)
    except psycopg2.Error as error:
        return error.pgcode, error.diag.message_primary, error.diag.message_detail
    finally:
        session.query("ROLLBACK")


def test_tenant_Q1_what_another_has_is_as_free_as_what_nobody_has(listed, shop, other):
    """No collision, and no other error, tells whether an id, a name or an address is there."""
    content, name = other.session.query("SELECT id::text, name FROM penguin.contents WHERE tenant_id = %s", other.tenant)[0]
    job = other.session.value("SELECT id::text FROM penguin.jobs WHERE tenant_id = %s LIMIT 1", other.tenant)
    batch = other.session.value("SELECT id::text FROM penguin.batches WHERE tenant_id = %s LIMIT 1", other.tenant)
    questions = (
        ("jobs (tenant_id, id, recipient, campaign_id) VALUES (%s, %s, 'a@b.c', %s)",
         (job, other.campaign_id), (uuid7(), uuid7())),
        ("batches (tenant_id, id, pool, priority, campaign_id, jobs) VALUES (%s, %s, 'p', 1, %s, ARRAY[%s::uuid])",
         (batch, other.campaign_id, job), (uuid7(), uuid7(), uuid7())),
        ("inbox (tenant_id, id, recipient, campaign_id) VALUES (%s, %s, 'a@b.c', %s)",
         (job, other.campaign_id), (uuid7(), uuid7())),
        ("campaigns (tenant_id, id, name, content_id) VALUES (%s, %s, 'x', %s)",
         (other.campaign_id, content), (uuid7(), uuid7())),
        ("contents (tenant_id, id, version, name, kind, body) VALUES (%s, %s, 1, %s, 'template', '{}')",
         (content, name), (uuid7(), "free")),
        ("suppressions (tenant_id, address, reason) VALUES (%s, %s, 'manual')", (SECRET,), ("nobody@nowhere.example",)))
    before = all_of(other)
    for question, there, nobodys in questions:
        for more in ("", " ON CONFLICT DO NOTHING"):
            text = f"INSERT INTO penguin.{question}{more}"
            assert answer(listed, text, shop.tenant, *there) == answer(listed, text, shop.tenant, *nobodys) == 1, text
            first, second = (answer(listed, text, other.tenant, *values)[:2] for values in (there, nobodys))
            assert first == second and first[0] in ("42501", "23514"), (text, first, second)
    assert all_of(other) == before
    assert other.session.query("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = "
                               "'penguin'::regnamespace") == [(0,)]


def test_tenant_Q1_ids_of_another_lead_nowhere(listed, shop, other, worker):
    """A batch that lists another's jobs, a campaign with another's content, a job of another's campaign."""
    jobs = [row[0] for row in other.session.query("SELECT id::text FROM penguin.jobs WHERE tenant_id = %s", other.tenant)]
    content = other.session.value("SELECT id::text FROM penguin.contents WHERE tenant_id = %s", other.tenant)
    campaign = uuid7()
    listed.query("INSERT INTO penguin.campaigns (tenant_id, id, name, state, content_id, pool) "
                 "VALUES (%s, %s, 'spy', 'running', %s, 'spy')", shop.tenant, campaign, content)
    listed.query("INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, priority, jobs) "
                 "VALUES (%s, %s, %s, 'spy', 10, %s::uuid[])", shop.tenant, uuid7(), campaign, jobs)
    listed.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'a@b.c')",
                 shop.tenant, uuid7(), other.campaign_id)
    before = all_of(other)
    batches = worker.claim((shop.tenant, "spy", "other", 10, 1000))
    assert [(b["size"], b["content_version"]) for b in batches] == [(len(jobs), None)]
    assert {(j["recipient"], j["vars"], j["suppressed"], j["tried"]) for j in worker.jobs(batches)} == {
        (None, None, "", False)}
    assert worker.session.run("content_read", shop.tenant, content, 1) == []
    worker.session.run("inbox_move", shop.tenant, 100, "salt")
    assert all_of(other) == before
    assert worker.session.query("SELECT count(*) FROM penguin.jobs WHERE campaign_id = %s AND tenant_id <> %s",
                                other.campaign_id, other.tenant) == [(0,)]


def test_tenant_Q1_what_others_write_to_is_not_known(app, shop, other):
    """What another tenant's mail has taught shows neither in the table nor in one's own batches."""
    known = SECRET.split("@")[1]
    assert app.query("SELECT domain FROM penguin.domains WHERE domain = %s", known) == []
    campaign = shop.campaign(start=False)
    app.run("enqueue_jobs", shop.tenant, campaign, [uuid7()], [SECRET], [None], [None], None)
    app.query("SELECT penguin.enqueue(%s, %s, %s::uuid[], %s)", shop.tenant, campaign, [uuid7()], [SECRET])
    app.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, %s)",
              shop.tenant, uuid7(), campaign, SECRET)
    other.session.run("inbox_move", shop.tenant, 100, "salt")
    tags = "SELECT tag, count(*) FROM penguin.batches WHERE campaign_id = %s GROUP BY 1"
    assert app.query(tags, campaign) == [("other", 3)]
    other.session.run("enqueue_jobs", other.tenant, other.campaign_id, [uuid7()], [SECRET], [None], [None], None)
    assert ("gmail", 1) in other.session.query(tags, other.campaign_id)


def estimate(session, text):
    return json.dumps(session.value(f"EXPLAIN (FORMAT JSON) {text}")[0]["Plan"]["Plan Rows"])


def test_tenant_Q1_estimates_tell_of_no_value(listed, shop, other):
    for row in other.session.run("maintain_missing", 1):
        other.session.query(row["ddl"])
    other.enqueue(other.campaign_id, recipients=[SECRET] * 3000)
    other.session.query("INSERT INTO penguin.suppressions (tenant_id, address, stream, reason) "
                        "SELECT %s, %s, g::text, 'manual' FROM generate_series(1, 3000) g", other.tenant, SECRET)
    other.session.query("INSERT INTO penguin.campaigns (tenant_id, id, name, content_id) "
                        "SELECT %s, gen_random_uuid(), 'secret', %s FROM generate_series(1, 3000) g", other.tenant, uuid7())
    other.session.query("ANALYZE")
    nobody = str(uuid.uuid4())
    for table, column, values in (
            ("jobs", "recipient", (SECRET, "nobody@nowhere.example")), ("jobs", "tenant_id", (other.tenant, nobody)),
            ("suppressions", "address", (SECRET, "nobody@nowhere.example")),
            ("suppressions", "tenant_id", (other.tenant, nobody)), ("campaigns", "tenant_id", (other.tenant, nobody)),
            ("campaigns", "name", ("secret", "nobody")), ("batches", "tenant_id", (other.tenant, nobody)),
            ("inbox_waiting", "tenant_id", (other.tenant, nobody)), ("tenants", "tenant_id", (other.tenant, nobody))):
        for operator in ("=", "<>", "<", ">="):
            said = {estimate(listed, f"SELECT * FROM penguin.{table} WHERE {column} {operator} '{value}'")
                    for value in values}
            assert len(said) == 1, (table, column, operator, said)
    assert listed.query("SELECT tablename, attname FROM pg_stats WHERE schemaname = 'penguin'"
                        " AND tablename <> 'schema_migrations'") == []
    # Not even for who may look: new partitions gather none either.
    assert other.session.query("SELECT DISTINCT tablename FROM pg_stats WHERE schemaname = 'penguin' AND tablename "
                               "NOT IN ('schema_migrations', 'workers', 'holds', 'limits')") == []
    assert other.session.value("SELECT count(*) FROM penguin.jobs_default") == 0


STRONG = ("ROW SHARE", "SHARE UPDATE EXCLUSIVE", "SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")


def test_tenant_Q1_no_lock_holds_up_another(app, other):
    """Neither of a table nor of a row; what is locked of its own rows stops its own tenant only."""
    for (name,) in other.session.query("SELECT oid::regclass::text FROM pg_class WHERE relnamespace = "
                                       "'penguin'::regnamespace AND relkind IN ('r', 'p', 'v')"):
        for mode in STRONG:
            app.query("BEGIN")
            refused(app, f"LOCK TABLE {name} IN {mode} MODE")
            app.query("ROLLBACK")
    app.query("BEGIN")
    assert len(app.query("SELECT id FROM penguin.campaigns FOR UPDATE")) == 1
    assert len(app.query("SELECT address FROM penguin.suppressions FOR UPDATE")) == 3
    other.session.query("SET lock_timeout = '1s'")
    assert other.session.run("campaign_pause", other.tenant, other.campaign_id, "x")
    assert other.session.query("UPDATE penguin.suppressions SET expires_at = now() WHERE tenant_id = %s", other.tenant) == 21
    app.query("ROLLBACK")


def test_tenant_Q1_nothing_is_hung_on_a_table(app, other):
    app.query("CREATE FUNCTION pg_temp.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    wrong = DENIED + (psycopg2.errors.InvalidTableDefinition, psycopg2.errors.WrongObjectType)
    for text in ("CREATE TRIGGER spy BEFORE INSERT ON penguin.jobs FOR EACH ROW EXECUTE FUNCTION pg_temp.spy()",
                 "CREATE RULE spy AS ON INSERT TO penguin.jobs DO ALSO NOTIFY x",
                 "CREATE TEMP TABLE child () INHERITS (penguin.campaigns)",
                 "CREATE TABLE penguin.own (a int)", "CREATE FUNCTION penguin.own() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                 "CREATE POLICY mine ON penguin.jobs USING (true)", "ALTER TABLE penguin.jobs DISABLE ROW LEVEL SECURITY",
                 "CREATE INDEX ON penguin.campaigns (name)", "CREATE STATISTICS penguin.s ON tenant_id, name FROM penguin.campaigns",
                 "CREATE OR REPLACE FUNCTION penguin.own_tenant() RETURNS uuid LANGUAGE sql AS 'SELECT gen_random_uuid()'",
                 "COPY penguin.campaigns TO PROGRAM 'cat'", "COPY penguin.campaigns TO '/tmp/x'",
                 "SET session_replication_role = replica", "SELECT pg_read_file('PG_VERSION')"):
        refused(app, text, by=wrong)
    # A foreign key would answer whether a key exists; it needs a right that nobody has.
    refused(app, "CREATE TEMP TABLE probe (tenant_id uuid REFERENCES penguin.tenants)", by=wrong)
    refused(app, "SELECT * FROM pg_statistic")
    # Nothing runs with the owner's rights, and nothing counts for all.
    assert other.session.query("SELECT proname FROM pg_proc WHERE pronamespace = 'penguin'::regnamespace AND prosecdef") == []
    assert other.session.query("SELECT relname FROM pg_class WHERE relnamespace = 'penguin'::regnamespace AND relkind = 'S'") == []
    assert other.session.query("SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
                               "WHERE c.relnamespace = 'penguin'::regnamespace") == []


def test_tenant_Q1_other_logins_sessions_are_closed(logins, shop, other):
    mine, theirs = logins("listed", shop.tenant), logins("listed", other.tenant)
    theirs.query("CREATE TEMP TABLE kept AS SELECT 'secret' AS value")
    large = theirs.value("SELECT lo_from_bytea(0, 'secret')")
    theirs.query(f"SELECT '{SECRET}' AS said")
    pid = theirs.value(f"SELECT pg_backend_pid() /* {SECRET} */")
    seen = mine.query("SELECT query, application_name, client_addr, state, query_start, backend_xmin "
                      "FROM pg_stat_activity WHERE pid = %s", pid)
    assert seen and SECRET not in str(seen) and seen[0][0] == "<insufficient privilege>"
    for function in ("pg_cancel_backend", "pg_terminate_backend", "pg_log_backend_memory_contexts"):
        refused(mine, f"SELECT {function}(%s)", pid)
    refused(mine, "SELECT lo_get(%s)", large)
    refused(mine, "SELECT lo_unlink(%s)", large, by=DENIED + (psycopg2.errors.ObjectNotInPrerequisiteState,))
    schema = theirs.value("SELECT pg_my_temp_schema()::regnamespace::text")
    refused(mine, f"SELECT * FROM {schema}.kept")
    assert theirs.value("SELECT value FROM kept") == "secret"


def test_tenant_Q1_statements_show_no_more_than_the_table(app, shop, other):
    """The statements of src/sql, asked for the other tenant."""
    asked = 0
    for name, parameters in (
            ("accounting", (other.tenant, None)), ("campaign_show", (other.tenant, other.campaign_id)),
            ("job_show", (other.tenant, other.session.value("SELECT id::text FROM penguin.jobs WHERE tenant_id = %s LIMIT 1",
                                                            other.tenant))),
            ("attempt_list", (other.tenant, other.session.value("SELECT job_id::text FROM penguin.attempts WHERE tenant_id = %s",
                                                                other.tenant))),
            ("campaign_pause", (other.tenant, other.campaign_id, "x")), ("campaign_cancel", (other.tenant, other.campaign_id, "x")),
            ("suppression_lift", (other.tenant, SECRET, "*"))):
        assert len(parameters) == max(int(n) for n in re.findall(r"\$(\d+)", text_of(name))), name
        assert app.run(name, *parameters) == [], name
        asked += 1
    assert asked == 7
    assert other.session.run("accounting", other.tenant, other.campaign_id)[0]["waiting"] == 22
