"""The zone of a sender as large receivers want it: what preflight looks at.

    Stack(dsn, directory, world=world_with(GOOD))

The sender is mtalib's tenant with the sources s1 and s2; keys are published by the stack.
"""
import json

from mtalib import DOMAIN, WORLD

GOOD = {
    "shop.test": {"soa": True, "mx": ["10 mail.shop.test"]},
    "mail.shop.test": {"a": ["127.0.9.1"]},
    DOMAIN: {"mx": ["10 mail.shop.test"]},
    "_dmarc.shop.test": {"txt": ["v=DMARC1; p=none"]},
    "bounce.shop.test": {"mx": ["10 mail.shop.test"], "txt": ["v=spf1 ip4:127.0.5.0/24 -all"]},
    "t.shop.test": {"a": ["127.0.9.2"]},
    "s1.shop.test": {"a": ["127.0.5.1"]},
    "s2.shop.test": {"a": ["127.0.5.2"]},
    "1.5.0.127.in-addr.arpa": {"ptr": ["s1.shop.test"]},
    "2.5.0.127.in-addr.arpa": {"ptr": ["s2.shop.test"]},
}


def world_with(zone, world=WORLD):
    """The world's configuration with these names before its own; one without records is not there."""
    entries = [json.dumps(dict(domain=name, **records)) for name, records in zone.items() if records]
    return world.replace("\ndomains:\n", "\ndomains:\n" + "".join(f"  - {entry}\n" for entry in entries))
