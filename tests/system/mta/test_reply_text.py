"""Whatever a stranger says, wherever it is shown: it is text there, and steers nothing.

What the receivers reply is written here octet by octet; what must come of it is by shown(), from the
manuals: the same in Postgres, in the delivery log and on the terminal of an operator.
"""
import json
import os
import re

import pytest
from mtalib import BUILD, DOMAIN, WORLD
from terminallib import clean, shown, terminal
from zonelib import GOOD, world_with

CTL = BUILD / "src" / "main" / "penguinctl"

TEXTS = {
    "not-utf8": b"a\xff\xfeb\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82",
    "nul": b"a\0b\0",
    "escapes": b"\x1b]0;owned\x07\x1b[2J\x1b[31m\x1bP+q\x1b\\ \x1b]8;;http://evil.test\x1b\\here",
    "c1": b"\xc2\x9b31m \x9b31m \xc2\x85next \xc2\x9d0;x\xc2\x9c \xc2\x90",
    "bidi": "\u202egnp.exe\u202c \u2066x\u2069 \u200e\u200f\u061c".encode(),
    "separators": "one\u2028two\u2029{\"type\":\"Delivery\"}".encode(),
    "json": b'"},{"type":"Delivery","a":"\\u0000\\" \\x41 \\',
    "sql": b"'); DROP TABLE penguin.jobs;-- {NULL,\"a\"} $1 \\. \\N \\\\",
    "markup": b"<script>alert(1)</script><img src=x onerror=y>&amp;<!--",
    "lone-cr": b"a\rb\r\rc\r250 2.0.0 taken",
    "8bit": b"M\xfcller " + "Größe δοκιμή 🐧".encode(),
    "erasing": b"refused\x08\x08\x08\x08\x08\x08\x08\x7f\x0e\x0f\x18",
    "formats": b"%s%n%99999x ${jndi:ldap://x} `id` $(id)",
    "long": "é".encode() * 1200,
}
POINTS = ("connect", "ehlo", "rcpt", "dot")
CODES = {"defer": b"451", "bounce": b"554"}


def case_names():
    return [f"{point}-{kind}-{name}" for point in POINTS for kind in CODES for name in TEXTS]


def hostile_world():
    """A domain and a host for each text, code and moment of the dialogue."""
    hosts, domains, rules = [], [], []
    for n, name in enumerate(case_names()):
        point, kind, text = name.split("-", 2)
        reply = CODES[kind] + (b" 4.7.1 " if kind == "defer" else b" 5.7.1 ") + TEXTS[text] + b"\r\n"
        hosts.append({"host": f"mx.{name}.test", "address": f"127.0.{20 + n // 200}.{n % 200 + 1}"})
        domains.append({"domain": f"{name}.test", "mx": [f"10 mx.{name}.test"]})
        rules.append({"at": ["ehlo", "helo"] if point == "ehlo" else [point], "host": f"mx.{name}.test",
                      "raw_hex": reply.hex()})
    lines = [f"{key}:\n" + "".join(f"  - {json.dumps(entry)}\n" for entry in entries)
             for key, entries in (("hosts", hosts), ("domains", domains), ("rules", rules))]
    return "dns:\n  listen: 127.0.0.1:0\n  dkim_dir: dkim\nsmtp:\n  port: 0\n" + "".join(lines)


def log_lines(path):
    """The delivery log: one event a line by any idea of a line, and nothing in it that steers."""
    text = clean(path.read_bytes())
    assert text.endswith("\n") and text.splitlines() == text.split("\n")[:-1]
    return [json.loads(line) for line in text.splitlines()]


def console(stack, *words, code=0, **options):
    """What penguinctl shows on a terminal: nothing of it may steer that."""
    environment = dict(os.environ, PENGUIN_DSN=stack.dsn)
    data, ended = terminal([CTL, *words], environment, **options)
    text = clean(data)
    assert "until" in options or ended == code, (words, ended, text)
    return text


def rows(text):
    return [json.loads(line) for line in text.splitlines()]


LATER = {"retry": {"first": "1h", "max": "1h", "expire": "2d"}, "default_site": {"connections": 2}}


