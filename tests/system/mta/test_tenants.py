"""Two tenants on one worker: neither learns from the other, neither holds the other up."""
import contextlib
import time

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
