"""Benchmarks are run by hand, months apart: here, that each one begins, and that one measures."""
import json
import os
import runpy
import subprocess
import sys

import pytest
from worldlib import BUILD, ROOT

BENCHES = sorted((ROOT / "tests" / "bench").glob("*.py"))


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_it_finds_what_it_is_made_of(path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert callable(runpy.run_path(str(path), run_name="bench")["main"])


def test_latency_measures_every_job():
    done = subprocess.run([sys.executable, ROOT / "tests" / "bench" / "latency.py", "5", "500", "1"], stdout=subprocess.PIPE,
                          text=True, check=False, timeout=120, env=dict(os.environ, PENGUIN_BUILD=str(BUILD)))
    said = json.loads(done.stdout)
    assert said["seen"] == said["sent"] > 0 and said["p99_ms"] > 0
