"""What a reload applies is in force from then on, and what it does not is named."""
import json
import re
import time

from dnsproxy import DnsProxy
from mtalib import WORLD


def until(condition, seconds=15):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def reload(stack, **change):
    """Returns when it is done."""
    before = len(re.findall("^reload", stack.log_text(), re.M))
    stack.reload(**change)
    until(lambda: len(re.findall("^reload", stack.log_text(), re.M)) > before)
    return [line for line in stack.log_text().splitlines() if line.startswith("reload")][-1]


def send(stack, name, count=1, **options):
    campaign = stack.campaign()
    stack.enqueue(campaign, [f"{name}{i}@d1.test" for i in range(count)])
    assert stack.wait(campaign, **options) == {"delivered": count}
    return campaign


def test_reports_go_at_the_new_pace_also_what_waits(stack):
    with stack() as s:
        campaign = s.campaign()
        s.start(report={"interval": "30s"})
        s.enqueue(campaign, ["ann@d1.test"])
        until(s.world.ledger)
        time.sleep(1)
        assert s.account(campaign) == {"leased": 1}
        reload(s, report={"interval": "50ms"})
        s.wait(campaign, timeout=5)  # of 30
        send(s, "bob", timeout=10)
        s.stop()


def test_retries_are_filed_at_the_new_pace(stack):
    rule = "\nrules:\n  - {at: rcpt, recipient: no@d2.test, reply: 451 4.3.0 later}\n  - {at: dot, delay: 5s}\n"
    with stack(world=WORLD + rule, config={"retry": {"first": "10m", "max": "1h"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["no@d2.test"] + [f"u{i}@d1.test" for i in range(8)])  # two hosts, one batch
        s.start(report={"retry_interval": "10m"})
        s.wait(campaign, lambda a: s.attempts(campaign))
        time.sleep(1)
        assert s.account(campaign).get("retrying") is None
        reload(s, report={"retry_interval": "100ms"})
        s.wait(campaign, lambda a: a.get("retrying") == 1, timeout=10)
        assert s.account(campaign)["leased"] == 8  # the batch is not over
        s.kill()


def test_the_lease_is_as_long_as_the_new_one(stack):
    with stack(config={"timeouts": {"scale": 0.001}}) as s:
        left = "SELECT extract(epoch FROM until - now()) FROM penguin.workers WHERE state = 'live'"
        s.start(lease={"duration": "20m", "renew": "5m", "autonomy": "1s"})
        send(s, "ann")
        assert s.shop.session.value(left) > 1000
        reload(s, lease={"duration": "8s", "renew": "1s"})
        until(lambda: s.shop.session.value(left) < 9)
        time.sleep(3)
        assert 5 < s.shop.session.value(left) < 9  # and it is renewed as often
        reload(s, lease={"duration": "20m", "renew": "5m"})
        until(lambda: s.shop.session.value(left) > 1000)
        send(s, "bob")
        s.stop()


def test_keys_come_from_the_new_directory(stack):
    with stack() as s:
        s.start()
        send(s, "ann")
        other = s.directory / "other"
        (s.directory / "keys").rename(s.directory / "first")
        s.add_key("n1")
        (s.directory / "keys").rename(other)
        (s.directory / "first").rename(s.directory / "keys")
        reload(s, keys={"directory": str(other), "expire": "3d", "signer": "libopendkim"})
        send(s, "bob")
        assert b"s=r1;" in s.letters()["ann0@d1.test"]
        signed = s.letters()["bob0@d1.test"]
        assert b"s=n1;" in signed and b"s=r1;" not in signed
        fields = dict(re.findall(rb"\b([tx])=(\d+)", signed))
        assert int(fields[b"x"]) - int(fields[b"t"]) == 3 * 86400
        said = reload(s, keys={"directory": str(s.directory / "nowhere")})
        assert said.startswith("reload_refused") and "nowhere" in said
        send(s, "eve")
        assert b"s=n1;" in s.letters()["eve0@d1.test"]
        s.stop()


def test_the_delivery_log_moves_and_loses_no_line(stack):
    with stack() as s:
        s.start()
        first = send(s, "ann", 20)
        reload(s, delivery={"log": str(s.directory / "moved.log")})
        second = send(s, "bob", 20)
        said = reload(s, delivery={"log": str(s.directory / "no" / "where.log")})
        assert said.startswith("reload_refused") and "delivery.log" in said
        third = send(s, "eve", 5)
        s.stop()
        lines = {name: [json.loads(line)["campaign_id"] for line in (s.directory / name).read_text().splitlines()]
                 for name in ("delivery.log", "moved.log")}
        assert lines == {"delivery.log": [first] * 20, "moved.log": [second] * 20 + [third] * 5}


def test_questions_go_to_the_new_resolvers_and_none_is_lost(stack):
    """The first resolver is silent; what it was asked goes on to its end, and no attempt is used up."""
    with stack() as s:
        proxy = DnsProxy(s.world.dns_port, s.world.dns_address)
        proxy.mode = "drop"
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d{i % 9 + 1}.test" for i in range(20)])
        s.start(dns={"servers": [f"127.0.0.1:{proxy.port}"], "timeout": "1s"}, keys={"check_dns": "off"})
        until(lambda: proxy.asked)
        reload(s, dns={"servers": [f"{s.world.dns_address}:{s.world.dns_port}"]})
        asked = len(proxy.asked)
        assert s.check(campaign) == {"delivered": 20}
        assert {name for _, name in proxy.asked[asked:]} <= {name for _, name in proxy.asked[:asked]}  # asked again, not anew
        s.stop()
        proxy.close()


def test_sup_R3_what_needs_a_restart_is_named_until_it_is_as_before(stack):
    with stack() as s:
        s.start()
        send(s, "ann")
        assert "needs_restart" not in reload(s, limits={"jobs": 500})
        said = reload(s, node="other", postgres={"feed": "700ms"})
        assert said.endswith('needs_restart="node postgres.feed"') and "postgres.feed: 200ms -> 700ms" in said
        said = reload(s, postgres={"feed": "200ms"})
        assert said.endswith("needs_restart=node")
        assert s.shop.session.value("SELECT node FROM penguin.workers WHERE state = 'live'") != "other"
        assert "needs_restart" not in reload(s, node=None)
        send(s, "bob")
        s.stop()


def test_reloads_on_the_way_change_nothing_else(stack):
    with stack(world=WORLD + "\nrules:\n  - {at: mail, delay: 50ms}\n", config={"default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d{i % 50 + 1}.test" for i in range(200)])
        s.start()
        for i in range(5):
            s.wait(campaign, lambda a, n=i: len(s.world.ledger()) >= 20 * (n + 1))
            reload(s, dns={"timeout": f"{i + 1}s"}, keys={"expire": f"{i + 1}d"}, report={"rows": 100 + i})
        assert s.check(campaign) == {"delivered": 200}
        assert {row["state"] for row in s.attempts(campaign)} == {"delivered"}
        s.stop()
