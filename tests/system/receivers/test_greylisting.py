"""Greylisting by postgrey: a second attempt passes if client, sender and recipient are the same, and not before its time."""
import collections

from mailhost import sender, world
from mtalib import merged

SOURCES = {
    "sources": {"s1": {"ipv4": "127.0.5.1", "ehlo": "s1.shop.test"}, "s2": {"ipv4": "127.0.6.1", "ehlo": "s2.shop.test"}},
    "pools": {"default": {"sources": ["s1", "s2"]}},
    "retry": {"first": "3s", "max": "6s"},
}


def test_smtp_R5_postgrey_passes_the_second_attempt_from_the_same_source(stack, receivers, authority):
    host = receivers("grey")
    with stack(world=world(host), config=merged(sender(authority, host), SOURCES)) as s:
        campaign = s.campaign()
        people = [f"user{i}@{domain}" for domain in host.domains for i in range(20)]
        s.enqueue(campaign, people)
        s.start()
        s.wait(campaign)
        s.stop()
        tries = collections.defaultdict(list)
        for attempt in s.attempts(campaign):
            tries[attempt["job_id"]].append(attempt)
        assert s.account(campaign) == {"delivered": 40}
    assert {letter.recipient for letter in host.collect(40)} == set(people)
    assert len(tries) == 40
    for first, second in tries.values():
        assert (first["state"], first["code"], first["category"]) == ("retrying", 450, "greylisted")
        assert second["state"] == "delivered" and second["source"] == first["source"]
    assert {first["source"] for first, _ in tries.values()} == {"s1", "s2"}
