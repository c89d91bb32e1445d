"""Sessions of the engine against penguin-world: smtp-send drives them."""
import json
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import worldlib  # noqa: E402

SENDER = worldlib.BUILD / "tests" / "tools" / "smtp-send"


@pytest.fixture
def start(tmp_path):
    """start(yaml, *options): a running world, ended with the test."""
    running = []

    def begin(text, *options):
        world = worldlib.World(tmp_path, worldlib.PORTS + text, *options)
        running.append(world)
        return world.__enter__()

    yield begin
    for world in running:
        world.stop()


class Sent:
    """What smtp-send printed: one dict for each outcome, and the summary."""

    def __init__(self, text):
        lines = [json.loads(line) for line in text.splitlines()]
        self.summary = lines.pop()
        self.outcomes = [line for line in lines if "message" in line]
        self.unreachable = [line for line in lines if "unreachable" in line]

    @property
    def only(self):
        (line,) = self.outcomes + self.unreachable
        return line

    def actions(self):
        return [line["action"] for line in self.outcomes]


@pytest.fixture
def send():
    """send(world, hosts, *options): hosts as {name: address} or [(name, address)]."""

    def run(world, hosts, *options, timeout=60):
        command = [SENDER]
        for name, address in hosts.items() if isinstance(hosts, dict) else hosts:
            command += ["--host", f"{name}={address}:{world.smtp_port}"]
        done = subprocess.run(command + [str(o) for o in options], stdout=subprocess.PIPE,
                              text=True, timeout=timeout, check=False)
        assert done.returncode in (0, 1), f"smtp-send ended with {done.returncode}"
        return Sent(done.stdout)

    return run


def check_against_ledger(world, sent):
    """Nothing lost, nothing misreported: what we say is what the receiver has."""
    accepted = {line["job"] for line in world.ledger()}
    for line in sent.outcomes:
        if line["action"] == "deliver":
            assert line["id"] in accepted, f"lost: {line}"
        elif line["action"] != "doubt":
            assert line["id"] not in accepted or delivered_later(sent, line), f"misreported: {line}"
    jobs = [line["job"] for line in world.ledger()]
    assert len(jobs) == len(set(jobs)), "duplicates"
    for line in world.ledger():
        assert line["violations"] == [], line


def delivered_later(sent, line):
    return any(o["id"] == line["id"] and o["action"] == "deliver" for o in sent.outcomes)


@pytest.fixture
def check():
    return check_against_ledger
