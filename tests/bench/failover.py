"""From a node's death to its mail being sent by another, by an operator's word and by its lease's end.

    tools/bench failover [--rounds N] [--expiries N] [--jobs N]

Two nodes share a campaign.  One is slow; when the other has sent all else, and has nothing to do, the slow one is
killed, with all its processes at once, and the other sends what it held: when it was told by `penguinctl node dead` at the
moment of the death, and when nobody says anything and the lease runs out.  The first mail and the last are timed by the
world.  Prints a table and, as the last line, JSON.

How long the lease is, is a setting (20 minutes as shipped), so what is told of its end is what comes on top of it.  The
times behind it are the shipped ones: only who has renewed for two minutes declares others dead.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from datetime import datetime

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from benchlib import LETTER, Postgres, middle, people, table  # noqa: E402
from mtalib import BUILD, WORLD, Stack, wait_for  # noqa: E402
from nodelib import Node  # noqa: E402

CTL = BUILD / "src" / "main" / "penguinctl"
ADDRESS = "127.0.5.2"
STREAK_S = 120  # src/intake/chores.c
LEASE = {"lease": {"duration": "6s", "renew": "1s", "autonomy": "1s"}, "timeouts": {"scale": 0.005},
         "default_site": {"connections": 10}, "limits": {"jobs": 20000}}
SLOW = {"s1": {"rate": "10/1s"}}
HELD = """SELECT w.node, sum(b.size)::int, extract(epoch FROM w.until)::float8
FROM penguin.workers w JOIN penguin.batches b ON b.owner = w.id GROUP BY w.id"""


def say_dead(stack):
    """The operator's word, without the wait for a node that was heard of lately."""
    subprocess.run([CTL, "node", "dead", "a", "--yes", "--force"], env=dict(os.environ, PENGUIN_DSN=stack.dsn), check=True,
                   stdout=subprocess.DEVNULL)


def sent_since(stack, since):
    """When the receivers had what the other node sent from then on."""
    times = (datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() for line in stack.world.ledger()
             if line["source"] == ADDRESS)
    return sorted(at for at in times if at > since)


def share_out(stack, campaign, jobs):
    """Sends, until the slow node alone has jobs: all in the campaign; how many it has, and when its lease ends."""
    total, rows = 0, []
    while [row[0] for row in rows] != ["a"]:
        stack.enqueue(campaign, people(jobs))  # again where the other was there first each time
        total += jobs
        while stack.account(campaign).get("waiting") or "b" in {row[0] for row in stack.shop.session.query(HELD)}:
            time.sleep(0.05)
        rows = stack.shop.session.query(HELD)
    return total, *rows[0][1:]


def one(stack, other, jobs, told):
    """Kills the slow node; what became of its jobs, in seconds from then on, or from its lease's end on."""
    stack.start(node="a", sources=SLOW)
    wait_for(lambda: stack.shop.session.value("SELECT count(*) FROM penguin.workers WHERE state = 'live' AND sources <> '{}'") == 2)
    campaign = stack.campaign()
    total, held, until = share_out(stack, campaign, jobs)
    killed = time.time()
    stack.kill()
    if told:
        say_dead(stack)
    assert other.wait(campaign, timeout=600) == {"delivered": total}
    declared = stack.shop.session.value("SELECT max(extract(epoch FROM ended_at))::float8 FROM penguin.workers WHERE node = 'a'")
    sent = sent_since(stack, killed)
    since = killed if told else until
    assert held > 0 and len(sent) > 0
    return {"held": held, "declared": declared - since, "first": sent[0] - since, "last": sent[-1] - since}


def bench(server, jobs, rounds, expiries):
    found = {told: [] for told, count in ((True, rounds), (False, expiries)) if count > 0}
    with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
        with Stack(server.database("bench"), directory, world=WORLD, content=LETTER, judge=False, config=LEASE) as s:
            with Node(s, "b", ADDRESS) as other:
                s.config["postgres"] = other.config["postgres"] = {}  # the shipped intervals, not those of the tests
                other.start()
                wait_for(lambda: "postgres_up" in other.log_text())
                ready = time.monotonic() + STREAK_S
                for told in [True] * rounds + [False] * expiries:
                    if not told:
                        time.sleep(max(0.0, ready - time.monotonic()))
                    found[told].append(one(s, other, jobs, told))
                other.stop()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="by the operator's word")
    parser.add_argument("--expiries", type=int, default=5, help="by the end of the lease")
    parser.add_argument("--jobs", type=int, default=1000)
    options = parser.parse_args()
    with Postgres() as server:
        found = bench(server, options.jobs, options.rounds, options.expiries)
    said = []
    for told, rows in found.items():
        first = sorted(row["first"] for row in rows)
        said.append({"by": "penguinctl node dead" if told else "the end of its lease, from then on",
                     "rounds": len(rows),
                     **{name: middle(rows, name, 2) for name in ("held", "declared", "first", "last")},
                     "first_least": round(first[0], 2), "first_most": round(first[-1], 2)})
    table(["seconds from", "declared dead", "first mail", "least", "most", "last mail", "jobs held"],
          [[r["by"], r["declared"], r["first"], r["first_least"], r["first_most"], r["last"], round(r["held"])] for r in said])
    print(json.dumps({"jobs": options.jobs, "load": os.getloadavg()[0], "failover": said}))


if __name__ == "__main__":
    main()
