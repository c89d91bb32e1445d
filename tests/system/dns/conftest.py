import json
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import worldlib  # noqa: E402

PROGRAM = worldlib.BUILD / "tests" / "tools" / "resolve-cli"


class Resolver:
    """Resolves in a world; the guard lets 127.0.0.0/8 through unless told otherwise."""

    def __init__(self, world):
        self.world = world

    def run(self, *domains, options=(), allow=("127.0.0.0/8",)):
        """One JSON object for each domain, in the order of the answers."""
        command = [PROGRAM, "--dns", f"127.0.0.1:{self.world.dns_port}", "--timeout", "300",
                   *(word for network in allow for word in ("--allow", network)), *options, *domains]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def find(self, domain, **more):
        (answer,) = self.run(domain, **more)
        return answer

    def failure(self, domain, **more):
        return self.find(domain, **more)["failure"]

    def plan(self, domain, **more):
        """The addresses in the order of trying, without ports."""
        answer = self.find(domain, **more)
        assert answer["failure"] == "", answer
        return [address.rsplit(":", 1)[0] for _, address in answer["plan"]]

    def questions(self, name=None, kind=None):
        return [e for e in self.world.events("dns")
                if name in (None, e["name"]) and kind in (None, e["type"])]


@pytest.fixture
def resolver(tmp_path):
    """resolver(yaml): a resolver beside a running world, ended with the test."""
    running = []

    def begin(text):
        world = worldlib.World(tmp_path, worldlib.PORTS + text)
        running.append(world)
        return Resolver(world.__enter__())

    yield begin
    for world in running:
        world.stop()
