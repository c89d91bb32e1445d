"""What a delivered message costs: penguin-mta's CPU beside one bare RSA-2048 signature of the same run.

    tools/bench [MESSAGES]      (20,000; unsigned; signed with a durable journal, with one that is not, and durable again)
    tools/bench PART [OPTION ...]      another part: a file of tests/bench, as journal, scale, failover

Prints a table and, as the last line, JSON.  The world is on the same machine and counts apart, and so do
Postgres and the journal alone (tests/bench/journal_bench.c).  Where the directory for temporary files is in
memory no journal can be durable; then TMPDIR must name one on a disk.
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from benchlib import LETTER, ROOT, Postgres  # noqa: E402
from mtalib import WORLD, Stack  # noqa: E402

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


def journal_alone(count):
    """What journal_bench prints of so many records: writing, and reading as a restarted worker does."""
    program = ROOT / os.environ["PENGUIN_BUILD"] / "tests" / "bench" / "journal_bench"
    with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
        done = subprocess.run([program, str(count), directory], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def run(server, dsn, directory, count, signed, sync):
    with Stack(dsn, directory, world=WORLD, content=LETTER, config=SPEED, judge=False) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(count)])
        if not signed:
            (s.directory / "empty").mkdir()
        s.start_worker(spool={"segment": "64MiB", "sync": sync},
                **({} if signed else {"keys": {"directory": str(s.directory / "empty"), "allow_unsigned": True}}))
        begin = time.monotonic()
        s.wait(campaign, lambda a: a.get("delivered", 0) > 0, timeout=60)
        cpu0, _, faults0 = usage(s.mta.pid)
        ours = s.shop.session.connection.get_backend_pid()
        pg0 = server.cpu_s(but=ours)
        done0 = len(s.world.ledger())
        s.wait(campaign, timeout=600)
        seconds = time.monotonic() - begin
        cpu, peak, faults = usage(s.mta.pid)
        pg = server.cpu_s(but=ours)
        ledger = s.world.ledger()
        size = sum(line["size"] for line in ledger) // len(ledger)
        assert len(ledger) == count
        s.stop()
        part = count - done0
        return {"messages": count, "signed": signed, "durable": sync, "bytes": size,
                "cpu_us": round((cpu - cpu0) / part * 1e6, 1), "postgres_us": round((pg - pg0) / part * 1e6, 1),
                "faults": round((faults - faults0) / part, 3), "peak_rss_kib": peak, "per_second": round(count / seconds)}


def system_calls(dsn, directory, count):
    """System calls a message, all of the worker's, counted by strace in a run of their own."""
    with Stack(dsn, directory, world=WORLD, content=LETTER, config=SPEED, judge=False) as s:
        campaign = s.campaign()
        s.start_worker(spool={"segment": "64MiB"})
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
        return {name: round(n / count, 2) for name, n in sorted(calls.items(), key=lambda c: -c[1])[:12]}


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    rows = []
    kinds = ((False, True), (True, True), (True, False), (True, True))
    with Postgres() as server:
        bare = bare_signature_us()
        for number, (signed, sync) in enumerate(kinds):
            with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
                rows.append(run(server, server.database(f"bench{number}"), pathlib.Path(directory), count, signed, sync))
        with tempfile.TemporaryDirectory(prefix="penguin-bench.") as directory:
            calls = system_calls(server.database("traced"), pathlib.Path(directory), count // 5)
    print(f"{'':10} {'journal':>8} {'bytes':>7} {'CPU us':>8} {'x RSA':>6} {'PG us':>7} {'PG/CPU':>6} {'msg/CPU s':>9} {'msg/s':>7}"
          f" {'faults':>7} {'RSS KiB':>8}")
    for row in rows:
        row["ratio"] = round(row["cpu_us"] / bare, 2)
        row["per_cpu_second"] = round(1e6 / row["cpu_us"])
        row["postgres_ratio"] = round(row["postgres_us"] / row["cpu_us"], 2)
        name = "signed" if row["signed"] else "unsigned"
        print(f"{name:10} {'durable' if row['durable'] else 'sync off':>8} {row['bytes']:>7} {row['cpu_us']:>8} {row['ratio']:>6}"
              f" {row['postgres_us']:>7} {row['postgres_ratio']:>6} {row['per_cpu_second']:>9} {row['per_second']:>7}"
              f" {row['faults']:>7} {row['peak_rss_kib']:>8}")
    print("system calls a message:", ", ".join(f"{name} {n}" for name, n in calls.items()))
    alone = journal_alone(1000000)
    print("a journal of 1,000,000 records:", alone, sep="\n", end="")
    print(json.dumps({"system_calls": calls, "bare_rsa2048_us": round(bare, 1), "runs": rows, "journal": alone.splitlines()}))


if __name__ == "__main__":
    main()
