"""What an operator or an app does while mail is on its way: pause, cancel, suppress, hold, reload."""
import subprocess
import time

import pytest
from mtalib import DOMAIN, WORLD
from penguin import NIL, Shop, uuid7

SLOW = """
rules:
  - at: mail
    delay: 100ms
"""


def people(n, domains=50):
    return [f"user{i}@d{i % domains + 1}.test" for i in range(n)]


def settle(stack, campaign):
    """No message of the campaign is on the wire any more."""
    before = -1
    while len(stack.world.ledger()) != before:
        before = len(stack.world.ledger())
        time.sleep(1)
    return before


def test_a_paused_campaign_stops_and_a_resumed_one_ends(stack):
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        s.shop.session.run("campaign_pause", s.shop.tenant, campaign, "test")
        time.sleep(2)
        sent = settle(s, campaign)
        assert sent < 400
        account = s.account(campaign)
        assert account.get("leased", 0) == 0 and account["waiting"] == 400 - sent
        s.shop.session.run("campaign_resume", s.shop.tenant, campaign)
        assert s.check(campaign) == {"delivered": 400}
        s.stop()


def test_a_campaign_that_is_started_goes_at_once_whatever_was_heard_of_it_as_a_draft(stack):
    """The feed is behind: what was claimed meanwhile is not put off until it has caught up."""
    with stack(config={"postgres": {"feed": "3s"}}) as s:
        s.start()
        s.wait(None, lambda a: "postgres_up" in s.log_text())
        campaign = s.campaign(start=False)
        s.enqueue(campaign, people(20))
        time.sleep(7)  # it is read as a draft
        s.shop.session.run("campaign_start", s.shop.tenant, campaign)
        put_off = set()
        s.wait(campaign, lambda a: put_off.add(s.shop.session.value(
            "SELECT bool_or(not_before > now()) FROM penguin.batches")) or a == {"delivered": 20})
        assert True not in put_off and s.check(campaign) == {"delivered": 20}
        s.stop()


def test_a_cancelled_campaign_sends_no_more_and_is_accounted(stack):
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 2}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, people(400))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 20)
        s.shop.session.run("campaign_cancel", s.shop.tenant, campaign, "test")
        account = s.check(campaign)
        assert account["delivered"] == len(s.world.ledger()) < 400
        assert account["cancelled"] == 400 - account["delivered"]
        s.stop()


@pytest.mark.parametrize("state", ["paused", "cancelled", "held"])
def test_tenant_Q1_another_tenants_campaign_of_the_same_id_stops_nobody(stack, state):
    with stack() as s:
        campaign = s.campaign()
        s.start()
        s.wait(None, lambda _: "postgres_up" in s.log_text())
        time.sleep(1)
        other = Shop(s.dsn, "other")
        other.session.query(
            "INSERT INTO penguin.campaigns (tenant_id, id, name, content_id, state) VALUES (%s, %s, 'x', %s, %s)",
            other.tenant, campaign, uuid7(), state if state != "held" else "running")
        if state == "held":
            other.session.run("hold_add", other.tenant, "campaign", campaign, "theirs", None)
        other.session.close()
        time.sleep(1)
        s.enqueue(campaign, people(20))
        s.wait(campaign, timeout=20)
        assert len(s.world.ledger()) == 20
        s.stop()


def test_who_is_suppressed_gets_nothing_also_when_it_comes_late(stack):
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        session = s.shop.session
        add = "INSERT INTO penguin.suppressions (tenant_id, address, stream, reason) VALUES (%s, %s, %s, 'unsubscribe')"
        session.query(add, s.shop.tenant, "user7@d8.test", "*")
        session.query(add, s.shop.tenant, "user8@d9.test", "other-stream")
        s.enqueue(campaign, people(300))
        s.start()
        s.wait(campaign, lambda a: len(s.world.ledger()) >= 10)
        session.query(add, s.shop.tenant, "@d50.test", "news")
        late = time.time()
        account = s.check(campaign)
        reached = {line["recipient"] for line in s.world.ledger()}
        assert "user7@d8.test" not in reached and "user8@d9.test" in reached
        assert account["suppressed"] >= 2 and account["delivered"] == len(s.world.ledger())
        from datetime import datetime
        for line in s.world.ledger():
            if line["domain"] == "d50.test":
                assert datetime.fromisoformat(line["time"].replace("Z", "+00:00")).timestamp() < late + 3
        s.stop()


SUPPRESS = ("INSERT INTO penguin.suppressions (tenant_id, address, reason, expires_at)"
            " VALUES (%s, %s, 'manual', now() + %s * interval '1 s')")


