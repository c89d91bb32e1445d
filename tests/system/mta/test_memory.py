"""limits.memory: what a worker holds is bounded, and everything is sent."""
import os
import random

import pytest
from mtalib import CONTENT, WORLD

LEAST = 32 << 20  # of limits.memory
SPREAD = WORLD.replace('mx: ["10 mx{1%3+1}.post.test"]', 'mx: ["10 mx{1}.post.test"]').replace("mx[1-3]", "mx[1-50]")
SMALL = {"limits": {"memory": "32MiB"}, "default_site": {"connections": 3}}


def start(stack):
    """With sanitizers freed memory is kept for a while and is no measure: not here."""
    stack.start_in(dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=1:detect_leaks=0:malloc_context_size=0"))


def peak(stack):
    """The most memory the worker ever had, in bytes."""
    with open(f"/proc/{stack.processes()['w0']}/status", encoding="ascii") as status:
        (line,) = [line for line in status if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


def people(n):
    return [f"user{i}@d{i % 50 + 1}.test" for i in range(n)]


def at_rest(stack):
    """What it takes to send anything at all."""
    campaign = stack.campaign()
    stack.enqueue(campaign, people(50))
    start(stack)
    assert stack.wait(campaign) == {"delivered": 50}
    return peak(stack)


def test_large_merge_variables_come_as_memory_allows(stack):
    """100 MiB of them, among them jobs without any; in the end one that is larger than all that jobs may have."""
    with stack(world=SPREAD, config=SMALL) as s:
        before = at_rest(s)
        campaign, other = s.campaign(start=False), s.campaign()
        fat = random.Random(1).randbytes(512 << 10).hex()
        for part in range(5):
            recipients = [f"u{i}.{part}@d{i + 1}.test" for i in range(20)]
            s.enqueue(campaign, recipients, [{"name": "Ann", "more": fat}] * 20)
        s.enqueue(other, people(50))
        s.shop.session.run("campaign_start", s.shop.tenant, campaign)
        assert s.wait(campaign, timeout=120) == {"delivered": 100}
        assert s.wait(other) == {"delivered": 50}
        assert peak(s) - before < 3 * LEAST // 2, (peak(s) - before) >> 20
        s.enqueue(campaign, ["giant@d1.test"], [{"name": "Ann", "more": fat * 18}])
        s.wait(campaign, lambda a: a == {"delivered": 101})
        assert len({line["job"] for line in s.world.ledger()}) == len(s.world.ledger()) == 201
        s.stop()


@pytest.mark.parametrize("reloaded", [False, True])
def test_large_messages_are_composed_as_memory_allows(stack, reloaded):
    """A hundred connections, and 4 MB of each message: they would be 400 MB."""
    slow = SPREAD + "\nrules:\n  - {at: dot, delay: 300ms}\n"
    image = {"name": "a.png", "type": "image/png", "data": "QUJD" * (1 << 20)}
    with stack(world=slow, config=dict(SMALL, limits={}) if reloaded else SMALL, judge=False) as s:
        before = at_rest(s)
        if reloaded:
            s.reload(**SMALL)
        s.set_content(dict(CONTENT, attachments=[image]))
        campaign = s.campaign()
        s.enqueue(campaign, people(100))
        assert s.wait(campaign, timeout=120) == {"delivered": 100}
        assert peak(s) - before < 3 * LEAST, (peak(s) - before) >> 20
        assert min(line["size"] for line in s.world.ledger()[50:]) > 4 << 20
        s.stop()


def test_large_contents_are_fetched_as_memory_allows(stack):
    """Thirty campaigns, all at hand at once, and 4 MB of each content: they would be 120 MB."""
    slow = SPREAD + "\nrules:\n  - {at: dot, delay: 300ms}\n"
    with stack(world=slow, config=SMALL, judge=False) as s:
        before = at_rest(s)
        images = [{"name": "a.png", "type": "image/png", "data": f"{i:04}" * (1 << 20)} for i in range(30)]
        campaigns = []
        for image in images:
            s.set_content(dict(CONTENT, attachments=[image]))
            campaigns.append(s.campaign(start=False))
            s.shop.session.query("UPDATE penguin.campaigns SET content_version = (SELECT max(version)"
                                 " FROM penguin.contents) WHERE id = %s", campaigns[-1])
            s.enqueue(campaigns[-1], people(1))
        s.shop.session.query("UPDATE penguin.campaigns SET state = 'running', txid = DEFAULT")
        for campaign in campaigns:
            assert s.wait(campaign) == {"delivered": 1}
        assert peak(s) - before < 3 * LEAST, (peak(s) - before) >> 20
        assert len({line["sha256"] for line in s.world.ledger()[50:]}) == 30
        s.stop()
