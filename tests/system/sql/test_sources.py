"""Who sends from an address: one worker at a time, whatever happens at the same moment."""
import concurrent.futures

from penguin import Worker


def take(worker, *addresses):
    """By address: the worker that has it now."""
    rows = worker.session.run("source_take", worker.id, list(addresses), [f"s{i}" for i, _ in enumerate(addresses)])
    return {row["address"]: str(row["owner"]) for row in rows}


def test_an_address_is_one_workers(database, worker):
    other = Worker(database, "w2")
    assert take(worker, "192.0.2.1", "2001:db8::1") == {"192.0.2.1": worker.id, "2001:db8::1": worker.id}
    assert take(worker, "192.0.2.1") == {"192.0.2.1": worker.id}, "asked twice"
    assert take(other, "192.0.2.1", "192.0.2.2") == {"192.0.2.1": worker.id, "192.0.2.2": other.id}
    (row,) = other.session.run("source_take", other.id, ["2001:db8:0::1"], ["mine"])
    assert (row["address"], str(row["owner"]), row["node"], row["source"]) == ("2001:db8:0::1", worker.id, "node", "s1")


def test_what_is_given_back_is_free_and_only_ones_own(database, worker):
    other = Worker(database, "w2")
    take(worker, "192.0.2.1", "192.0.2.2")
    other.session.run("source_release", other.id, ["192.0.2.1"])
    assert take(other, "192.0.2.1") == {"192.0.2.1": worker.id}
    worker.session.run("source_release", worker.id, ["192.0.2.1", "192.0.2.9"])
    assert take(other, "192.0.2.1", "192.0.2.2") == {"192.0.2.1": other.id, "192.0.2.2": worker.id}


def test_an_owner_that_is_gone_keeps_nothing_and_gets_nothing(database, worker):
    other = Worker(database, "w2")
    for state in ("dead", "stopped", "replayed"):
        take(worker, "192.0.2.1")
        worker.session.query("UPDATE penguin.workers SET state = %s WHERE id = %s", state, worker.id)
        assert take(other, "192.0.2.1") == {"192.0.2.1": other.id}, state
        assert take(worker, "192.0.2.1", "192.0.2.7") == {"192.0.2.1": other.id}, "dead hands take nothing"
        other.session.run("source_release", other.id, ["192.0.2.1"])
        worker.session.query("UPDATE penguin.workers SET state = 'live' WHERE id = %s", worker.id)


def test_a_lease_that_ran_out_is_not_free_until_its_owner_is_declared_dead(database, worker):
    other = Worker(database, "w2")
    take(worker, "192.0.2.1")
    worker.session.query("UPDATE penguin.workers SET until = now() - interval '1 hour' WHERE id = %s", worker.id)
    assert take(other, "192.0.2.1") == {"192.0.2.1": worker.id}
    other.session.run("mark_dead", 0)
    assert take(other, "192.0.2.1") == {"192.0.2.1": other.id}


def test_of_many_that_ask_at_once_one_gets_it(database, worker):
    """For an address that nobody has, and for one whose owner is dead: in each round one says that it is its own."""
    crowd = [Worker(database, f"w{i}") for i in range(2, 8)]
    with concurrent.futures.ThreadPoolExecutor(len(crowd)) as pool:
        for number in range(1, 60):
            address = f"192.0.2.{number}"
            if number % 2:
                take(worker, address)
                worker.session.query("UPDATE penguin.workers SET state = 'dead' WHERE id = %s", worker.id)
            said = list(pool.map(lambda one, address=address: take(one, address).get(address), crowd))
            assert sum(owner == one.id for owner, one in zip(said, crowd)) == 1, said
            worker.session.query("UPDATE penguin.workers SET state = 'live' WHERE id = %s", worker.id)
