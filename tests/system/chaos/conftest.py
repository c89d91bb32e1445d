"""Fixtures of the tests with a disk that forgets."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from mtalib import Stack  # noqa: E402


@pytest.fixture
def stack(database, tmp_path):
    def make(**settings):
        (tmp_path / "stack").mkdir()
        return Stack(database, tmp_path / "stack", **settings)

    yield make