def test_a_suppression_that_has_ended_ends_no_job(stack):
    """It came while the job was at hand, and ended before its turn."""
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(120)])
        s.start()
        s.wait(campaign, lambda a: s.world.ledger() and a.get("leased", 0) > 40)
        s.shop.session.query(SUPPRESS, s.shop.tenant, "user119@d1.test", 1)
        assert s.check(campaign) == {"delivered": 120}
        assert "user119@d1.test" in {line["recipient"] for line in s.world.ledger()}
        s.stop()


def test_what_ends_at_an_instant_ends_by_the_databases_clock(stack):
    """For two minutes; the node's clock is four ahead."""
    with stack(world=WORLD + SLOW, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        until_us = int((time.time() + 120) * 1e6)
        s.shop.session.run("hold_add", NIL, "domain", "d4.test", "their request", until_us)
        s.enqueue(campaign, [f"user{i}@d1.test" for i in range(40)] + ["held@d4.test"])
        s.start_ahead(240)
        s.wait(campaign, lambda a: s.world.ledger() and a.get("leased", 0) > 20)
        s.shop.session.query(SUPPRESS, s.shop.tenant, "user39@d1.test", 120)
        account = s.wait(campaign, lambda a: sum(a.get(k, 0) for k in ("delivered", "suppressed")) == 40)
        assert account == {"delivered": 39, "suppressed": 1, "waiting": 1}
        reached = {line["recipient"] for line in s.world.ledger()}
        assert reached == {f"user{i}@d1.test" for i in range(39)}
        s.stop()


def test_a_held_domain_waits_and_goes_when_released(stack):
    with stack() as s:
        campaign = s.campaign()
        s.shop.session.run("hold_add", NIL, "domain", "d3.test", "their request", None)
        s.start()
        time.sleep(1)
        s.enqueue(campaign, people(200))
        s.wait(campaign, lambda a: a.get("delivered", 0) == 196)
        time.sleep(1)
        assert not [line for line in s.world.ledger() if line["domain"] == "d3.test"]
        s.shop.session.run("hold_release", NIL, "domain", "d3.test")
        assert s.check(campaign) == {"delivered": 200}
        s.stop()


def test_smtp_R4_every_attempt_has_the_same_bytes(stack):
    """Two attempts around a reload, a new key, a new token key and a new content version."""
    rule = "\nrules:\n  - at: dot\n    nth: 1-1\n    reply: 451 4.3.0 later\n    accept: true\n"
    with stack(world=WORLD + rule, config={"retry": {"first": "4s", "max": "4s"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"], [{"name": "Ann \u00e9"}])
        s.start()
        s.wait(campaign, lambda a: a.get("retrying") == 1)
        s.add_key("a0")
        s.set_content({"from": "other@news.shop.test", "subject": "Other", "text": "Other"})
        s.reload(limits={"jobs": 500})
        s.wait(campaign)
        first, second = sorted(s.boxes.rglob("*.eml"))
        assert first.read_bytes() == second.read_bytes()
        # and what is new goes for new jobs
        s.enqueue(campaign, ["bob@d1.test"])
        s.wait(campaign)
        (third,) = [p for p in s.boxes.rglob("*.eml") if p not in (first, second)]
        assert b"Subject: Other" in third.read_bytes()
        assert third.read_bytes().count(b"DKIM-Signature:") == 2
        s.stop()


def test_smtp_R4_a_partial_is_as_it_was_when_the_content_was_made(stack):
    """A restart and a new version of a partial, and of one within it, between two attempts."""
    rule = "\nrules:\n  - at: dot\n    nth: 1-1\n    reply: 451 4.3.0 later\n    accept: true\n"
    add = ("INSERT INTO penguin.contents (tenant_id, id, version, name, kind, body)"
           " VALUES (%s, %s, %s, %s, 'template', %s)")
    letter = {"from": f"ann@{DOMAIN}", "subject": "Hello", "text": "Hello\n{{>foot}}\n"}
    foot, name = uuid7(), uuid7()

    def set_partials(s, version, word):
        s.shop.session.query(add, s.shop.tenant, name, version, "name", f'{{"text": "The {word} Shop"}}')
        s.shop.session.query(add, s.shop.tenant, foot, version, "foot", f'{{"text": "{word} wishes. {{{{>name}}}}"}}')

    with stack(world=WORLD + rule, config={"retry": {"first": "3s", "max": "3s"}}) as s:
        set_partials(s, 1, "Old")
        s.set_content(letter)
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: a.get("retrying") == 1)
        s.stop()
        set_partials(s, 2, "New")
        s.start()
        s.wait(campaign)
        first, second = sorted(s.boxes.rglob("*.eml"))
        assert b"Old wishes. The Old Shop" in first.read_bytes()
        assert first.read_bytes() == second.read_bytes()
        # and a new version of the content has what is new
        s.set_content(letter)
        s.enqueue(campaign, ["bob@d1.test"])
        s.wait(campaign)
        assert b"New wishes. The New Shop" in s.letters()["bob@d1.test"]
        s.stop()


def test_smtp_R4_bytes_that_cannot_be_the_same_are_flagged(stack):
    """The pinned key is gone from disk when the second attempt is made, and not when the third is."""
    rule = "\nrules:\n  - {at: dot, nth: 1-2, reply: 451 4.3.0 later, accept: true}\n"
    with stack(world=WORLD + rule, config={"retry": {"first": "3s", "max": "3s"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: a.get("retrying") == 1)
        (old,) = (s.directory / "keys").rglob("r1.pem")
        s.add_key("n1")
        old.unlink()
        s.reload(limits={"jobs": 500})
        s.wait(campaign)
        assert [row["flags"] for row in s.attempts(campaign)] == [0, 8, 0]
        first, second, third = (p.read_bytes() for p in sorted(s.boxes.rglob("*.eml")))
        assert first != second == third
        s.stop()


def test_a_wrong_file_is_refused_and_the_old_one_goes_on(stack):
    with stack() as s:
        campaign = s.campaign()
        s.start()
        s.enqueue(campaign, people(20))
        s.wait(campaign)
        s.reload(default_site={"connections": "many"})
        time.sleep(0.5)
        s.enqueue(campaign, people(20))
        assert s.check(campaign) == {"delivered": 40}
        assert "reload_refused" in s.log_text()
        s.stop()


def test_gen_G14_a_key_that_dns_does_not_hold_stops_the_campaign(stack):
    with stack() as s:
        s.publish("r1", "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA")
        campaign = s.campaign()
        s.enqueue(campaign, people(20))
        s.start()
        s.wait(campaign, lambda a: a.get("waiting") == 20 and s.shop.session.value(
            "SELECT count(*) FROM penguin.holds WHERE kind = 'campaign'") == 1)
        reason = s.shop.session.value("SELECT reason FROM penguin.holds WHERE kind = 'campaign'")
        assert "r1._domainkey.news.shop.test. IN TXT" in reason and "another key" in reason
        assert s.world.ledger() == []
        s.stop()


def test_a_key_that_cannot_be_used_is_no_leave_to_send_unsigned(stack):
    with stack() as s:
        (path,) = (s.directory / "keys").rglob("*.pem")
        path.chmod(0o644)
        campaign = s.campaign()
        s.enqueue(campaign, people(3))
        s.start(keys={"allow_unsigned": True})
        s.wait(campaign, lambda a: a.get("waiting") == 3 and s.shop.session.value(
            "SELECT count(*) FROM penguin.holds WHERE kind = 'campaign'") == 1)
        assert "chmod" in s.shop.session.value("SELECT reason FROM penguin.holds WHERE kind = 'campaign'")
        assert s.world.ledger() == []
        s.stop()


def test_tenant_Q5_a_hint_is_heard_before_the_next_poll(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["first@d1.test"])
        s.start(postgres={"poll_idle": "30s", "sweep": "1m"})
        s.wait(campaign)
        time.sleep(1)
        s.enqueue(campaign, ["second@d1.test"])
        begin = time.monotonic()
        s.shop.session.query("NOTIFY penguin_ready")
        s.wait(campaign, lambda _: len(s.world.ledger()) == 2, timeout=20)
        assert time.monotonic() - begin < 10  # of 30: no time limit, only not the poll
        s.stop()


def test_keys_are_compared_at_the_start_and_after_a_reload(stack):
    with stack() as s:
        s.publish("r1", "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA")
        s.start()
        s.wait(None, lambda _: "dkim_key_unusable" in s.log_text())
        (path,) = (s.directory / "keys").rglob("*.pem")
        key = subprocess.run(["openssl", "pkey", "-in", path, "-pubout"], stdout=subprocess.PIPE, text=True, check=True).stdout
        shown = s.log_text().split("r1._domainkey.news.shop.test. IN TXT (")[1].split(")")[0]
        assert "".join(shown.replace('\\"', "").split()) == "v=DKIM1;k=rsa;p=" + "".join(key.splitlines()[1:-1]), "all of it"
        path.unlink()
        s.add_key("r1")
        before = s.log_text().count("dkim_key_unusable")
        s.reload(limits={"jobs": 500})
        campaign = s.campaign()
        s.enqueue(campaign, people(5))
        assert s.check(campaign) == {"delivered": 5}
        assert s.log_text().count("dkim_key_unusable") == before
        s.stop()


def test_an_end_with_questions_out_is_an_end(stack):
    """The sweep's DNS questions are under way when the worker is told to stop."""
    slow = WORLD.replace("  dkim_dir: dkim\n", "  dkim_dir: dkim\n  delay: 3s\n")
    with stack(world=slow, config={"dns": {"timeout": "10s"}}) as s:
        s.start()
        s.wait(None, lambda _: "postgres_up" in s.log_text())
        time.sleep(0.3)
        s.stop()
