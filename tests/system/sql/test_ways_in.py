"""The three ways in, each as penguin-sql(7) shows it."""
import io
import re

import pytest

from penguin import NIL, SQL, Shop, uuid7

MANUAL = SQL.parents[1] / "man" / "penguin-sql.7"


def example(name):
    """The display of the manual after the comment line `.\\" example NAME`."""
    found = re.search(rf'^\.\\" example {name}\n\.Bd [^\n]*\n(.*?)^\.Ed', MANUAL.read_text(), re.M | re.S)
    assert found, name
    return found.group(1).replace("\\e", "\\").replace("\\-", "-").replace("\\(aq", "'")


def by_function(shop, campaign, ids, recipients):
    shop.session.query(
        "SELECT penguin.enqueue(%s, %s, %s::uuid[], %s, %s::jsonb[])",
        shop.tenant, campaign, ids, recipients, ['{"name": "Ann"}'] * len(ids))


def by_statement(shop, campaign, ids, recipients):
    shop.session.query(
        f"PREPARE plain AS {example('plain')}; EXECUTE plain (%s, %s, %s::uuid[], %s, %s::jsonb[]); "
        "DEALLOCATE plain", shop.tenant, campaign, ids, recipients, ['{"name": "Ann"}'] * len(ids))


def by_enqueue_jobs(shop, campaign, ids, recipients):
    shop.enqueue(campaign, recipients=recipients, ids=ids)


def move(shop):
    assert shop.session.run("inbox_ready", NIL, 10) == [{"tenant_id": shop.tenant}]
    while shop.session.run("inbox_move", shop.tenant, 400, "salt")[0]["taken"]:
        pass


def by_copy(shop, campaign, ids, recipients):
    rows = "".join(f"{shop.tenant}\t{i}\t{campaign}\t{r}\t{{\"name\": \"Ann\"}}\n"
                   for i, r in zip(ids, recipients))
    with shop.session.connection.cursor() as cursor:
        cursor.copy_expert(example("copy").strip().rstrip(";"), io.StringIO(rows))
    move(shop)


def by_inbox(shop, campaign, ids, recipients):
    shop.session.query(
        "INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient, vars) "
        "SELECT %s, u.id, %s, u.r, '{\"name\": \"Ann\"}' FROM unnest(%s::uuid[], %s) AS u (id, r)",
        shop.tenant, campaign, ids, recipients)
    move(shop)


WAYS = [by_function, by_statement, by_enqueue_jobs, by_copy, by_inbox]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_way_adds_the_same_once(shop, worker, way):
    campaign = shop.campaign(priority=3, pool="p")
    ids = [uuid7() for _ in range(1203)]
    recipients = [f"u{i}@D{i % 9}.example" for i in range(1203)]
    way(shop, campaign, ids, recipients)
    assert shop.account(campaign) == {"waiting": 1203}
    way(shop, campaign, ids, recipients)
    assert shop.account(campaign) == {"waiting": 1203}
    way(shop, campaign, ids[:2] + [uuid7()], recipients[:3])
    assert shop.account(campaign) == {"waiting": 1204}
    rows = shop.session.query(
        "SELECT DISTINCT pool, tag, priority, owner, state, vars->>'name', size <= 500 "
        "FROM penguin.batches b JOIN penguin.jobs j ON j.id = ANY (b.jobs)")
    assert rows == [("p", "other", 3, None, "waiting", "Ann", True)]
    batches = worker.claim((shop.tenant, "p", "other", 3, 5000))
    assert sorted(j["id"] for j in worker.jobs(batches))[:5] == sorted(ids)[:5]


@pytest.mark.parametrize("way", [by_function, by_statement, by_enqueue_jobs], ids=lambda way: way.__name__)
def test_unknown_campaign_adds_nothing(shop, way):
    way(shop, uuid7(), [uuid7()], ["a@b.example"])
    assert shop.session.value("SELECT count(*) FROM penguin.jobs") == 0


@pytest.mark.parametrize("table", ["jobs", "inbox"])
def test_an_id_that_is_no_uuidv7_is_refused(shop, table):
    with pytest.raises(Exception, match="check constraint"):
        shop.session.query(
            f"INSERT INTO penguin.{table} (tenant_id, id, campaign_id, recipient) "
            "VALUES (%s, gen_random_uuid(), %s, 'a@b.example')", shop.tenant, uuid7())


def test_inbox_counts_as_waiting_and_keeps_what_it_cannot_move(shop):
    campaign, unknown = shop.campaign(), uuid7()
    for c in (campaign, campaign, unknown):
        shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) "
                           "VALUES (%s, %s, %s, 'a@b.example')", shop.tenant, uuid7(), c)
    assert shop.session.run("accounting", shop.tenant, campaign)[0]["waiting"] == 2
    assert shop.session.run("inbox_move", shop.tenant, 100, "salt") == [{"taken": 2, "added": 2}]
    assert shop.session.run("accounting", shop.tenant, campaign)[0]["waiting"] == 2
    assert shop.session.value("SELECT count(*) FROM penguin.inbox") == 1


def test_a_pool_that_no_index_holds_is_refused_where_it_is_written(shop):
    """Behind the inbox nobody would be there to tell."""
    campaign = shop.campaign()
    for pool in ("", "".join(uuid7() for _ in range(200))):
        with pytest.raises(Exception, match="check constraint"):
            shop.session.query("UPDATE penguin.campaigns SET pool = %s WHERE id = %s", pool, campaign)


