"""What the journal costs a message: CPU, octets, writes and syncs, durable beside `sync: false`, in turns.

    tools/bench journal [--messages N] [--rounds N] [--letters WORD ...] [--connections N ...]

Prints a table and, as the last line, JSON.  Octets, writes and syncs are counted at the C library
(tests/tools/tally.c), of the records and apart from them of the room that is made for them.  A sync is shared by what
comes while another one lasts, so how many messages share one depends on how many are on the wire: the second
table has one worker with more and more connections.  Where the directory for temporary files is in memory no
journal can be durable; then TMPDIR must name one on a disk.
"""
import argparse
import json
import os
import pathlib
import struct
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from benchlib import LETTER, WIDE, Postgres, middle, ratios, send, table  # noqa: E402
from mtalib import BUILD, MTA, Stack  # noqa: E402

TALLY = BUILD / "tests" / "tools" / "tally.so"
NAMES = [f"{what}_{name}" for what in ("records", "room") for name in ("writes", "bytes", "syncs")]
LETTERS = ["signed", "unsigned"]
CONNECTIONS = 4
SEGMENT = 4 << 20  # small, so that files are made and left while it is measured, as they are in the long run


def tally(path):
    return dict(zip(NAMES, struct.unpack("6Q", path.read_bytes())))


def until_there_is_room(stack):
    """A worker makes two files when it starts."""
    while len(list((stack.directory / "spool" / "w0").glob("*.seg"))) < 2:
        time.sleep(0.05)


def run(server, count, signed, sync, connections=CONNECTIONS):
    dsn = server.database("bench")
    with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
        with Stack(dsn, directory, world=WIDE, content=LETTER, judge=False, config={
                "default_site": {"connections": connections, "messages_per_connection": 1000},
                "report": {"interval": "500ms"}}) as s:
            s.config["postgres"] = {}  # the shipped intervals, not those of the tests
            (s.directory / "empty").mkdir()
            change = {} if signed else {"keys": {"directory": str(s.directory / "empty"), "allow_unsigned": True}}
            counts = s.directory / "tally"
            s.run([MTA, "-c", s.write_config(spool={"segment": str(SEGMENT), "sync": sync}, **change), "--worker", "w0"],
                  env=dict(os.environ, LD_PRELOAD=str(TALLY), TALLY_FILE=str(counts),
                           ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0"))
            until_there_is_room(s)
            result = send(server, [s], count, lambda: tally(counts))
            assert result["records_bytes"] > 0
            s.stop()
    server.drop("bench")
    return result


def name_of(signed, sync):
    return ("signed" if signed else "unsigned") + (", durable" if sync else ", sync: false")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--letters", nargs="+", choices=LETTERS, default=LETTERS)
    options = parser.parse_args()
    kinds = [(letter == "signed", sync) for letter in options.letters for sync in (True, False)]
    rows = {kind: [] for kind in kinds}
    wide = {connections: [] for connections in options.connections}
    with Postgres() as server:
        for _ in range(options.rounds):
            for kind in kinds:
                rows[kind].append(run(server, options.messages, *kind))
            for connections in wide:
                wide[connections].append(run(server, options.messages, True, True, connections))
    said = []
    for kind in kinds:
        said.append({"kind": name_of(*kind), "cpu_us": middle(rows[kind], "cpu_us"),
                     "to_sync_false": ratios(rows[kind], rows[kind[0], False], "cpu_us"),
                     **{name: middle(rows[kind], name, 3) for name in NAMES},
                     "per_second": middle(rows[kind], "per_second", 0)})
    table(["", "CPU us", "to sync: false", "least", "most", "octets", "writes", "syncs", "room: octets", "syncs", "msg/s"],
          [[r["kind"], r["cpu_us"], *r["to_sync_false"], round(r["records_bytes"]), r["records_writes"], r["records_syncs"],
            round(r["room_bytes"]), r["room_syncs"], round(r["per_second"])] for r in said])
    shared = [{"connections": connections, "cpu_us": middle(each, "cpu_us"), "syncs": middle(each, "records_syncs", 3),
               "messages_a_sync": round(1 / middle(each, "records_syncs", 6), 1), "writes": middle(each, "records_writes", 3),
               "per_second": middle(each, "per_second", 0)} for connections, each in wide.items()]
    print()
    table(["connections a lane", "CPU us", "syncs", "messages a sync", "writes", "msg/s"],
          [[r["connections"], r["cpu_us"], r["syncs"], r["messages_a_sync"], r["writes"], round(r["per_second"])] for r in shared])
    print(json.dumps({"messages": options.messages, "rounds": options.rounds, "load": os.getloadavg()[0],
                      "journal": said, "shared": shared}))


if __name__ == "__main__":
    main()
