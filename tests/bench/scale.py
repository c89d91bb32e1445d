"""Messages a CPU second with more workers and more nodes on one Postgres, and Postgres' own CPU a message.

    tools/bench scale [--messages N] [--rounds N] [--idle SECONDS] [--shapes NODESxWORKERS ...]

Four source addresses, whoever has them: one node with 1, 2 and 4 workers, two nodes with 1 and 2 each; signed and
unsigned, since a signature hides what is around it.  Prints a table and, as the last line, JSON.  CPU is of all
processes of all nodes, the supervisors too; Postgres is all its processes.  What both cost while there is nothing
to do is told apart, for a second.
"""
import argparse
import contextlib
import json
import os
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from benchlib import LETTER, WIDE, Postgres, Reading, finish, middle, people, ratios, send, table  # noqa: E402
from mtalib import Stack  # noqa: E402
from nodelib import Node  # noqa: E402

SHAPES = ["1x1", "1x2", "1x4", "2x1", "2x2"]  # nodes, and the workers of each
SOURCES = 4
CONFIG = {"default_site": {"connections": 1, "sources": 0, "messages_per_connection": 1000}, "report": {"interval": "500ms"}}


def sources_of(number, nodes):
    """The addresses of one of so many nodes."""
    share = SOURCES // nodes
    return {f"s{i}": {"ipv4": f"127.0.5.{i}", "ehlo": f"s{i}.shop.test"} for i in range(number * share + 1, number * share + share + 1)}


def start(stack, number, nodes, workers, signed):
    sources = sources_of(number, nodes)
    change = {} if signed else {"keys": {"directory": str(stack.directory / "empty"), "allow_unsigned": True}}
    stack.config["sources"] = stack.config["pools"] = {}
    (stack.directory / "empty").mkdir()
    stack.start(workers=workers, sources=sources, pools={"default": {"sources": list(sources)}}, **change)


def until_all_own(stack):
    """Each source has its owner."""
    owned = "SELECT count(DISTINCT s) FROM penguin.workers w, unnest(w.sources) AS s WHERE w.state = 'live'"
    while stack.shop.session.value(owned) < SOURCES:
        time.sleep(0.05)


def at_rest(server, nodes, seconds):
    """CPU a second of the engines and of Postgres, in milliseconds."""
    before = Reading(server, nodes)
    time.sleep(seconds)
    idle = Reading(server, nodes).since(before, seconds)
    return {"idle_ms": idle["cpu_us"] / 1000, "postgres_idle_ms": idle["postgres_us"] / 1000}


def run(server, count, idle_s, signed, many, workers):
    dsn = server.database("bench")
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="penguin-bench."))
        first = Stack(dsn, directory, world=WIDE, content=LETTER, judge=False, config=CONFIG)
        nodes = [stack.enter_context(first)]
        nodes += [stack.enter_context(Node(first, f"n{number}", "127.0.5.9")) for number in range(1, many)]
        for number, node in enumerate(nodes):
            node.config["postgres"] = {}  # the shipped intervals, not those of the tests
            start(node, number, many, workers, signed)
        until_all_own(first)
        campaign = first.campaign()  # no worker begins cold
        first.enqueue(campaign, people(max(count // 20, 200)))
        finish(nodes, campaign)
        result = send(server, nodes, count) | at_rest(server, nodes, idle_s)
        for node in nodes:
            node.stop()
    server.drop("bench")
    # Who looks for work does so by time, however much there is: a message's own part is what comes on top.
    alone = result["postgres_us"] - 1000 * result["postgres_idle_ms"] / result["per_second"]
    return result | {"per_cpu_second": 1e6 / result["cpu_us"], "postgres_alone_us": alone}


def report(signed, rows):
    base = next(iter(rows.values()))
    return [{"kind": "signed" if signed else "unsigned", "nodes": many, "workers": workers,
             "cpu_us": middle(each, "cpu_us"), "per_cpu_second": middle(each, "per_cpu_second", 0),
             "to_one_worker": ratios(each, base, "per_cpu_second"), "postgres_us": middle(each, "postgres_us"),
             "postgres_alone_us": middle(each, "postgres_alone_us"), "idle_ms": middle(each, "idle_ms"),
             "postgres_idle_ms": middle(each, "postgres_idle_ms"), "per_second": middle(each, "per_second", 0)}
            for (many, workers), each in rows.items()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle", type=float, default=3)
    parser.add_argument("--shapes", nargs="+", default=SHAPES, help="the first is what the others are compared with")
    options = parser.parse_args()
    shapes = [tuple(map(int, shape.split("x"))) for shape in options.shapes]
    rows = {signed: {shape: [] for shape in shapes} for signed in (True, False)}
    with Postgres() as server:
        for _ in range(options.rounds):
            for signed, kinds in rows.items():
                for shape, each in kinds.items():
                    each.append(run(server, options.messages, options.idle, signed, *shape))
    said = report(True, rows[True]) + report(False, rows[False])
    table(["", "nodes", "workers each", "CPU us", "msg/CPU s", "to the first", "least", "most", "PG us", "less its rest",
           "idle ms/s", "PG idle ms/s", "msg/s"],
          [[r["kind"], r["nodes"], r["workers"], r["cpu_us"], round(r["per_cpu_second"]), *r["to_one_worker"],
            r["postgres_us"], r["postgres_alone_us"], r["idle_ms"], r["postgres_idle_ms"], round(r["per_second"])]
           for r in said])
    print(json.dumps({"messages": options.messages, "rounds": options.rounds, "load": os.getloadavg()[0], "scale": said}))


if __name__ == "__main__":
    main()
