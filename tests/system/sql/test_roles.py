"""What each role may do, and that the application of one tenant sees nothing of another."""
import uuid

import psycopg2
import pytest

from penguin import SQL, Session, Shop, text_of, uuid7

APP_STATEMENTS = ("enqueue_jobs", "campaign_create", "campaign_start", "campaign_pause",
                  "campaign_resume", "campaign_cancel", "campaign_show", "content_add",
                  "suppression_add", "suppression_lift", "job_show", "attempt_list", "accounting")
MTA_STATEMENTS = (
    "worker_start", "heartbeat", "worker_replace", "worker_stop", "mark_dead", "take_over",
    "worker_beat", "worker_beats", "worker_recall", "worker_peers", "worker_untold", "batch_suspect",
    "lease_sweep", "ready_recent", "ready_sweep", "claim", "jobs_read", "campaign_read",
    "content_read", "content_partials", "report", "retry_file", "batch_close", "batch_release",
    "crash_add", "quarantine_add", "inbox_ready", "inbox_move", "feed_start",
    "suppression_feed", "campaign_feed", "hold_feed", "domain_learn", "limit_reserve", "campaign_fold", "fold_sweep",
    "campaign_overdue", "campaign_finish", "campaign_pause", "suppression_add", "accounting")


def session_as(dsn, role, tenant=None):
    session = Session(dsn)
    session.query(f"SET ROLE {role}")
    if tenant:
        session.query("SELECT set_config('penguin.tenant', %s, false)", tenant)
    return session


def run_all(session, names):
    """Each statement as the role, with null parameters where that is refused last."""
    for name in names:
        text = text_of(name)
        session.query(f"PREPARE {name} AS {text}")
        count = session.value("SELECT cardinality(parameter_types) FROM pg_prepared_statements "
                              "WHERE name = %s", name)
        arguments = "(" + ", ".join(["NULL"] * count) + ")" if count else ""
        try:
            session.query(f"EXECUTE {name}{arguments}")
        except psycopg2.errors.IntegrityError:
            pass  # the privileges were in order; null was not
        except psycopg2.errors.InsufficientPrivilege as error:
            assert "row-level security" in str(error), name  # null is not our tenant


@pytest.mark.parametrize("role, names", [("penguin_app", APP_STATEMENTS), ("penguin_mta", MTA_STATEMENTS)])
def test_role_may_run_its_statements(database, role, names):
    run_all(session_as(database, role, str(uuid.uuid4())), names)


def test_app_sees_its_own_tenant_only(database, shop):
    other = Shop(database, "other")
    for s in (shop, other):
        s.enqueue(s.campaign(), 20)
        s.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) "
                        "SELECT tenant_id, %s, id, 'x@y.z' FROM penguin.campaigns WHERE tenant_id = %s",
                        uuid7(), s.tenant)
        s.session.run("suppression_add", [s.tenant], ["a@b.c"], ["*"], ["manual"], [""], [None])
        s.session.query("INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, "
                        "state, at) VALUES (%s, %s, %s, %s, 1, 'bounced', now())",
                        s.tenant, uuid7(), uuid7(), uuid7())
        s.session.query("INSERT INTO penguin.campaign_stats (tenant_id, campaign_id, stripe) "
                        "VALUES (%s, %s, 0)", s.tenant, uuid7())
        s.session.query("INSERT INTO penguin.quarantine (tenant_id, job_id, campaign_id, reason) "
                        "VALUES (%s, %s, %s, '')", s.tenant, uuid7(), uuid7())
    tables = ("tenants", "contents", "campaigns", "jobs", "batches", "attempts", "campaign_stats",
              "quarantine", "suppressions", "accounting", "inbox_waiting")
    app = session_as(database, "penguin_app", shop.tenant)
    for table in tables:
        rows = app.query(f"SELECT DISTINCT tenant_id::text FROM penguin.{table}")
        assert rows == [(shop.tenant,)], table
    assert app.run("accounting", None, None)[0]["waiting"] == 21
    nobody = session_as(database, "penguin_app")
    for table in tables:
        assert nobody.query(f"SELECT count(*) FROM penguin.{table}") == [(0,)], table


