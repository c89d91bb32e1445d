"""Runs the statements of src/sql as the engine does: their text, their parameters."""
import os
import pathlib
import time
import uuid

import psycopg2
import psycopg2.extras

SQL = pathlib.Path(__file__).resolve().parents[3] / "src" / "sql"
NIL = "00000000-0000-0000-0000-000000000000"
FINAL = ("delivered", "bounced", "expired", "suppressed", "cancelled", "failed", "in_doubt")
DAY_MS = 86400 * 1000
STATES = ("waiting", "leased", "retrying") + FINAL


def text_of(name):
    """A statement without its head."""
    lines = (SQL / f"{name}.sql").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip()


def uuid7(ms=None):
    ms = int(time.time() * 1000) if ms is None else ms
    low = int.from_bytes(os.urandom(10), "big")
    value = ms << 80 | 7 << 76 | (low >> 68 & 0xFFF) << 64 | 2 << 62 | low & (1 << 62) - 1
    return str(uuid.UUID(int=value))


def now_us():
    return time.time_ns() // 1000


def literal(value):
    """A parameter as libpq sends it: text, also for an array."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, (list, tuple)):
        items = []
        for item in value:
            if item is None:
                items.append("NULL")
            else:
                word = literal(item).replace("\\", "\\\\").replace('"', '\\"')
                items.append(f'"{word}"')
        return "{" + ",".join(items) + "}"
    return str(value)


class Session:
    """A connection that runs statements by name; each commits unless told otherwise."""

    def __init__(self, dsn, autocommit=True):
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = autocommit
        self.prepared = set()

    def close(self):
        self.connection.close()

    def run(self, name, *parameters):
        """The rows of a statement, as dictionaries."""
        with self.connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            if name not in self.prepared:
                cursor.execute(f"PREPARE {name} AS {text_of(name)}")
                self.prepared.add(name)
            marks = ", ".join(["%s"] * len(parameters))
            cursor.execute(
                f"EXECUTE {name}" + (f"({marks})" if parameters else ""),
                [literal(p) for p in parameters],
            )
            return [dict(row) for row in cursor.fetchall()] if cursor.description else cursor.rowcount

    def query(self, text, *parameters):
        with self.connection.cursor() as cursor:
            cursor.execute(text, parameters or None)
            return cursor.fetchall() if cursor.description else cursor.rowcount

    def value(self, text, *parameters):
        return self.query(text, *parameters)[0][0]


def run_ddl(session, rows):
    session.connection.autocommit = False
    for row in rows:
        session.query(row["ddl"])
        session.connection.commit()
    session.connection.autocommit = True


def old_partition(session, days):
    """Makes a day of the past as maintain made it then."""
    text = (session.run("maintain_missing", 0))
    now = time.time()
    rows = []
    for row in text:
        ddl = row["ddl"]
        stamp = time.strftime("%Y%m%d", time.gmtime(now))
        old = time.strftime("%Y%m%d", time.gmtime(now - days * 86400))
        ms = int(now * 1000) // DAY_MS * DAY_MS
        for n in (1, 0):
            new = f"{ms + n * DAY_MS:012x}"
            past = f"{ms + (n - days) * DAY_MS:012x}"
            ddl = ddl.replace(f"{new[:8]}-{new[8:]}", f"@{n}@").replace(f"@{n}@", f"{past[:8]}-{past[8:]}")
        rows.append({"ddl": ddl.replace(stamp, old)})
    run_ddl(session, rows)


class Worker:
    """What a worker does, by hand."""

    def __init__(self, dsn, name="w1", lease_s=600):
        self.session = Session(dsn)
        self.id = str(uuid.uuid4())
        rows = self.session.run("worker_start", self.id, "node", name, "test", lease_s * 10**6, "m1", "")
        assert len(rows) == 1

    def claim(self, *keys, token=None, since_us=None, careful=False):
        """keys: (tenant, pool, tag, priority, jobs to take)"""
        columns = [list(column) for column in zip(*keys)]
        self.token = token or str(uuid.uuid4())
        splits = [uuid7() for _ in range(2 * len(keys))]
        batches = self.session.run("claim", *columns, splits, self.id, self.token, since_us,
                                   [careful] * len(keys))
        for batch in batches:
            batch["token"] = self.token
        return batches

    def jobs(self, batches, bytes_max=1 << 30):
        return self.session.run(
            "jobs_read", [b["tenant_id"] for b in batches], [b["id"] for b in batches],
            self.id, batches[0]["token"], uuid7(0)[:13] + "-0000-0000-000000000000", [], [], [],
            bytes_max,
        )

    def report(self, jobs, state, attempt_no=1, flags=0, ids=None, campaign=None):
        n = len(jobs)
        ids = ids or [uuid7() for _ in jobs]

        def many(value):
            return [value] * n

        self.session.run(
            "report", [j["tenant_id"] for j in jobs], ids, [j["id"] for j in jobs],
            [campaign or j["campaign_id"] for j in jobs], many(attempt_no), many(state),
            many("unknown"), many("recipient"), many("none"), many("dot"), many(250),
            many("2.0.0"), many('quoted "text" \\ {},é'), many("."), many("other"), many("site"),
            many("mx.example.com"), many("192.0.2.1"), many("s1"), many(None), many("TLSv1.3"),
            many(""), many(10240), many(flags), self.id, many(now_us()), many(12),
        )
        return ids

    def close(self, batches, **counts):
        """counts: name=number, for the one batch, or for all together the size of each"""
        rows = []
        for batch in batches:
            row = {state: 0 for state in FINAL}
            row.update({"attempts": 0, "deferrals": 0, "duplicates": 0})
            row.update(counts or {"delivered": batch["size"], "attempts": batch["size"]})
            rows.append(row)
        columns = [[row[c] for row in rows] for c in FINAL + ("attempts", "deferrals", "duplicates")]
        return self.session.run(
            "batch_close", self.id, 0, [b["token"] for b in batches],
            [b["tenant_id"] for b in batches], [b["id"] for b in batches], *columns,
        )

    def retry(self, batch, jobs, attempt_no=1, due_us=None, tag=None, to=None, state="retrying",
              source="s1", keys="k1", refiled=False, not_before_us=None):
        n = len(jobs)
        to = to or uuid7()
        due_us = now_us() if due_us is None else due_us
        moved = self.session.run(
            "retry_file", self.id, [batch["token"]] * n, [batch["tenant_id"]] * n,
            [batch["id"]] * n, [j["id"] for j in jobs], [attempt_no] * n, [due_us] * n,
            [source] * n, [to] * n, [batch["pool"]] * n, [tag or batch["tag"]] * n,
            [batch["priority"]] * n, [state] * n, [keys] * n, [refiled] * n,
            [due_us if not_before_us is None else not_before_us] * n,
        )
        return to, moved

    def release(self, batches):
        return self.session.run(
            "batch_release", self.id, [b["token"] for b in batches],
            [b["tenant_id"] for b in batches], [b["id"] for b in batches],
        )


class Shop:
    """A tenant with a content and campaigns."""

    def __init__(self, dsn, name="acme"):
        self.session = Session(dsn)
        self.tenant = str(uuid.uuid4())
        self.content = uuid7()
        self.session.run("tenant_add", self.tenant, name, 100, "{}")
        self.session.run(
            "content_add", self.tenant, self.content, 1, f"hello-{name}", "template",
            '{"subject": "Hello"}', None,
        )

    def campaign(self, start=True, pool="default", priority=10, weight=100, stream="news",
                 not_before_us=None, not_after_us=None):
        campaign = uuid7()
        self.session.run(
            "campaign_create", self.tenant, campaign, "summer", self.content, None, pool, priority,
            weight, not_before_us, not_after_us, None, "retry", stream, "{}",
        )
        if start:
            self.session.run("campaign_start", self.tenant, campaign)
        return campaign

    def enqueue(self, campaign, count=0, recipients=None, ids=None, not_before_us=None):
        recipients = recipients or [f"user{i}@d{i % 7}.example" for i in range(count)]
        ids = ids or [uuid7() for _ in recipients]
        rows = self.session.run(
            "enqueue_jobs", self.tenant, campaign, ids, recipients,
            ['{"name": "Ann"}'] * len(ids), [None] * len(ids), not_before_us,
        )
        assert len(rows) == 1
        return ids, rows[0]["added"]

    def account(self, campaign):
        """The states that are not 0, after checking that the sum holds and a recount agrees."""
        row = self.session.run("accounting", self.tenant, campaign)[0]
        assert row["committed"] == sum(row[s] for s in STATES)
        for line in self.session.run("verify", self.tenant):
            assert line["recounted"] == line["accounted"], line
        return {s: row[s] for s in STATES if row[s]}