INSTANTS = [("campaigns", "not_before"), ("campaigns", "not_after"), ("campaigns", "created_at"), ("campaigns", "updated_at"),
            ("suppressions", "expires_at"), ("suppressions", "created_at"), ("suppressions", "changed_at"),
            ("contents", "created_at"), ("jobs", "enqueued_at"), ("inbox", "enqueued_at"), ("inbox", "not_before"),
            ("batches", "not_before")]


@pytest.mark.parametrize("table, column", INSTANTS, ids=lambda word: word)
def test_an_instant_that_the_engine_cannot_read_is_refused_where_it_is_written(shop, table, column):
    """It asks for all tenants' rows at once: one such row would have stopped everybody's."""
    campaign = shop.campaign()
    shop.enqueue(campaign, 1)
    shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'a@b.c')",
                       shop.tenant, uuid7(), campaign)
    shop.session.run("suppression_add", [shop.tenant], ["a@b.c"], ["*"], ["manual"], [""], [None])
    for instant in ("infinity", "-infinity", "294276-12-31", "1969-12-31"):
        if (table, instant) == ("batches", "infinity"):
            continue  # the engine's own: never
        with pytest.raises(Exception, match="check constraint"):
            shop.session.query(f"UPDATE penguin.{table} SET {column} = '{instant}'")
            pytest.fail(instant)
    shop.session.query(f"UPDATE penguin.{table} SET {column} = '9999-12-30'")
    start = shop.session.run("suppression_recent", 0, NIL, "", "", 10), shop.session.run("campaign_recent", 0, NIL, NIL, 10)
    assert len(start[0]) == len(start[1]) == 1
    assert len(shop.session.run("campaign_read", [shop.tenant], [campaign])) == 1
    shop.session.run("suppression_list", shop.tenant, None, "", 10)
    shop.session.run("campaign_show", shop.tenant, None)
    shop.session.run("queue_show", None)


@pytest.mark.parametrize("jobs", ["{{%s,%s},{%s,%s}}", "[3:6]={%s,%s,%s,%s}", "{%s,%s,NULL}"])
def test_a_list_that_cannot_be_divided_is_refused_where_it_is_written(shop, worker, jobs):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, 4)
    with pytest.raises(Exception, match="check constraint"):
        shop.session.query("UPDATE penguin.batches SET jobs = %s", jobs % tuple(ids[:jobs.count("%s")]))
    assert [b["size"] for b in worker.claim((shop.tenant, "default", "other", 10, 2))] == [2]


def test_inbox_schedule(shop, worker):
    campaign = shop.campaign()
    for when in ("now() - interval '1 minute'", "now() + interval '1 hour'", "NULL"):
        shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient, not_before) "
                           f"VALUES (%s, %s, %s, 'a@b.example', {when})", shop.tenant, uuid7(), campaign)
    move(shop)
    assert sum(b["size"] for b in worker.claim((shop.tenant, "default", "other", 10, 10))) == 2
    assert shop.account(campaign) == {"waiting": 1, "leased": 2}


def test_other_examples_of_the_manual_run(shop):
    campaign = shop.campaign()
    shop.enqueue(campaign, 3)
    for name in ("progress", "pause", "function"):
        text = example(name).replace(":tenant", f"'{shop.tenant}'").replace(":campaign", f"'{campaign}'")
        shop.session.query(text)
    assert shop.account(campaign) == {"waiting": 5}
    assert shop.session.value("SELECT state FROM penguin.campaigns") == "paused"


def test_a_domain_that_two_tenants_know_is_one_job(database, shop):
    """As the owner, who sees what every tenant knows."""
    other = Shop(database, "other")
    for tenant, provider in ((shop.tenant, "here"), (other.tenant, "there")):
        shop.session.run("domain_learn", [tenant], ["known.example"], [provider], ["site"])
    campaign = shop.campaign()
    ids = [uuid7(), uuid7()]
    assert shop.session.value("SELECT penguin.enqueue(%s, %s, %s::uuid[], %s)", shop.tenant, campaign, ids,
                              ["ann@known.example", "bob@known.example"]) == 2
    assert shop.session.query("SELECT tag, size FROM penguin.batches WHERE campaign_id = %s", campaign) == [("here", 2)]
    assert shop.account(campaign) == {"waiting": 2}


def test_a_batch_that_has_a_jobs_name_is_not_in_the_inboxs_way(shop):
    campaign = shop.campaign()
    job, other = uuid7(), uuid7()
    shop.session.query("INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, tag, priority, jobs) VALUES"
                       " (%s, %s, %s, 'default', 'other', 10, %s::uuid[])", shop.tenant, job, campaign, [other])
    shop.session.query("INSERT INTO penguin.inbox (tenant_id, id, campaign_id, recipient) VALUES (%s, %s, %s, 'a@b.example')",
                       shop.tenant, job, campaign)
    assert shop.session.run("inbox_move", shop.tenant, 10, "salt") == [{"taken": 1, "added": 1}]
    assert shop.session.query("SELECT count(*) FROM penguin.batches WHERE jobs = %s::uuid[]", [job]) == [(1,)]
