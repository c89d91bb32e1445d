#!/usr/bin/python3
"""How fast the schema is: enqueue, claim to close, and the time from commit to claim.

usage: sql_rate.py [--json] [--jobs N] [--fsync] [--seconds N] [--rate N] [--held N] [--tenants N]

Runs the statements of src/sql on a throwaway Postgres with today's and the next 14
days' partitions: the worker's are planned each time, as libpq's unnamed ones are, the
application's are prepared.  Without --fsync commits do not wait for the disk.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import uuid

import psycopg2
import psycopg2.extensions

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system" / "sql"))

from penguin import NIL, literal, now_us, text_of, uuid7  # noqa: E402

PRODUCERS = 4
POLL_S = 0.05
SINGLE = """WITH added AS (
INSERT INTO penguin.jobs (tenant_id, id, campaign_id, recipient)
SELECT s.tenant, (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0') || '7'
|| substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid, s.campaign,
'ann@example.com' FROM public.shops s WHERE s.n = :n
RETURNING tenant_id, id, campaign_id, lower(split_part(recipient, '@', -1)) AS domain)
INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, tag, priority, jobs)
SELECT a.tenant_id, a.id, a.campaign_id, c.pool, coalesce(d.provider, 'other'), c.priority, ARRAY[a.id]
FROM added a JOIN penguin.campaigns c ON c.tenant_id = a.tenant_id AND c.id = a.campaign_id
LEFT JOIN penguin.domains d ON d.tenant_id = a.tenant_id AND d.domain = a.domain;
"""
KEYS_A_CLAIM = 200


class Session:
    """A connection that sends each statement whole, so that it is planned each time."""

    def __init__(self, dsn):
        self.connection = psycopg2.connect(dsn)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.texts = {}

    def run(self, name, *parameters):
        if name not in self.texts:
            self.texts[name] = text_of(name)
        text = self.texts[name]
        for number in range(len(parameters), 0, -1):
            value = literal(parameters[number - 1])
            quoted = "NULL" if value is None else "'" + value.replace("'", "''") + "'"
            text = text.replace(f"${number}::", quoted + "::")
        self.cursor.execute(text)
        return self.cursor.fetchall() if self.cursor.description else []

    def query(self, text, *parameters):
        self.cursor.execute(text, parameters or None)
        return self.cursor.fetchall() if self.cursor.description else []


def cpu_s(pid):
    """User and system time of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def setup(session, tenants):
    """One running campaign for each tenant."""
    shops = []
    for number in range(tenants):
        tenant, campaign, content = str(uuid.uuid4()), uuid7(), uuid7()
        session.run("tenant_add", tenant, f"t{number}", 100, "{}")
        session.run("content_add", tenant, content, 1, "hello", "template", "{}", None)
        session.run("campaign_create", tenant, campaign, "c", content, None, "default", 10, 100,
                    None, None, 3 * 86400 * 10**6, "retry", "default", "{}")
        session.run("campaign_start", tenant, campaign)
        shops.append((tenant, campaign))
    return shops


def hold(session, count):
    """Single-message batches that cannot go: half not yet due, half of paused campaigns."""
    session.query(
        "INSERT INTO penguin.campaigns (tenant_id, id, name, state, content_id) "
        "SELECT tenant_id, overlay(id::text PLACING 'ffffffffffff' FROM 25)::uuid, 'p', 'paused', content_id "
        "FROM penguin.campaigns")
    campaigns = session.query("SELECT count(*) FROM penguin.campaigns")[0][0]
    session.query(
        """WITH c AS (
            SELECT tenant_id, id, state, row_number() OVER () - 1 AS n FROM penguin.campaigns
        ), j AS MATERIALIZED (
            SELECT c.tenant_id, (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7'
                || substr(md5(g.n::text), 1, 3) || '8' || substr(md5(g.n::text), 4, 15))::uuid AS id,
                c.id AS campaign_id, 'u' || g.n || '@d' || g.n %% 1000 || '.example' AS recipient, c.state
            FROM (SELECT s AS n, s %% %s AS slot FROM generate_series(0, %s - 1) s) g
            JOIN c ON c.n = g.slot
        ), added AS (
            INSERT INTO penguin.jobs (tenant_id, id, campaign_id, recipient)
            SELECT tenant_id, id, campaign_id, recipient FROM j)
        INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, priority, jobs, not_before)
        SELECT tenant_id, id, campaign_id, 'default', 10, ARRAY[id],
            CASE WHEN state = 'running' THEN now() + interval '1 hour' ELSE now() END
        FROM j""", campaigns, count)
    session.query("VACUUM ANALYZE")