def test_threat_C6_what_receivers_say_is_text_in_the_log_in_postgres_and_on_a_terminal(stack):
    with stack(world=hostile_world(), config=LATER) as s:
        campaign = s.campaign()
        names = case_names()
        jobs = dict(zip(s.enqueue(campaign, [f"ann@{name}.test" for name in names]), names))
        s.start()
        s.wait(campaign, lambda a: not a.get("waiting") and not a.get("leased"))
        s.stop()
        assert not s.world.ledger()
        logged = {line["id"]: line for line in log_lines(s.directory / "delivery.log")}
        attempts = {a["job_id"]: a for a in s.attempts(campaign)}
        assert len(attempts) == len(logged) == len(jobs)
        for job, name in jobs.items():
            kind, text = name.split("-", 2)[1:]
            want = shown(TEXTS[text])
            want = want[:500] if text == "long" else want  # 1000 octets, between characters
            assert attempts[job]["reply"] == want == logged[job]["response"]["content"], name
            assert attempts[job]["code"] == int(CODES[kind]) == logged[job]["response"]["code"], name
            assert attempts[job]["mx"] == f"mx.{name}.test" == logged[job]["peer_address"]["name"]
        clean((s.directory / "mta.log").read_bytes())
        self_check(s, campaign, jobs, attempts)


def self_check(s, campaign, jobs, attempts):
    """The commands that show replies, on a terminal."""
    log = s.directory / "delivery.log"
    assert len(console(s, "log", log).splitlines()) == len(jobs)
    followed = console(s, "log", log, "--follow", until=b"%n%99999x ${jndi:ldap://x} `id` $(id)\n")
    whole = followed[:followed.rindex("\n")]  # it was ended within a line
    assert all(re.match("20..-..-..T", line) for line in whole.splitlines()), followed
    assert {line["id"] for line in rows(console(s, "log", log, "--json"))} == set(jobs)
    for job, name in jobs.items():
        if name.startswith("rcpt-bounce"):
            (state, attempt) = rows(console(s, "explain", job, "--json"))
            assert state["state"] == "bounced" and attempt["reply"] == attempts[job]["reply"]
            assert len(console(s, "explain", job).splitlines()) == 4, "two tables of one row"
    assert len(console(s, "campaign", "show", campaign).splitlines()) < 10
    (line,) = rows(console(s, "campaign", "show", campaign, "--json"))
    assert line["committed"] == len(jobs)


def test_threat_C6_what_is_no_reply_is_text_too(stack):
    """Octets that break the protocol, and replies beyond the bounds: shown, and not obeyed."""
    raw = {"no-code": b"\x1b[2J\xff\0 hello \xe2\x80\xae\r\n", "two-codes": b"550-\x1b[2J\r\n250 \xff\r\n",
           "endless": b"550 " + b"\x1b" * 5000 + b"\r\n", "many": b"550-\x9b\r\n" * 200 + b"550 x\r\n"}
    rules = "\nrules:\n" + "".join(f"  - {{at: rcpt, recipient: \"{name}@*\", raw_hex: {data.hex()}}}\n"
                                   for name, data in raw.items())
    with stack(world=WORLD + rules, config=LATER) as s:
        campaign = s.campaign()
        names = dict(zip(s.enqueue(campaign, [f"{name}@d1.test" for name in raw]), raw))
        s.start()
        s.wait(campaign, lambda a: a == {"retrying": len(raw)})
        s.stop()
        lines = log_lines(s.directory / "delivery.log")
        assert {line["failure"] for line in lines if line["id"] in names} == {"protocol"}
        for attempt in s.attempts(campaign):
            clean(attempt["reply"].encode())
            if names[attempt["job_id"]] == "no-code":
                assert attempt["reply"].endswith(": " + shown(b"\x1b[2J\xff\0 hello \xe2\x80\xae\r"))
        clean((s.directory / "mta.log").read_bytes())
        console(s, "log", s.directory / "delivery.log")


def test_threat_C6_a_delivery_by_a_host_that_says_such_things(stack):
    """Its name, its greeting, its keywords and its thanks are shown nowhere, or as text."""
    said = b"".join(TEXTS[name] for name in ("escapes", "c1", "bidi", "separators", "json", "sql"))
    replies = {"connect": b"220 " + said, "ehlo": b"250-" + said + b"\r\n250-PIPELINING " + said + b"\r\n250 " + said,
               "mail": b"250 " + said, "rcpt": b"250-2.1.5 " + said + b"\r\n250 2.1.5 " + said, "data": b"354 " + said}
    rules = "\nrules:\n" + "".join(f"  - {{at: {point}, raw_hex: {(reply + bytes((13, 10))).hex()}}}\n"
                                   for point, reply in replies.items())
    rules += f"  - {{at: dot, raw_hex: {(b'250 2.0.0 ' + said + bytes((13, 10))).hex()}}}\n"
    with stack(world=WORLD + rules) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"ann{n}@d{n}.test" for n in range(1, 7)])
        s.start()
        assert s.check(campaign) == {"delivered": 6}
        s.stop()
        assert {a["reply"] for a in s.attempts(campaign)} == {shown(said)}
        lines = log_lines(s.directory / "delivery.log")
        assert len(lines) == 6 and {line["response"]["content"] for line in lines} == {shown(said)}
        assert len(console(s, "log", s.directory / "delivery.log").splitlines()) == 6
        clean((s.directory / "mta.log").read_bytes())


