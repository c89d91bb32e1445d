"""compose_cli as a fixture: rows in, composed messages out."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("PENGUIN_BUILD", ROOT / "build")).resolve()


class Composer:
    """One process for all rows: what an earlier message leaves behind must not show in a later one."""

    def __init__(self):
        self.process = subprocess.Popen(
            [BUILD / "tests" / "tools" / "compose_cli"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __call__(self, row):
        self.process.stdin.write(json.dumps(row).encode() + b"\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "message" in answer:
            answer["bytes"] = answer["message"].encode()
        return answer

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0
        self.process.stdout.close()


@pytest.fixture(scope="session")
def compose():
    composer = Composer()
    yield composer
    composer.close()
