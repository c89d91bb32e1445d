"""Fixtures of the end-to-end tests."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from mtalib import Stack  # noqa: E402


@pytest.fixture
def stack(database, tmp_path, request):
    """Makes a Stack on the test's database; all are ended with the test.  Marked `alone`: a worker without a supervisor."""
    open_stacks = []

    def make(**settings):
        directory = tmp_path / f"stack{len(open_stacks)}"
        directory.mkdir()
        it = Stack(database, directory, **settings)
        it.alone = request.node.get_closest_marker("alone") is not None
        open_stacks.append(it)
        return it

    yield make
