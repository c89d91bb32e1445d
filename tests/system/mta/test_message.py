"""The rows of the checklist about messages and signatures, on the bytes that receivers took."""
import email
import email.policy
import email.utils
import json
import re
import time

import dkim
import pytest
from mtalib import CONTENT, DOMAIN, WORLD


def records(stack):
    return {p.name + ".": p.read_bytes() for p in (stack.directory / "dkim").iterdir()}


def verdicts(stack, data):
    """python3-dkim's word on each signature."""
    found = records(stack)
    count = len(re.findall(rb"^dkim-signature:", data.partition(b"\r\n\r\n")[0], re.M | re.I))
    answers = []
    for index in range(count):
        try:
            answers.append(dkim.DKIM(data).verify(idx=index, dnsfunc=lambda name, timeout=5: found.get(
                name.decode() if isinstance(name, bytes) else name)))
        except dkim.DKIMException:
            answers.append(False)
    return answers


def tags(data):
    """Of each signature."""
    block = data.partition(b"\r\n\r\n")[0].replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    return [dict(part.strip().split("=", 1) for part in line.split(": ", 1)[1].split(";"))
            for line in block.decode().split("\r\n") if line.lower().startswith("dkim-signature:")]


def test_gen_G19_a_changed_message_fails_the_standing_assertion(stack):
    """Each octet that a test's receivers took is verified when the test ends: here one is changed."""
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test", "bob@d2.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 2}
        s.stop()
        s.judge()
        (path,) = (s.boxes / "d1.test").rglob("*.eml")
        good = path.read_bytes()
        for bad in (good.replace(b"Good news", b"Bad news!"), good.replace(b"Subject: Hello", b"Subject: Hallo"),
                    good[good.index(b"From:"):], good + b"more\r\n"):
            assert bad != good
            path.write_bytes(bad)
            with pytest.raises(AssertionError):
                s.judge()
        path.unlink()
        with pytest.raises(AssertionError):
            s.judge()
        path.write_bytes(good)


RAW_DOTS = (b"From: ann@news.shop.test\r\nSubject: dots\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
            b".\r\n..\r\n.x\r\n...y\r\n\r\n.\r\n\r\nend.\r\n.\r\n")


def test_smtp_B4_smtp_B3_signed_before_the_dots_are_doubled(stack):
    with stack(content=RAW_DOTS) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        (data,) = s.letters().values()
        assert data.partition(b"\r\n\r\n")[2] == RAW_DOTS.partition(b"\r\n\r\n")[2]
        assert verdicts(s, data) == [True]


RAW_OF_ANOTHER_SENDING = b"""Received: from secret.internal by mail.shop.test; Mon, 1 Jan 2001 00:00:00 +0000
DKIM-Signature: v=1; a=rsa-sha256; d=news.shop.test; s=r1; h=from; bh=x; b=x
ARC-Seal: i=1; a=rsa-sha256; d=news.shop.test; s=r1; cv=none; b=x
Return-Path: <someone@shop.test>
Delivered-To: eve@other.test
From: Ann <ann@news.shop.test>
To: Bob <bob@d2.test>
Cc: eve@other.test
Bcc: mallory@other.test
Date: Mon, 1 Jan 2001 00:00:00 +0000
Message-ID: <same@news.shop.test>
Subject: raw
MIME-Version: 1.0
Content-Type: text/plain

Hello.
""".replace(b"\n", b"\r\n")


