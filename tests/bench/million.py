"""A million rows: how fast penguinctl enqueues them, and what the worker holds while they wait.

    PENGUIN_BUILD=build/demo /usr/bin/python3 tests/bench/million.py [ROWS]

The campaign waits behind a pool whose only source is at a rate of one message a minute, so that the
backlog stays; peak RSS of the worker is compared with that of a backlog of 10,000.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql"), str(ROOT / "tools")]

import psycopg2  # noqa: E402
from mtalib import BUILD, CONTENT, Stack  # noqa: E402

CTL = BUILD / "src" / "main" / "penguinctl"


def ctl(dsn, *words):
    return subprocess.run([CTL, *map(str, words)], env=dict(os.environ, PENGUIN_DSN=dsn), check=True,
                          stdout=subprocess.PIPE, text=True).stdout


def one(place, name, rows, seconds):
    connection = psycopg2.connect(f"host={place} user=postgres dbname=postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    dsn = f"host={place} user=postgres dbname={name}"
    ctl(dsn, "migrate", "up")
    with tempfile.TemporaryDirectory(prefix="penguin-bench.") as text:
        directory = pathlib.Path(text)
        with Stack(dsn, directory, config={"sources": {"s1": {"rate": "1/1m"}}}, content=CONTENT, judge=False) as s:
            (directory / "letter.json").write_text(json.dumps(CONTENT))
            with open(directory / "people.csv", "w", encoding="utf-8") as out:
                out.write("email,name,city\n")
                for i in range(rows):
                    out.write(f"user{i}@d{i % 50 + 1}.test,User {i},City {i % 97}\n")
            ctl(dsn, "content", "add", directory / "letter.json", "--tenant", "acme", "--name", "big")
            ctl(dsn, "campaign", "create", "big", "--tenant", "acme", "--content", "big", "--pool", "default")
            begin = time.monotonic()
            ctl(dsn, "enqueue", "--tenant", "acme", "--campaign", "big", directory / "people.csv")
            spent = time.monotonic() - begin
            ctl(dsn, "campaign", "start", "big", "--tenant", "acme")
            s.start_worker()
            time.sleep(seconds)
            status = pathlib.Path(f"/proc/{s.mta.pid}/status").read_text()
            peak = int(re.search(r"VmHWM:\s+(\d+)", status).group(1))
            s.kill()
    return {"rows": rows, "enqueue_per_second": round(rows / spent), "worker_peak_rss_kib": peak}


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1000000
    pgtemp = ROOT / "tests" / "pgtemp"
    place = subprocess.run([pgtemp, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
    try:
        results = [one(place, "small", 10000, 30), one(place, "large", rows, 60)]
    finally:
        subprocess.run([pgtemp, "stop", place], check=True)
    for row in results:
        print(json.dumps(row))


if __name__ == "__main__":
    main()
