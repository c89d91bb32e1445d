import pytest

from penguin import Shop, Worker


@pytest.fixture
def shop(database):
    it = Shop(database)
    yield it
    it.session.close()


@pytest.fixture
def worker(database):
    it = Worker(database)
    yield it
    it.session.close()