def test_gen_G3_gen_G4_gen_G5_threat_K1_smtp_M20_a_raw_content_is_a_message_for_each_job(stack):
    """Sent by somebody else before: nothing of that is left, and each recipient has one of their own."""
    with stack(content=RAW_OF_ANOTHER_SENDING) as s:
        campaign = s.campaign()
        begun = time.time()
        s.enqueue(campaign, ["ann@d1.test", "bob@d2.test", "cid@d3.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 3}
        s.stop()
        jobs = {line["recipient"]: line["job"] for line in s.world.ledger()}
        for recipient, data in s.letters().items():
            message = email.message_from_bytes(data)
            assert message.get_all("To") == ["Bob <bob@d2.test>" if recipient == "bob@d2.test" else recipient]
            assert message["Cc"] is None and message["Bcc"] is None
            assert message.get_all("Message-ID") == [f"<{jobs[recipient]}@{DOMAIN}>"]
            assert len(message.get_all("Date")) == 1
            assert begun - 2 <= email.utils.parsedate_to_datetime(message["Date"]).timestamp() <= time.time()
            for other in (b"eve@", b"mallory@", b"secret", b"ARC-", b"someone@", b"same@", b"2001"):
                assert other not in data
            assert verdicts(s, data) == [True]


@pytest.mark.parametrize("value", [
    "a\nb", "a\rb", "\n.\n", "\r.\r", "\r\n.\r\n", "\n.\r\nMAIL FROM:<x@y.test>\r\n", "\r\n.\r", ".", "x\n.", "\n", "\r\r\n"])
def test_smtp_B1_no_bare_line_end_leaves(stack, value):
    content = dict(CONTENT, text="{{v}} a {{v}}", html="{{v}}<p>{{{v}}}</p>", subject="s")
    with stack(content=content) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"], [{"v": value}])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        (line,) = s.world.ledger()
        assert line["violations"] == []
        (data,) = s.letters().values()
        assert re.fullmatch(rb"(?:[^\r\n]*\r\n)*", data)


def test_gen_G4_the_date_is_the_first_leases_by_the_databases_clock(stack):
    """The node's clock is minutes ahead at the first attempt and right at the second: both say the true time."""
    rule = "\nrules:\n  - {at: dot, nth: 1-1, reply: 451 4.3.0 later, accept: true}\n"
    with stack(world=WORLD + rule, config={"retry": {"expire": "1d"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        begun = time.time()
        s.start_ahead(240)
        s.wait(campaign, lambda a: s.world.ledger() and a.get("retrying"), timeout=20)
        first = time.time()
        s.stop()
        soon = s.shop.session.value("SELECT not_before < now() + interval '1 min' FROM penguin.batches")
        assert soon, "a retry is due by the database's clock"
        s.start()
        s.wait(campaign, lambda _: len(s.world.ledger()) == 2)
        s.stop()
        one, two = (p.read_bytes() for p in sorted(s.boxes.rglob("*.eml")))
        assert one == two
        message = email.message_from_bytes(one, policy=email.policy.default)
        assert re.search(r" [+-]\d{4}$", str(email.message_from_bytes(one)["Date"]))
        assert begun - 2 <= email.utils.parsedate_to_datetime(message["Date"]).timestamp() <= first
        assert begun - 2 <= int(tags(one)[0]["t"]) <= first


def test_gen_G8_gen_G12_gen_G13_two_signatures_that_cover_what_they_must(stack):
    """RSA-2048 and Ed25519; what is there is signed, what a reader acts on may not be added."""
    over = ["from", "to", "cc", "subject", "date", "reply-to", "message-id", "list-unsubscribe", "list-unsubscribe-post",
            "mime-version", "content-type", "content-transfer-encoding"]
    with stack(content=dict(CONTENT, reply_to="help@news.shop.test", list_id="news.shop.test")) as s:
        s.add_key("e1", "ED25519")
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        (data,) = s.letters().values()
        assert verdicts(s, data) == [True, True]
        present = [line.split(b":")[0].decode().lower() for line in data.partition(b"\r\n\r\n")[0].split(b"\r\n")
                   if line[:1] not in b" \t"]
        assert {t["a"] for t in tags(data)} == {"rsa-sha256", "ed25519-sha256"}
        for tag in tags(data):
            names = tag["h"].replace(" ", "").lower().split(":")
            assert tag["c"] == "relaxed/relaxed" and "l" not in tag and tag["d"] == DOMAIN
            assert int(tag["x"]) - int(tag["t"]) == 7 * 86400
            for name in over:
                assert names.count(name) == present.count(name) + 1, name
            assert set(present) - {"dkim-signature"} <= set(names)
        for name in over:
            added = f"{name.title()}: eve@other.test\r\n".encode() + data
            assert verdicts(s, added) == [False, False], name
            inside = data.replace(b"\r\nMIME-Version", f"\r\n{name}: x\r\nMIME-Version".encode())
            assert verdicts(s, inside) == [False, False], name


def test_gen_G12_a_second_from_is_seen_by_libopendkim_too(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        (path,) = s.boxes.rglob("*.eml")
        good = path.read_bytes()
        for field in (b"From: eve@other.test\r\n", b"Subject: other\r\n"):
            path.write_bytes(field + good)
            with pytest.raises(AssertionError):
                s.judge()
        path.write_bytes(good)


def test_gen_G13_ed25519_alone_stops_the_campaign(stack):
    with stack() as s:
        (path,) = (s.directory / "keys").rglob("*.pem")
        path.unlink()
        s.add_key("e1", "ED25519")
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.wait(campaign, lambda a: a.get("waiting") == 1 and s.shop.session.value(
            "SELECT count(*) FROM penguin.holds WHERE kind = 'campaign'") == 1)
        assert "RSA" in s.shop.session.value("SELECT reason FROM penguin.holds WHERE kind = 'campaign'")
        assert s.world.ledger() == []
        s.stop()


def test_gen_G14_the_signing_domain_is_that_of_from_or_above_it(stack):
    with stack(content=dict(CONTENT, **{"from": f"ann@weekly.{DOMAIN}"})) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        (data,) = s.letters().values()
        assert [tag["d"] for tag in tags(data)] == [DOMAIN]


def test_gen_G15_a_sender_of_an_internationalised_domain(stack):
    """d=, the selector's name and every question to DNS are A-labels."""
    domain = "xn--bcher-kva.shop.test"
    with stack(content=dict(CONTENT, **{"from": "ann@B\u00fccher.shop.test"})) as s:
        s.add_key("r1", domain=domain)
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        s.stop()
        (data,) = s.letters().values()
        assert [tag["d"] for tag in tags(data)] == [domain]
        assert f"From: ann@{domain}".encode() in data
        asked = {e["name"] for e in s.world.events("dns")}
        assert f"r1._domainkey.{domain}" in asked and all(name.isascii() for name in asked)


def test_gen_G17_signatures_count_for_the_size_of_the_header(stack):
    """13 kB of fields are fine with one signature, and too many with seven."""
    words = " ".join(["word"] * 120)
    content = dict(CONTENT, headers={f"X-{n}": words for n in range(20)})
    with stack(content=content) as s:
        first = s.campaign()
        s.enqueue(first, ["ann@d1.test"])
        s.start()
        assert s.check(first) == {"delivered": 1}
        (data,) = s.letters().values()
        assert 12000 < len(data.partition(b"\r\n\r\n")[0]) < 16384
        s.stop()
        for n in range(2, 8):
            s.add_key(f"r{n}")
        second = s.campaign()
        s.enqueue(second, ["bob@d1.test"])
        s.start()
        assert s.wait(second) == {"failed": 1}
        s.stop()
        assert len(s.world.ledger()) == 1
        (attempt,) = s.attempts(second)
        assert "with its signatures" in attempt["reply"]


@pytest.mark.parametrize("change", [
    {"text": None, "html": None},
    {"variants": [{"name": "a", "text": None, "html": None}]},
    {"subject": None},
    {"text": 7},
], ids=["nothing", "variant", "subject", "number"])
def test_a_content_without_what_it_needs_fails_its_jobs_and_no_worker(stack, change):
    """Stored by SQL, where nobody compiled it."""
    with stack() as s:
        good = s.campaign()
        s.set_content(dict(CONTENT, **change))
        bad = s.campaign()
        s.shop.session.query("UPDATE penguin.campaigns SET content_version = CASE id::text WHEN %s THEN 2 ELSE 3 END", good)
        s.enqueue(bad, ["ann@d1.test", "bob@d2.test"])
        s.start()
        assert s.wait(bad) == {"failed": 2}
        assert {row["phase"] for row in s.attempts(bad)} == {"compose"}
        assert all(re.search("missing|neither|must be a text", row["reply"]) for row in s.attempts(bad)), s.attempts(bad)
        s.enqueue(good, ["eve@d3.test"])
        assert s.check(good) == {"delivered": 1}
        s.stop()


@pytest.mark.parametrize("change, fault", [
    ({"bounce_domain": None}, "bounce domain ''"),
    ({"bounce_domain": 7}, "bounce domain '7'"),
    ({"tracking_domain": ["t.shop.test"]}, "tracking domain '[\"t.shop.test\"]'"),
    ({"sender_id": False, "tracking_domain": {}}, "tracking domain '{}'"),
    ({"sender_id": 12}, "sender id '12'"),
    ({"sender_id": 12345, "tracking_domain": None}, None),
])
def test_settings_of_another_kind_do_not_pass_for_none(stack, change, fault):
    with stack() as s:
        s.shop.session.query("UPDATE penguin.tenants SET settings = settings || %s", json.dumps(change))
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == ({"failed": 1} if fault else {"delivered": 1})
        s.stop()
        if fault:
            assert fault in s.attempts(campaign)[0]["reply"]
        else:
            (data,) = s.letters().values()
            message = email.message_from_bytes(data)
            assert message["Feedback-ID"].endswith(":12345")
            assert message["List-Unsubscribe"].startswith("<mailto:") and message["List-Unsubscribe-Post"] is None