def work(session, worker, keys, since=None):
    """Claims, reads, reports and closes all of the keys; the ids and when they were claimed."""
    token = str(uuid.uuid4())
    columns = [list(c) for c in zip(*keys)]
    batches = session.run("claim", *columns, [uuid7() for _ in range(2 * len(keys))], worker, token, since,
                          [False] * len(keys))
    at = time.time()
    if not batches:
        return [], at
    tenants, ids = [b[0] for b in batches], [b[1] for b in batches]
    campaign = {b[1]: b[2] for b in batches}
    jobs = session.run("jobs_read", tenants, ids, worker, token,
                       uuid7(int(time.time() * 1000) - 86400000)[:13] + "-0000-0000-000000000000", [], [], [], 1 << 26)
    read_at = time.time()
    for start in range(0, len(jobs), 1000):
        part = jobs[start:start + 1000]
        n = len(part)
        session.run(
            "report", [j[0] for j in part], [uuid7() for _ in part], [j[2] for j in part],
            [campaign[j[1]] for j in part], [1] * n, ["delivered"] * n, [""] * n, [""] * n, [""] * n,
            ["dot"] * n, [250] * n, ["2.0.0"] * n, ["Ok: queued"] * n, ["."] * n, ["other"] * n,
            ["mx.example"] * n, ["mx.example"] * n, ["192.0.2.1"] * n, ["s1"] * n, ["192.0.2.2"] * n,
            ["TLSv1.3"] * n, ["AES"] * n, [10240] * n, [0] * n, worker, [now_us()] * n, [9] * n)
    zero = [0] * len(batches)
    sizes = [b[7] for b in batches]
    closed = session.run("batch_close", worker, 0, [token] * len(batches), tenants, ids, sizes,
                         zero, zero, zero, zero, zero, zero, sizes, zero, zero)
    assert len(closed) == len(batches)
    return [j[2] for j in jobs], read_at


def start_worker(session):
    worker = str(uuid.uuid4())
    session.run("worker_start", worker, "node", worker, "bench", 3600 * 10**6, "", "")
    return worker


