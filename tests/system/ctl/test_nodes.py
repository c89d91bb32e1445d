"""penguinctl node: which workers there are, and saying that one is gone."""
import json

import pytest
import mtalib  # noqa: F401: finds penguin
from ctllib import Ctl
from penguin import Shop, Worker


def key(shop, take):
    return (shop.tenant, "default", "other", 10, take)


@pytest.fixture
def ctl(database, tmp_path):
    return Ctl(database, tmp_path)


@pytest.fixture
def shop(database):
    it = Shop(database)
    yield it
    it.session.close()


def nodes(ctl):
    return [json.loads(line) for line in ctl.run("node", "list", "--json").splitlines()]


def silent(shop, worker, seconds):
    shop.session.query("UPDATE penguin.workers SET seen_at = now() - %s * interval '1 s' WHERE id = %s", seconds, worker.id)


def test_node_N4_what_a_dead_node_held_is_free_at_once(database, shop, ctl):
    campaign = shop.campaign()
    shop.enqueue(campaign, 30)
    workers = [Worker(database, name) for name in ("w0", "w1")]
    for worker in workers:
        worker.claim(key(shop, 10))
        silent(shop, worker, 20)
    assert [(n["state"], n["held"], n["ended_us"]) for n in nodes(ctl)] == [("live", 10, None)] * 2
    said = ctl.run("node", "dead", "node/w1", "--yes")
    assert "node/w1" in said and "holds 10 jobs" in said and "sent twice" in said and "dead; 1 batch is free" in said
    assert [(n["name"], n["state"], n["held"]) for n in nodes(ctl)] == [("w0", "live", 10), ("w1", "dead", 0)]
    assert nodes(ctl)[1]["ended_us"] > 0
    assert shop.account(campaign) == {"waiting": 20, "leased": 10}
    assert shop.session.query("SELECT suspect, lost FROM penguin.batches WHERE suspect") == [(True, True)]
    assert workers[1].session.run("heartbeat", workers[1].id, 10**9, [], "", False) == [], "it is fenced"
    (row,) = [json.loads(line) for line in ctl.run("node", "dead", "node", "--yes", "--json").splitlines()]
    assert (row["id"], row["held"], row["quiet"]) == (workers[0].id, 10, True)
    assert shop.account(campaign) == {"waiting": 30}


def test_node_N5_who_was_heard_of_lately_is_left_alone(database, shop, ctl):
    worker, other = Worker(database, "w0"), Worker(database, "w1")
    silent(shop, other, 60)
    said = ctl.run("node", "dead", "node", "--yes", code=75)
    assert "worker w0 of node was heard of" in said and "--force" in said
    assert {n["state"] for n in nodes(ctl)} == {"live"}, "nor is the other"
    ctl.run("node", "dead", worker.id, "--yes", "--force")
    assert [n["state"] for n in nodes(ctl)] == ["dead", "live"]


def test_nobody_is_dead_by_mistake(database, shop, ctl):
    worker = Worker(database, "w0")
    silent(shop, worker, 60)
    assert "give --yes" in ctl.run("node", "dead", "node", code=64, stdin="")
    for name in ("nobody", "node/w9", "00000000-0000-4000-8000-000000000000", "nod"):
        assert "no live worker is" in ctl.run("node", "dead", name, "--yes", code=65)
    assert [n["state"] for n in nodes(ctl)] == ["live"]


def test_node_N2_whose_settings_are_in_the_minority_differs(database, shop, ctl):
    for name, config in (("a", "1" * 64), ("b", "1" * 64), ("c", "2" * 64), ("d", "")):
        worker = Worker(database, name)
        worker.session.run("heartbeat", worker.id, 10**9, [], config, False)
    assert [(n["config"], n["differs"]) for n in nodes(ctl)] == [
        ("1" * 8, False), ("1" * 8, False), ("2" * 8, True), ("", False)]
    assert "11111111" in ctl.run("node", "list")


def test_node_N3_a_lease_that_has_run_out_shows(database, shop, ctl):
    Worker(database, "w0", lease_s=-1)
    assert [n["state"] for n in nodes(ctl)] == ["expired"]
