"""What a delivered message costs: penguin-mta's CPU beside one bare RSA-2048 signature of the same run.

    tools/bench [MESSAGES]      (20,000; twice: unsigned, then signed)

Prints a table and, as the last line, JSON.  The world is on the same machine and counts apart.
"""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql")]

import psycopg2  # noqa: E402
from mtalib import CONTENT, WORLD, Stack  # noqa: E402

MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))
BODY = ("Good news for {{name}}, week after week, with all that the shop has to tell.\n" * 118)
SPEED = {
    "default_site": {"connections": 10, "messages_per_connection": 1000},
    "limits": {"jobs": 20000},
    "report": {"interval": "500ms", "retry_interval": "30s"},
    "postgres": {"poll_busy": "20ms", "poll_idle": "50ms", "sweep": "1s", "feed": "1s"},
}


def bare_signature_us():
    """User time of one RSA-2048 signature by OpenSSL, on this machine, now."""
    text = subprocess.run(["openssl", "speed", "-seconds", "3", "rsa2048"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True).stdout
    return float(re.search(r"rsa 2048 bits ([0-9.]+)s", text).group(1)) * 1e6


def usage(pid):
    """CPU seconds, peak RSS in KiB, minor page faults of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    peak = int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
    return (int(fields[11]) + int(fields[12])) / tick, peak, int(fields[7])


def run(dsn, directory, count, signed):
    content = dict(CONTENT, text=BODY)
    content.pop("html")
    with Stack(dsn, directory, world=WORLD, content=content, config=SPEED, judge=False) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(count)])
        if not signed:
            (s.directory / "empty").mkdir()
        s.start_worker(keys={"directory": str(s.directory / "empty"), "allow_unsigned": True} if not signed else {})
        begin = time.monotonic()
        s.wait(campaign, lambda a: a.get("delivered", 0) > 0, timeout=60)
        cpu0, _, faults0 = usage(s.mta.pid)
        done0 = len(s.world.ledger())
        s.wait(campaign, timeout=600)
        seconds = time.monotonic() - begin
        cpu, peak, faults = usage(s.mta.pid)
        ledger = s.world.ledger()
        size = sum(line["size"] for line in ledger) // len(ledger)
        assert len(ledger) == count
        s.stop()
        part = count - done0
        return {"messages": count, "signed": signed, "bytes": size, "cpu_us": round((cpu - cpu0) / part * 1e6, 1),
                "faults": round((faults - faults0) / part, 3), "peak_rss_kib": peak, "per_second": round(count / seconds)}


def system_calls(dsn, directory, count):
    """System calls a message, all of the worker's, counted by strace in a run of their own."""
    content = dict(CONTENT, text=BODY)
    content.pop("html")
    with Stack(dsn, directory, world=WORLD, content=content, config=SPEED, judge=False) as s:
        campaign = s.campaign()
        s.start_worker()
        s.wait(campaign)
        table = directory / "strace"
        tracer = subprocess.Popen(["strace", "-f", "-c", "-o", table, "-p", str(s.mta.pid)], stderr=subprocess.DEVNULL)
        time.sleep(1)
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(count)])
        s.wait(campaign, timeout=300)
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        s.stop()
        rows = [line.split() for line in table.read_text().splitlines()]
        calls = {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit()}
        calls.pop("total", None)
        return {name: round(n / count, 2) for name, n in sorted(calls.items(), key=lambda c: -c[1])[:8]}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    pgtemp = ROOT / "tests" / "pgtemp"
    place = subprocess.run([pgtemp, "start"], check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")[0]
    rows = []
    try:
        bare = bare_signature_us()
        for number, signed in enumerate((False, True, None)):
            connection = psycopg2.connect(f"host={place} user=postgres dbname=postgres")
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE bench{number}")
            connection.close()
            dsn = f"host={place} user=postgres dbname=bench{number}"
            connection = psycopg2.connect(dsn)
            connection.autocommit = True
            for path in MIGRATIONS:
                connection.cursor().execute(path.read_text())
            connection.close()
            with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
                if signed is None:
                    calls = system_calls(dsn, pathlib.Path(directory), count // 5)
                else:
                    rows.append(run(dsn, pathlib.Path(directory), count, signed))
    finally:
        subprocess.run([pgtemp, "stop", place], check=True)
    print(f"{'':10} {'bytes':>7} {'CPU us':>8} {'x RSA':>6} {'faults':>7} {'msg/s':>7} {'RSS KiB':>8}")
    for row in rows:
        row["ratio"] = round(row["cpu_us"] / bare, 2)
        name = "signed" if row["signed"] else "unsigned"
        print(f"{name:10} {row['bytes']:>7} {row['cpu_us']:>8} {row['ratio']:>6} {row['faults']:>7}"
              f" {row['per_second']:>7} {row['peak_rss_kib']:>8}")
    print("system calls a message:", ", ".join(f"{name} {n}" for name, n in calls.items()))
    print(json.dumps({"system_calls": calls, "bare_rsa2048_us": round(bare, 1), "runs": rows}))


if __name__ == "__main__":
    main()