def bulk(dsn, jobs):
    """500-member batches: enqueue 10,000 a call, then claim to close 5,000 a cycle."""
    session = Session(dsn)
    tenant, campaign = setup(session, 1)[0]
    calls = [([uuid7() for _ in range(10000)], [f"u{i}@d{i % 50}.example" for i in range(10000)])
             for _ in range(jobs // 10000)]
    begun = time.time()
    for ids, recipients in calls:
        session.run("enqueue_jobs", tenant, campaign, ids, recipients,
                    ['{"name": "Ann", "city": "Bremen"}'] * 10000, [None] * 10000, None)
    enqueued = time.time() - begun
    session.query("VACUUM ANALYZE")
    worker = start_worker(session)
    before = session.query("SELECT pg_current_wal_lsn()")[0][0]
    begun, done = time.time(), 0
    while done < jobs:
        done += len(work(session, worker, [(tenant, "default", "other", 10, 5000)])[0])
    worked = time.time() - begun
    wal = session.query("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", before)[0][0]
    return {"jobs": jobs, "enqueue_per_s": round(jobs / enqueued),
            "claim_to_close_per_s": round(jobs / worked), "wal_bytes_per_job": round(wal / jobs)}


def produce(dsn, shops, rate, seconds):
    """pgbench enqueues single messages, each its own transaction, at random times."""
    session = Session(dsn)
    session.query("DROP TABLE IF EXISTS public.shops")
    session.query("CREATE TABLE public.shops (n int PRIMARY KEY, tenant uuid, campaign uuid)")
    for number, (tenant, campaign) in enumerate(shops):
        session.query("INSERT INTO public.shops VALUES (%s, %s, %s)", number, tenant, campaign)
    session.query("VACUUM ANALYZE public.shops")
    script = tempfile.NamedTemporaryFile("w", suffix=".sql")
    script.write(f"\\set n random(0, {len(shops) - 1})\n{SINGLE}")
    script.flush()
    binary = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
    process = subprocess.Popen(
        [binary, "-n", "-M", "prepared", "-c", str(PRODUCERS), "-j", "1", "-R", str(rate),
         "-T", str(seconds), "-f", script.name, dsn], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, script


def stream(dsn, shops, rate, seconds, worker):
    """Producers beside one worker that polls; the times from an enqueuing transaction's begin to jobs at hand."""
    session = Session(dsn)
    backend = session.connection.get_backend_pid()
    before_cpu = cpu_s(backend), time.process_time()
    first = uuid7()[:13] + "-0000-0000-000000000000"
    producer, script = produce(dsn, shops, rate, seconds)
    claimed, cycle_s, took, idle = {}, [], [], 0
    since = now_us() - 2 * 10**6
    end = time.time() + seconds + 5
    while time.time() < end and not (time.time() > end - 5 and idle > 20):
        begun = time.time()
        ready = session.run("ready_recent", since, 20000)
        before, since = since, now_us() - 2 * 10**6
        if ready:
            keys = [(r[0], r[1], r[2], r[3], min(int(r[4]), 1000)) for r in ready]
            for start in range(0, len(keys), KEYS_A_CLAIM):
                turn = time.time()
                ids, at = work(session, worker, keys[start:start + KEYS_A_CLAIM], before)
                claimed.update(dict.fromkeys(ids, at))
                took.append(at - turn)
            cycle_s.append(time.time() - begun)
        idle = 0 if ready else idle + 1
        time.sleep(max(0, POLL_S - (time.time() - begun)))
    server_cpu, own_cpu = cpu_s(backend) - before_cpu[0], time.process_time() - before_cpu[1]
    if producer.wait() != 0:
        sys.exit("pgbench failed")
    script.close()
    committed = {i: at for i, at in session.query(
        "SELECT id::text, extract(epoch FROM enqueued_at)::float8 FROM penguin.jobs "
        "WHERE id >= %s AND campaign_id = ANY (%s::uuid[]) AND recipient = 'ann@example.com'",
        first, [campaign for _, campaign in shops])}
    waits = sorted((claimed[i] - at) * 1000 for i, at in committed.items() if i in claimed)
    took.sort()

    def pick(values, share):
        return round(values[min(len(values) - 1, int(len(values) * share))], 1)

    return {"enqueued_per_s": round(len(committed) / seconds), "jobs": len(committed),
            "not_claimed": len(committed) - len(waits),
            "begin_to_jobs_ms": {"p50": pick(waits, 0.5), "p99": pick(waits, 0.99), "max": pick(waits, 1)},
            "claim_read_ms": {"p50": pick([t * 1000 for t in took], 0.5),
                                   "p99": pick([t * 1000 for t in took], 0.99)},
            "cpu_us_per_job": {"worker_backend": round(server_cpu / len(waits) * 1e6),
                               "this_script": round(own_cpu / len(waits) * 1e6)},
            "load_1m": os.getloadavg()[0],
            "cycle_ms_mean": round(sum(cycle_s) / len(cycle_s) * 1000, 1)}


def sweep(session):
    begun, at, steps = time.time(), (NIL, NIL), 0
    while True:
        rows = session.run("ready_sweep", *at, 200)
        if not rows:
            return {"ms": round((time.time() - begun) * 1000, 1), "steps": steps}
        steps += 1
        at = (rows[-1][0], rows[-1][1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--fsync", action="store_true", help="commits wait for the disk")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--rate", type=int, default=2500)
    parser.add_argument("--held", type=int, default=1000000)
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=200000)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server is stopped all the same
    settings = ["fsync=on", "full_page_writes=on"] if options.fsync else []
    pgtemp = ROOT / "tests" / "pgtemp"
    answer = subprocess.run([pgtemp, "start", *settings], check=True, stdout=subprocess.PIPE, text=True)
    directory, dsn = answer.stdout.splitlines()
    try:
        session = Session(dsn)
        for path in sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql")):
            session.query(path.read_text())
        for row in session.run("maintain_missing", 14):
            session.query(row[1])
        report = {"bulk": bulk(dsn, options.jobs)}
        print(report, file=sys.stderr)
        worker = start_worker(session)
        shops = setup(session, options.tenants)
        session.query("VACUUM ANALYZE")
        report["stream"] = stream(dsn, shops, options.rate, options.seconds, worker)
        print(report["stream"], file=sys.stderr)
        if options.held:
            begun = time.time()
            hold(session, options.held)
            print(f"held in {time.time() - begun:.0f} s", file=sys.stderr)
            report["stream_beside_held"] = stream(dsn, shops, options.rate, options.seconds, worker)
            report["stream_beside_held"]["held"] = options.held
            report["sweep"] = sweep(session)
        reader = psycopg2.connect(dsn)
        reader.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM penguin.tenants")
        report["stream_with_held_snapshot"] = stream(dsn, shops[:1], options.rate, options.seconds, worker)
        reader.close()
        rows = session.query("SELECT coalesce(sum(n_tup_upd), 0) FROM pg_stat_user_tables "
                             "WHERE relname ~ '^(jobs|attempts)'")
        report["updates_of_large_tables"] = int(rows[0][0])
    finally:
        subprocess.run([pgtemp, "stop", directory], check=True)
    if options.json:
        print(json.dumps(report))
    else:
        for part, figures in report.items():
            print(part)
            for name, value in figures.items() if isinstance(figures, dict) else [("count", figures)]:
                print(f"  {name:24} {value}")


if __name__ == "__main__":
    main()
