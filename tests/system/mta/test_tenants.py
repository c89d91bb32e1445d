"""Two tenants on one worker: neither learns from the other, neither holds the other up."""
import contextlib
import time

import pytest

from mtalib import WORLD
from penguin import Shop


@contextlib.contextmanager
def as_tenant(stack, shop):
    """The stack's helpers work for this tenant meanwhile."""
    before, stack.shop = stack.shop, shop
    try:
        yield stack
    finally:
        stack.shop = before


def neighbour(stack):
    """Another tenant that sends from the same domain and the same source."""
    other = Shop(stack.dsn, "neighbour")
    other.session.query("UPDATE penguin.tenants SET settings = (SELECT settings FROM penguin.tenants WHERE tenant_id = %s)"
                        " WHERE tenant_id = %s", stack.shop.tenant, other.tenant)
    with as_tenant(stack, other):
        stack.set_content(stack.content)
        stack.add_key("r2")
    return other


def test_tenant_Q1_what_mail_teaches_is_its_tenants_own(stack):
    with stack() as s:
        other = neighbour(s)
        mine = s.campaign()
        s.enqueue(mine, ["ann@d1.test", "bob@d2.test"])
        with as_tenant(s, other):
            theirs = s.campaign()
            s.enqueue(theirs, ["cleo@d2.test", "dan@d3.test"])
        s.start()
        assert s.wait(mine) == {"delivered": 2}
        with as_tenant(s, other):
            assert s.wait(theirs) == {"delivered": 2}
        end = time.monotonic() + 60
        known = []
        while time.monotonic() < end and len(known) < 4:
            time.sleep(0.5)
            known = other.session.query("SELECT tenant_id::text, domain FROM penguin.domains ORDER BY 2, 1")
        assert sorted(known) == sorted([(s.shop.tenant, "d1.test"), (s.shop.tenant, "d2.test"),
                                        (other.tenant, "d2.test"), (other.tenant, "d3.test")])
        other.session.close()
        s.stop()


@pytest.mark.parametrize("limits", [{"jobs": 1000}, {"site_share": 1}], ids=["small share", "no share"])
def test_tenant_Q2_a_large_tenant_does_not_starve_a_small_one(stack, limits):
    """One site, one source, a backlog of 6,000: another tenant's 20 go between, not behind."""
    slow = "\nrules:\n  - {at: mail, delay: 5ms}\n"  # 15 s for the backlog
    with stack(world=WORLD + slow, config={"limits": limits, "default_site": {"connections": 2}}) as s:
        other = neighbour(s)
        large = s.campaign()
        s.enqueue(large, [f"user{i}@d1.test" for i in range(6000)])
        s.start()
        s.wait(large, lambda a: a.get("delivered", 0) >= 300)
        with as_tenant(s, other):
            small = s.campaign()
            s.enqueue(small, [f"small{i}@d1.test" for i in range(20)])
            assert s.wait(small, timeout=120) == {"delivered": 20}
        begun = s.account(large).get("delivered", 0)
        s.shop.session.run("campaign_cancel", s.shop.tenant, large, "seen enough")
        assert s.wait(large).get("cancelled", 0) > 500, f"{begun} of the large tenant's went first"
        order = [line["recipient"].startswith("small") for line in s.world.ledger()]
        assert order.count(True) == 20
        first, last = order.index(True), len(order) - 1 - order[::-1].index(True)
        assert last - first < 200, "they go in turns once they are here"
        other.session.close()
        s.stop()


@pytest.mark.parametrize("listen", [True, False])
def test_tenant_Q5_the_queue_works_without_hints_and_with_false_ones(stack, listen):
    """Nothing is said when jobs come; much is said when none do.  The sweep is too rare to help."""
    with stack() as s:
        campaign = s.campaign()
        s.start(postgres={"listen": listen, "sweep": "10m"})
        s.wait(campaign, lambda _: "postgres_up" in s.log_text())
        time.sleep(1)
        for i in range(3):
            s.enqueue(campaign, [f"user{i}.{n}@d{n}.test" for n in range(1, 11)])
            s.wait(campaign, lambda a, i=i: a == {"delivered": 10 * (i + 1)}, timeout=20)
            s.shop.session.query("SELECT pg_notify('penguin_ready', x) FROM (VALUES ('" + "x" * 7000 + "'), "
                                 "('''; DROP TABLE penguin.jobs'), ('')) AS v (x), generate_series(1, 50)")
            time.sleep(0.5)
        assert len(s.world.ledger()) == 30 and s.check(campaign) == {"delivered": 30}
        s.stop()


def test_tenant_Q4_no_transaction_is_open_while_mail_is_sent(stack):
    """Hosts take their time, and the engine's connection has none open meanwhile."""
    slow = "\nrules:\n  - at: data\n    delay: 1s\n  - at: dot\n    delay: 1s\n"
    with stack(world=WORLD + slow) as s:
        name = s.shop.session.value("SELECT current_database()")
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d{i % 3 + 1}.test" for i in range(30)])
        s.start()
        seen, longest = 0, 0

        def look(account):
            nonlocal seen, longest
            for state, age in s.shop.session.query(
                    "SELECT state, extract(epoch FROM clock_timestamp() - xact_start)::float FROM pg_stat_activity "
                    "WHERE application_name = 'penguin-mta' AND datname = %s", name):
                seen += account.get("leased", 0) > 0
                assert state != "idle in transaction (aborted)"
                longest = max(longest, age or 0)
            return account == {"delivered": 30}

        s.wait(campaign, look, timeout=90)
        assert seen > 50 and longest < 1, (seen, longest)
        s.stop()
