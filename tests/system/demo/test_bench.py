"""Benchmarks are run by hand, months apart: here, that each one begins, and that one measures."""
import json
import os
import runpy
import subprocess
import sys

import pytest
from mtalib import is_disk
from worldlib import BUILD, ROOT

BENCHES = sorted(path for path in (ROOT / "tests" / "bench").glob("*.py") if path.stem != "benchlib")


def measure(part, *options):
    """What the last line of a small run says."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "bench" / f"{part}.py", *map(str, options)], stdout=subprocess.PIPE,
                          text=True, check=True, timeout=300, env=dict(os.environ, PENGUIN_BUILD=str(BUILD)))
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_it_finds_what_it_is_made_of(path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert callable(runpy.run_path(str(path), run_name="bench")["main"])


def test_latency_measures_every_job():
    said = measure("latency", 5, 500, 1)
    assert said["seen"] == said["sent"] > 0 and said["p99_ms"] > 0


def test_a_durable_journal_syncs_and_another_does_not(tmp_path):
    if not is_disk(tmp_path):
        pytest.skip("no journal is durable in memory")
    said = measure("journal", "--messages", 60, "--rounds", 1, "--letters", "unsigned", "--connections", 2)
    syncs = {row["kind"]: row["records_syncs"] for row in said["journal"]}
    assert syncs["unsigned, sync: false"] == 0 < syncs["unsigned, durable"] <= 2
    assert all(row["cpu_us"] > 0 and row["records_bytes"] > 500 for row in said["journal"])
    (shared,) = said["shared"]
    assert shared["connections"] == 2 and shared["messages_a_sync"] > 0


def test_scale_counts_all_nodes_and_postgres():
    said = measure("scale", "--messages", 60, "--rounds", 1, "--idle", 0.5, "--shapes", "1x1", "2x2")
    assert [(row["kind"], row["nodes"], row["workers"]) for row in said["scale"]] == [
        (kind, nodes, nodes) for kind in ("signed", "unsigned") for nodes in (1, 2)]
    assert all(row["cpu_us"] > 0 and row["postgres_us"] > 0 for row in said["scale"])


def test_failover_is_timed_from_the_death():
    """Here by the operator's word alone: the end of a lease takes minutes."""
    (row,) = measure("failover", "--rounds", 1, "--expiries", 0, "--jobs", 300)["failover"]
    assert row["held"] > 0 and 0 < row["declared"] and 0 < row["first"] <= row["last"]
