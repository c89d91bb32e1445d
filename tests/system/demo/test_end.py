"""However the demo ends, nothing of it stays: no process, no file."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from worldlib import BUILD, ROOT

DEMO = ROOT / "tools" / "demorun.py"


@pytest.fixture
def place():
    """Where the demo has its files: Postgres, another user, must be able to."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="demo-end."))
    path.chmod(0o1777)
    yield path
    shutil.rmtree(path)


def start(place, **settings):
    return subprocess.Popen(["/usr/bin/python3", DEMO], env=dict(os.environ, TMPDIR=str(place), PENGUIN_BUILD=str(BUILD)),
                            start_new_session=True, stderr=subprocess.DEVNULL, text=True, **settings)


def processes_in(place):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(place).encode() in words:
            found.append(words)
    return found


def assert_clean(place):
    end = time.monotonic() + 10
    while processes_in(place) and time.monotonic() < end:
        time.sleep(0.1)
    assert processes_in(place) == []
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("line, seconds, number, to_all", [
    ("== A throwaway Postgres", 0, signal.SIGINT, True),
    ("== A throwaway Postgres", 0.3, signal.SIGINT, True),
    ("== A throwaway Postgres", 1, signal.SIGINT, True),
    ("    schema applied", 0, signal.SIGINT, True),
    ("    schema applied", 0.3, signal.SIGINT, True),
    ("== Sending", 0.5, signal.SIGINT, True),
    ("== Sending", 0.5, signal.SIGTERM, False),
    ("== A throwaway Postgres", 0.3, signal.SIGHUP, False),
])
def test_an_interrupted_demo_cleans_up(place, line, seconds, number, to_all):
    demo = start(place, stdout=subprocess.PIPE)
    while not (said := demo.stdout.readline()).startswith(line):
        assert said
    time.sleep(seconds)
    if to_all:
        os.killpg(demo.pid, number)  # as Ctrl-C in a terminal
        time.sleep(0.2)
        os.killpg(demo.pid, number)  # and impatiently once more
    else:
        demo.send_signal(number)
    demo.communicate(timeout=60)
    assert demo.returncode == 128 + number
    assert_clean(place)


def test_a_demo_that_nobody_reads_cleans_up(place):
    demo = start(place, stdout=subprocess.PIPE)
    assert demo.stdout.readline()
    demo.stdout.close()
    assert demo.wait(60) == 128 + signal.SIGPIPE
    assert_clean(place)


def test_a_demo_without_a_place_for_postgres_says_so(place):
    (place / "no room").mkdir()
    answer = subprocess.run(["/usr/bin/python3", DEMO], env=dict(os.environ, TMPDIR=str(place / "no room")), text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
    assert answer.returncode == 1 and "TMPDIR" in answer.stdout and "Traceback" not in answer.stdout
    (place / "no room").rmdir()
    assert_clean(place)
