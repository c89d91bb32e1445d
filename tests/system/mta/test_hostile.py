"""Servers and tenants that want others to suffer: whom they do not reach."""
import collections
import json
import os
import time

from mtalib import BUILD, CONTENT, DOMAIN, WORLD, Shop

SILENT = 40

# They take every connection and never greet.
TARPITS = WORLD.replace("domains:\n", f"""  - host: "tar[1-{SILENT}].pit.test"
    address: 127.0.13.{{1}}
domains:
  - domain: "t[1-{SILENT}].test"
    mx: ["10 tar{{1}}.pit.test"]
""") + "\nrules:\n  - {at: connect, host: \"tar*.pit.test\", then: silence}\n"


def timed(stack, count):
    campaign = stack.campaign()
    begun = time.monotonic()
    stack.enqueue(campaign, [f"user{i}@d{i % 50 + 1}.test" for i in range(count)])
    assert stack.wait(campaign, timeout=120) == {"delivered": count}
    return time.monotonic() - begun


def open_at(stack, prefix):
    """Connections to such hosts that are open now, and by host the most there were at one moment."""
    now, most, hosts = collections.Counter(), collections.Counter(), {}
    for event in stack.world.events():
        if event["event"] == "connect" and event["mx"].startswith(prefix):
            hosts[event["session"]] = event["mx"]
            now[event["mx"]] += 1
            most[event["mx"]] = max(most[event["mx"]], now[event["mx"]])
        elif event["event"] in ("end", "lost") and event.get("session") in hosts:
            now[hosts[event["session"]]] -= 1
    return sum(now.values()), most


def test_threat_C10_hosts_that_hold_connections_slow_nobody_else(stack):
    """Forty of them could hold all connections there may be (60) for the five minutes of a greeting."""
    limits = {"connections": 60}
    with stack(world=TARPITS, config={"limits": limits, "timeouts": {"greeting": "30s", "idle": "1s"},
                                      "retry": {"first": "15m", "max": "3h"}}) as s:
        s.start()
        alone = timed(s, 500)
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@t{i % SILENT + 1}.test" for i in range(100 * SILENT)])
        s.wait(None, lambda _: open_at(s, "tar")[0] == 60, timeout=30)
        beside = timed(s, 500)
        # two seconds, a fifteenth of the time for a greeting, until the first of them must give way
        assert beside < 3 * alone + 8, (alone, beside)
        assert max(open_at(s, "tar")[1].values()) <= 3, "connections of one lane to the site"
        print(f"alone {alone:.1f} s, beside {beside:.1f} s")
        assert not [line for line in s.world.ledger() if line["mx"].startswith("tar")]
        account = s.account(campaign)
        assert set(account) <= {"waiting", "leased", "retrying"} and sum(account.values()) == 100 * SILENT
        s.kill()


def test_threat_K4_nobody_signs_for_another_tenants_domain(stack):
    """Eve writes as Ann's shop, which has keys and just used them: she is stopped, and nothing of hers is sent."""
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["bob@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        owner, settings = s.shop, s.shop.session.value("SELECT settings FROM penguin.tenants")
        s.shop = Shop(s.dsn, "eve")
        s.shop.session.query("UPDATE penguin.tenants SET settings = %s WHERE tenant_id = %s", json.dumps(settings),
                             s.shop.tenant)
        s.set_content(CONTENT)
        theirs = s.campaign()
        s.enqueue(theirs, ["bob@d1.test", "bob@d2.test"])
        s.wait(theirs, lambda a: a == {"waiting": 2} and s.shop.session.value(
            "SELECT count(*) FROM penguin.holds WHERE kind = 'campaign'") == 1)
        reason = s.shop.session.value("SELECT reason FROM penguin.holds WHERE kind = 'campaign'")
        assert f"no DKIM key of tenant {s.shop.tenant} for the domain {DOMAIN}" in reason
        assert [line["recipient"] for line in s.world.ledger()] == ["bob@d1.test"]
        s.shop.session.close()
        s.shop = owner
        s.stop()


def test_threat_C13_octets_that_may_not_be_sent_are_an_alarm(stack):
    """The signer has a fault: the last look at the octets stops the message, and the log says whose it was."""
    with stack(config={"keys": {"signer": "libopendkim", "check_dns": "off"}}) as s:
        campaign = s.campaign()
        (job,) = s.enqueue(campaign, ["ann@d1.test"])
        s.start_in(dict(os.environ, LD_PRELOAD=str(BUILD / "tests" / "tools" / "barecr.so"),
                        ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0"))
        assert s.wait(campaign) == {"failed": 1}
        s.stop()
        (attempt,) = s.attempts(campaign)
        assert attempt["job_id"] == job and attempt["category"] == "content-error", attempt
        assert s.world.ledger() == [] and not any(e["text"] == "." for e in s.world.events("command"))
        (line,) = [line for line in s.log_text().splitlines() if "unsendable_message" in line]
        assert f"job={job}" in line and f"tenant={s.shop.tenant}" in line and "bare CR" in line