FORGED = "news\nforged 2026 Delivery \x1b[2J\x7f\u009b31m\u202e\u2028 \"};'"


def test_threat_C6_names_that_the_app_gave_steer_nothing(stack):
    """Tenant, campaign, pool, recipient, reason: written by an app with SQL, shown to an operator."""
    with stack(config=LATER) as s:
        campaign, other = s.campaign(), s.campaign(pool=FORGED)
        change = s.shop.session.query
        change("UPDATE penguin.campaigns SET name = %s WHERE id = %s", FORGED, campaign)
        change("UPDATE penguin.tenants SET name = %s", FORGED)
        (job, _) = s.enqueue(campaign, [f"{FORGED}@d1.test", "ann@d2.test"], [{"name": "a"}] * 2)
        s.enqueue(other, ["bob@d3.test"])
        s.start()
        s.wait(campaign, lambda a: a == {"failed": 1, "delivered": 1})
        s.wait(None, lambda a: "no_source" in s.log_text())
        s.stop()
        lines = {line["id"]: line for line in log_lines(s.directory / "delivery.log")}
        assert len(lines) == 2 and lines[job]["recipient"] == f"{FORGED}@d1.test"
        assert lines[job]["campaign"] == lines[job]["tenant"] == FORGED
        events = [line.split(" ")[0] for line in clean((s.directory / "mta.log").read_bytes()).splitlines()]
        assert "no_source" in events and all(re.fullmatch("[a-z_]+", event) for event in events), events
        log = s.directory / "delivery.log"
        shown_lines = console(s, "log", log).splitlines()
        assert len(shown_lines) == 2 and all(re.match("20..-", line) for line in shown_lines), shown_lines
        assert rows(console(s, "log", log, "--json", "--job", job))[0]["tenant"] == FORGED
        names_on_a_terminal(s, campaign, job)


def names_on_a_terminal(s, campaign, job):
    console(s, "campaign", "pause", campaign, "--reason", FORGED)
    console(s, "hold", "campaign", campaign, "--reason", FORGED)
    console(s, "hold", "source", FORGED, "--reason", FORGED)
    text = console(s, "campaign", "show", campaign)
    assert not [line for line in text.splitlines() if line.startswith("forged")], text
    for words in (["tenant", "list"], ["content", "list"], ["queue"], ["hold", "list"], ["explain", job],
                  ["campaign", "show"], ["node", "list"], ["quarantine", "list"], ["suppress", "list"], ["verify"]):
        lines = console(s, *words).splitlines()
        assert not [line for line in lines if line.startswith("forged")], (words, lines)
        rows(console(s, *words, "--json"))
    assert rows(console(s, "tenant", "list", "--json"))[0]["name"] == FORGED


def test_threat_C6_a_reason_to_force_is_json_that_reads_back(stack):
    with stack() as s:
        campaign = s.shop.campaign(start=False)
        config = s.write_config()
        console(s, "-c", config, "-d", s.dsn, "campaign", "start", campaign, "--force", FORGED, "--by", FORGED)
        assert rows(console(s, "campaign", "show", campaign, "--json"))[0]["preflight"]["forced"] == FORGED
        lines = console(s, "campaign", "show", campaign).splitlines()
        assert not [line for line in lines if line.startswith("forged")], lines


RECORD = "\x1b[2J\x07\u009b31m\u202e\npass     dmarc_record   all is well\r\u2028\"\\"


@pytest.mark.parametrize("name, records", [
    ("_dmarc.shop.test", {"txt": [f"v=DMARC1; p={RECORD}; rua={RECORD}; {RECORD}={RECORD}"]}),
    ("bounce.shop.test", {"mx": ["10 mail.shop.test"], "txt": [f"v=spf1 {RECORD}:x include:{RECORD} -all"]}),
    ("bounce.shop.test", {"mx": ["10 mail.shop.test"], "txt": [f"v=spf1 exp={RECORD} redirect={RECORD}"]}),
    (f"r1._domainkey.{DOMAIN}", {"txt": [f"v=DKIM1; k={RECORD}; p={RECORD}"]})])
def test_threat_C6_what_the_dns_says_forges_no_finding(stack, name, records):
    with stack(world=world_with({**GOOD, name: records})) as s:
        campaign = s.shop.campaign(start=False)
        words = ["-c", s.write_config(), "-d", s.dsn, "preflight", campaign]
        lines = console(s, *words, code=78).splitlines()
        assert not [line for line in lines if line.startswith("pass     dmarc_record   all is well")], lines
        assert rows(console(s, *words, "--json", code=78))[0]["verdict"] == "fail"
