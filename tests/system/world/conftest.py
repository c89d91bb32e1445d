import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import worldlib  # noqa: E402


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
