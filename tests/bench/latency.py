"""From commit to MAIL: how soon a single message starts, beside a large backlog of others.

    PENGUIN_BUILD=build/demo /usr/bin/python3 tests/bench/latency.py [TENANTS [HELD [SECONDS]]]

1,000 tenants have 1,000,000 jobs that wait (their campaigns are paused); meanwhile single jobs of
transactional campaigns, of a tenant drawn anew each time, are committed at 40 a second.  MAIL is timed by the world.
"""
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import uuid
from datetime import datetime

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql")]

import psycopg2  # noqa: E402
from mtalib import CONTENT, Stack  # noqa: E402
from penguin import uuid7  # noqa: E402

MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))


def numbers(position, default):
    return int(sys.argv[position]) if len(sys.argv) > position else default


def make_tenants(session, count, held):
    """Tenants with a content, a paused campaign full of jobs, and a running transactional one."""
    result = []
    share = held // count
    for i in range(count):
        tenant, content = str(uuid.uuid4()), uuid7()
        session.run("tenant_add", tenant, f"tenant{i}", 100, json.dumps({"bounce_domain": "bounce.shop.test"}))
        session.run("content_add", tenant, content, 1, "letter", "template", json.dumps(CONTENT), None)
        campaigns = []
        for name, priority in (("bulk", 10), ("now", 0)):
            campaign = uuid7()
            session.run("campaign_create", tenant, campaign, name, content, None, "default", priority, 100, None, None,
                        3 * 86400 * 10**6, "retry", "news", "{}")
            session.run("campaign_start", tenant, campaign)
            campaigns.append(campaign)
        session.run("campaign_pause", tenant, campaigns[0], "held")
        for at in range(0, share, 10000):
            n = min(10000, share - at)
            session.run("enqueue_jobs", tenant, campaigns[0], [uuid7() for _ in range(n)],
                        [f"u{at + j}@d{j % 50 + 1}.test" for j in range(n)], ["{}"] * n, [None] * n, None)
        result.append((tenant, campaigns[1]))
    return result


def main():
    tenants, held, seconds = numbers(1, 1000), numbers(2, 1000000), numbers(3, 30)
    pgtemp = ROOT / "tests" / "pgtemp"
    place = subprocess.run([pgtemp, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
    try:
        dsn = f"host={place} user=postgres dbname=postgres"
        connection = psycopg2.connect(dsn)
        connection.autocommit = True
        for path in MIGRATIONS:
            connection.cursor().execute(path.read_text())
        with tempfile.TemporaryDirectory(prefix="penguin-bench.") as text:
            with Stack(dsn, pathlib.Path(text), judge=False) as s:
                # the shipped intervals, not those of the tests
                s.config["postgres"] = {}
                (s.directory / "empty").mkdir()
                people = make_tenants(s.shop.session, tenants, held)
                connection.cursor().execute("ANALYZE")
                s.start(keys={"directory": str(s.directory / "empty"), "allow_unsigned": True})
                time.sleep(3)
                committed = {}
                end = time.time() + seconds
                while time.time() < end:
                    tenant, campaign = random.choice(people)
                    recipient = f"r{len(committed)}@d{len(committed) % 50 + 1}.test"
                    s.shop.session.run("enqueue_jobs", tenant, campaign, [uuid7()], [recipient], ["{}"], [None], None)
                    committed[recipient] = time.time()
                    time.sleep(0.025)
                time.sleep(3)
                mails = {}
                sessions = {}
                for event in s.world.events():
                    if event["event"] == "command" and event["text"].upper().startswith("MAIL"):
                        sessions[event["session"]] = event["time"]
                    elif event["event"] == "command" and event["text"].upper().startswith("RCPT TO:<"):
                        mails.setdefault(event["text"][9:].split(">")[0], sessions[event["session"]])
                waits = sorted(datetime.fromisoformat(mails[r].replace("Z", "+00:00")).timestamp() - t
                               for r, t in committed.items() if r in mails)
                s.stop()
    finally:
        subprocess.run([pgtemp, "stop", place], check=True)
    print(json.dumps({"tenants": tenants, "held": held, "sent": len(committed), "seen": len(waits),
                      **{f"p{p}_ms": round(waits[min(len(waits) - 1, len(waits) * p // 100)] * 1000, 1)
                         for p in (50, 90, 99)}}))


if __name__ == "__main__":
    main()