def test_app_cannot_write_for_another_tenant(database, shop):
    other = Shop(database, "other")
    campaign = other.campaign()
    app = session_as(database, "penguin_app", shop.tenant)
    refused = (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.CheckViolation)
    for table in ("jobs", "inbox"):
        with pytest.raises(refused):
            app.query(f"INSERT INTO penguin.{table} (tenant_id, id, campaign_id, recipient) "
                      "VALUES (%s, %s, %s, 'a@b.c')", other.tenant, uuid7(), campaign)
    with pytest.raises(refused):
        app.query("INSERT INTO penguin.suppressions (tenant_id, address, reason) "
                  "VALUES (%s, 'a@b.c', 'manual')", other.tenant)
    assert app.run("campaign_pause", other.tenant, campaign, "mine now") == []
    assert app.run("enqueue_jobs", other.tenant, campaign, [uuid7()], ["a@b.c"], [None], [None], None) == [
        {"added": 0}]
    assert other.session.value("SELECT state FROM penguin.campaigns WHERE id = %s", campaign) == "running"


FORBIDDEN = [
    ("penguin_app", "UPDATE penguin.jobs SET vars = '{}'"),
    ("penguin_app", "DELETE FROM penguin.batches"),
    ("penguin_app", "SELECT * FROM penguin.inbox"),
    ("penguin_app", "SELECT * FROM penguin.workers"),
    ("penguin_app", "INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, priority, jobs, owner, "
     "token) SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), '', 1, '{}', "
     "gen_random_uuid(), gen_random_uuid()"),
    ("penguin_app", "INSERT INTO penguin.attempts DEFAULT VALUES"),
    ("penguin_app", "SELECT * FROM penguin.jobs_default"),
    ("penguin_mta", "UPDATE penguin.jobs SET vars = '{}'"),
    ("penguin_mta", "DELETE FROM penguin.jobs"),
    ("penguin_mta", "UPDATE penguin.attempts SET reply = ''"),
    ("penguin_mta", "DELETE FROM penguin.suppressions"),
    ("penguin_mta", "INSERT INTO penguin.tenants DEFAULT VALUES"),
    ("penguin_mta", "CREATE TABLE penguin.x ()"),
    ("penguin_bounce", "SELECT * FROM penguin.contents"),
    ("penguin_bounce", "DELETE FROM penguin.batches"),
    ("penguin_track", "SELECT * FROM penguin.attempts"),
    ("penguin_track", "INSERT INTO penguin.jobs DEFAULT VALUES"),
]


def test_roles_may_not(database):
    for role, text in FORBIDDEN:
        session = session_as(database, role, str(uuid.uuid4()))
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            session.query(text)
            pytest.fail(f"{role}: {text}")
        session.close()


def test_app_may_copy_into_the_inbox(database, shop):
    import io
    campaign = shop.campaign()
    app = session_as(database, "penguin_app", shop.tenant)
    with app.connection.cursor() as cursor:
        cursor.copy_expert("COPY penguin.inbox (tenant_id, id, campaign_id, recipient) FROM STDIN",
                           io.StringIO(f"{shop.tenant}\t{uuid7()}\t{campaign}\ta@b.c\n"))
        with pytest.raises(psycopg2.errors.CheckViolation):
            cursor.copy_expert("COPY penguin.inbox (tenant_id, id, campaign_id, recipient) FROM STDIN",
                               io.StringIO(f"{uuid.uuid4()}\t{uuid7()}\t{campaign}\ta@b.c\n"))


def test_an_owner_without_createrole_can_migrate(empty_dsn):
    owner = Session(empty_dsn)
    owner.query("CREATE ROLE plain_owner NOLOGIN")
    try:
        name = owner.value("SELECT current_database()")
        owner.query(f"GRANT CREATE ON DATABASE {name} TO plain_owner")
        owner.query("SET ROLE plain_owner")
        for path in sorted((SQL / "migrations").glob("*.sql")):
            owner.query(path.read_text())  # the roles are there already: it need not make them
        assert owner.value("SELECT count(*) FROM penguin.jobs") == 0
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            owner.query("CREATE ROLE x")
    finally:
        owner.query("RESET ROLE")
        owner.query("DROP OWNED BY plain_owner CASCADE")
        owner.query("DROP ROLE plain_owner")
        owner.close()
