"""Other people's mail servers as receivers: each is started once, when a test first wants it."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from allhosts import ALL  # noqa: E402
from jail import NETWORK, free_port, need_namespaces  # noqa: E402
from judges import Verifiers  # noqa: E402
from mailhost import make_authority  # noqa: E402
from mtalib import Stack  # noqa: E402


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"), [f"mx.{name}.test" for name in ALL])


@pytest.fixture(scope="session")
def receivers(tmp_path_factory, authority):
    """Gives a receiver by its name."""
    need_namespaces()
    running = {}
    port = free_port(*[f"{NETWORK}.{kind.NUMBER}" for kind in ALL.values()])
    top = tmp_path_factory.mktemp("receivers")

    def get(name):
        if name not in running:
            running[name] = ALL[name](top / name, authority, port).__enter__()
        return running[name]

    yield get
    for host in running.values():
        host.__exit__(None, None, None)


@pytest.fixture(scope="session")
def verifiers(tmp_path_factory):
    need_namespaces()
    with Verifiers(tmp_path_factory.mktemp("verifiers")) as judges:
        yield judges


@pytest.fixture
def stack(database, tmp_path):
    """Makes a Stack on the test's database."""
    numbers = iter(range(1000))

    def make(**settings):
        directory = tmp_path / f"stack{next(numbers)}"
        directory.mkdir()
        return Stack(database, directory, **settings)

    return make
