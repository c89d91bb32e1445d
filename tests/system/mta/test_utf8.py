"""Addresses beyond ASCII, from Postgres or a CSV file to the wire.

Asserted on what the world's servers heard, command by command, and on the account in Postgres.
"""
import collections
import email
import email.policy
import json
import os
import re
import subprocess
from email.header import decode_header, make_header

from mtalib import BUILD, CONTENT

CTL = BUILD / "src" / "main" / "penguinctl"


def a_label(name):
    """A domain's U-labels, already in the form of IDNA 2008, as A-labels; by Python's punycode."""
    return ".".join(label if label.isascii() else "xn--" + label.encode("punycode").decode()
                    for label in name.split("."))


WORLD = f"""
dns:
  listen: 127.0.0.1:0
  dkim_dir: dkim
smtp:
  port: 0
hosts:
  - host: mx.new.test
    address: 127.0.10.1
    keywords: [PIPELINING, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES]
  - host: mx.old.test
    address: 127.0.10.2
    keywords: [PIPELINING, 8BITMIME, ENHANCEDSTATUSCODES]
  - host: mx.half.test
    address: 127.0.10.3
    keywords: [PIPELINING, SMTPUTF8, ENHANCEDSTATUSCODES]
  - host: mx.dsn.test
    address: 127.0.10.4
    keywords: [PIPELINING, SIZE 1000000, 8BITMIME, SMTPUTF8, DSN, ENHANCEDSTATUSCODES]
domains:
""" + "".join(f"  - {{domain: {a_label(domain)}, mx: [\"10 mx.{host}.test\"]}}\n" for domain, host in (
    ("new.test", "new"), ("bücher.test", "new"), ("straße.test", "new"), ("παράδειγμα.test", "new"),
    ("क्‍ष.test", "new"), ("例え.bücher.test", "new"), ("old.test", "old"), ("alt-bücher.test", "old"),
    ("half.test", "half"), ("dsn.test", "dsn"), ("größe.test", "dsn")))

# What stands in Postgres, and what the server must hear in RCPT.
TAKEN = {
    "plain@new.test": "plain@new.test",
    "δοκιμή@new.test": "δοκιμή@new.test",
    "ΔΟΚΙΜΉ@NEW.test": "ΔΟΚΙΜΉ@new.test",  # a local part is its owner's: no case, no composition is touched
    "jos\u00e9@new.test": "jos\u00e9@new.test",
    "jose\u0301@new.test": "jose\u0301@new.test",
    "ß@straße.test": "ß@" + a_label("straße.test"),  # not strasse.test: IDNA 2008, not transitional
    "u@bücher.test": "u@xn--bcher-kva.test",
    "a@xn--bcher-kva.test": "a@xn--bcher-kva.test",
    "upper@BÜCHER.TEST": "upper@xn--bcher-kva.test",
    "Upper-a@XN--BCHER-KVA.Test": "Upper-a@xn--bcher-kva.test",
    "nfd@bu\u0308cher.test": "nfd@xn--bcher-kva.test",
    "wide@ｂücher.test": "wide@xn--bcher-kva.test",
    "dot@bücher。test": "dot@xn--bcher-kva.test",
    "deep@例え.bücher.test": "deep@" + a_label("例え.bücher.test"),
    "joiner@क्\u200dष.test": "joiner@" + a_label("क्\u200dष.test"),  # behind a virama it is allowed
    "почта@παράδειγμα.test": "почта@" + a_label("παράδειγμα.test"),
    "🐧@new.test": "🐧@new.test",
    '"δ.δ"@new.test': '"δ.δ"@new.test',
    "é" * 32 + "@new.test": "é" * 32 + "@new.test",  # 64 octets
}
BAD = ["a\u200db@new.test\u200d", "joiner@a\u200db.test", "a@bü_cher.test", "a@bü＿cher.test", "a@-bücher.test", "é" * 33 + "@new.test",
       "a@" + "ü" * 70 + ".test", "δ δ@new.test", "δ@", "a\u0085b@new.test", "a@bücher..test"]


def commands(world, verb):
    return [e["text"] for e in world.events("command") if e["text"].split(" ")[0] == verb]


def transactions(world):
    """RCPT's address and the parameters of its MAIL, by session in their order."""
    sent = collections.defaultdict(list)
    for event in world.events("command"):
        text = event["text"]
        if text.startswith("MAIL FROM:<"):
            parameters = text.split(">", 1)[1]
        elif text.startswith("RCPT TO:<"):
            sent[event["session"]].append((text, parameters))
    return sent


def test_smtp_M4_gen_G15_addresses_beyond_ascii_in_one_session(stack):
    """Mixed on one connection: SMTPUTF8 for those that need it, and for nobody else."""
    with stack(world=WORLD, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        jobs = dict(zip(s.enqueue(campaign, list(TAKEN)), TAKEN))
        s.start()
        assert s.check(campaign) == {"delivered": len(TAKEN)}
        s.stop()
        ledger = s.world.ledger()
        assert {line["job"]: line["recipient"] for line in ledger} == {job: TAKEN[given] for job, given in jobs.items()}
        for line in ledger:
            needs = not line["recipient"].isascii()
            assert line["smtputf8"] is needs and line["mail_from"].isascii() and not line["violations"]
            assert line["domain"].isascii()
        sessions = transactions(s.world)
        heard = [one for session in sessions.values() for one in session]
        assert collections.Counter(heard) == collections.Counter(
            (f"RCPT TO:<{wire}>", "" if wire.isascii() else " BODY=8BITMIME SMTPUTF8") for wire in TAKEN.values())
        mixed = max(sessions.values(), key=len)
        assert len({parameters for _, parameters in mixed}) == 2, "both kinds on one connection"


def test_smtp_M4_what_a_host_cannot_take_has_failed_and_is_not_dropped(stack):
    """No MAIL for it, 5.6.7 in the account; the same connection goes on with those that it can take."""
    failing = [f"δ{n}@{domain}" for n in range(3) for domain in ("old.test", "half.test", "alt-bücher.test")]
    taken = [f"u{n}@{domain}" for n in range(3) for domain in ("old.test", "half.test", "alt-bücher.test")]
    with stack(world=WORLD, config={"default_site": {"connections": 1}}) as s:
        campaign = s.campaign()
        people = [one for pair in zip(failing, taken) for one in pair]
        jobs = dict(zip(s.enqueue(campaign, people), people))
        s.start()
        assert s.check(campaign) == {"failed": len(failing), "delivered": len(taken)}
        s.stop()
        assert {line["recipient"] for line in s.world.ledger()} == {
            one.replace("alt-bücher.test", a_label("alt-bücher.test")) for one in taken}
        assert not [c for c in commands(s.world, "MAIL") if "SMTPUTF8" in c or "8BITMIME" in c]
        assert len(commands(s.world, "MAIL")) == len(commands(s.world, "RCPT")) == len(taken)
        attempts = s.attempts(campaign)
        assert len(attempts) == len(people)
        for attempt in attempts:
            if jobs[attempt["job_id"]] in failing:
                assert (attempt["state"], attempt["enhanced"], attempt["code"]) == ("failed", "5.6.7", 0)
                assert "SMTPUTF8" in attempt["reply"] and attempt["mx"] in ("mx.old.test", "mx.half.test")
        lines = [json.loads(line) for line in (s.directory / "delivery.log").read_text().splitlines()]
        told = {line["recipient"] for line in lines if line["state"] == "failed"}
        assert len(lines) == len(people) and {one.split("@")[0] for one in told} == {f"δ{n}" for n in range(3)}


def test_smtp_M4_addresses_that_are_none_have_failed_each(stack):
    with stack(world=WORLD) as s:
        campaign = s.campaign()
        jobs = dict(zip(s.enqueue(campaign, [*BAD, "δ@new.test"]), BAD))
        s.start()
        assert s.check(campaign) == {"failed": len(BAD), "delivered": 1}
        s.stop()
        assert [line["recipient"] for line in s.world.ledger()] == ["δ@new.test"]
        told = {a["job_id"]: (a["state"], a["enhanced"], a["phase"]) for a in s.attempts(campaign) if a["job_id"] in jobs}
        assert told == dict.fromkeys(jobs, ("failed", "5.1.3", "compose"))


def test_smtp_M4_smtp_M5_with_dsn_and_size_and_a_retry(stack):
    """All parameters together, exactly; and the retry of such a recipient is the same again."""
    rules = "rules:\n  - {at: rcpt, recipient: \"später@*\", nth: 1-1, reply: 450 4.2.1 later}\n"
    with stack(world=WORLD + rules) as s:
        campaign = s.campaign()
        (later, _) = s.enqueue(campaign, ["später@größe.test", "ann@größe.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 2}
        s.stop()
        domain = a_label("größe.test")
        heard = [one for session in transactions(s.world).values() for one in session]
        utf8 = [(r, m) for r, m in heard if r.startswith("RCPT TO:<sp")]
        assert [r for r, _ in utf8] == [f"RCPT TO:<später@{domain}> NOTIFY=FAILURE ORCPT=utf-8;später@{domain}"] * 2
        assert all(re.fullmatch(rf" SIZE=\d+ BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID={later}", m) for _, m in utf8), utf8
        (plain,) = [(r, m) for r, m in heard if r.startswith("RCPT TO:<ann")]
        assert plain[0] == f"RCPT TO:<ann@{domain}> NOTIFY=FAILURE ORCPT=rfc822;ann@{domain}"
        assert re.fullmatch(r" SIZE=\d+ RET=HDRS ENVID=\S+", plain[1])


def test_gen_G7_gen_G18_merge_values_beyond_ascii_in_headers(stack):
    """Encoded words for everybody; octets above 127 only in the address of one who needs SMTPUTF8."""
    content = dict(CONTENT, subject="Grüße {{name}}", to_name="{{name}}", headers={"X-Shop": "{{name}} → {{name}}"})
    names = {"ann@bücher.test": "Δοκιμή Žižek", "δοκιμή@new.test": "Ünï \"q\" 🐧" * 5, "bob@old.test": "例え"}
    with stack(world=WORLD, content=content) as s:
        campaign = s.campaign()
        s.enqueue(campaign, list(names), [{"name": name} for name in names.values()])
        s.start()
        assert s.check(campaign) == {"delivered": 3}
        s.stop()
        letters = s.letters()
        for given, name in names.items():
            recipient = given.replace("bücher.test", "xn--bcher-kva.test")
            head, body = letters[recipient].split(b"\r\n\r\n", 1)
            beyond = [line for line in head.split(b"\r\n") if not line.isascii()]
            if recipient.isascii():
                assert not beyond and body.isascii()
            else:
                assert body.isascii() and beyond and all(recipient.encode() in line for line in beyond), beyond
            message = email.message_from_bytes(letters[recipient], policy=email.policy.SMTPUTF8)
            assert message["Subject"] == f"Grüße {name}" and message["X-Shop"] == f"{name} → {name}"
            to = re.search(rb"^To: ((?:.|\r\n[ \t])*)\r\n", head + b"\r\n", re.MULTILINE)[1].decode()
            words, address = to.rsplit("<", 1)
            assert str(make_header(decode_header(words.strip()))) == name and address == recipient + ">"


def import_file(s, campaign, name, data):
    path = s.directory / name
    path.write_bytes(data)
    done = subprocess.run([CTL, "enqueue", path, "--campaign", campaign], stdout=subprocess.PIPE, text=True, check=True,
                          env=dict(os.environ, PENGUIN_DSN=s.dsn), timeout=60)
    rejected = path.with_name(path.name + ".rejected.csv")
    return done.stdout, rejected.read_bytes()  # the rows as they came, whatever their octets


def test_smtp_M4_a_csv_of_addresses_beyond_ascii(stack):
    """Kept as they will be sent; spellings of one mailbox are one job; what is none is told, with its line."""
    spellings = ["u@bücher.test", "U@BÜCHER.test", "u@bu\u0308cher.test", "u@XN--bcher-kva.test", "u@ｂücher.test"]
    others = ["δοκιμή@new.test", "jos\u00e9@new.test", "jose\u0301@new.test", "δοκιμή@old.test", "ß@straße.test"]
    bad = ["joiner@a\u200db.test", "é" * 33 + "@new.test", "a@bü_cher.test", "a\u0085b@new.test"]
    rows = [f"{one},Ü\r\n" for one in [*spellings, *others, *bad]]
    data = ("\ufeffemail,name\r\n" + "".join(rows)).encode() + "m@bücher.test,x\r\n".encode("latin-1")
    with stack(world=WORLD) as s:
        campaign = s.campaign()
        for added in (6, 0):
            said, rejected = import_file(s, campaign, "people.csv", data)
            assert said.startswith(f"{added} added, {10 - added} already there, 5 rejected: ")
            assert [line.split(b",")[0] for line in rejected.split(b"\n")[1:-1]] == [b"12", b"13", b"14", b"15", b"16"]
            assert b'16,"it is not UTF-8","m@b\xfccher.test"' in rejected
        kept = {r for (r,) in s.shop.session.query("SELECT recipient FROM penguin.jobs WHERE campaign_id = %s", campaign)}
        assert kept == {"u@xn--bcher-kva.test", "δοκιμή@new.test", "jos\u00e9@new.test", "jose\u0301@new.test",
                        "δοκιμή@old.test", "ß@" + a_label("straße.test")}
        s.start()
        assert s.check(campaign) == {"delivered": 5, "failed": 1}
        s.stop()
        assert {line["recipient"] for line in s.world.ledger()} == kept - {"δοκιμή@old.test"}
        (failed,) = [a for a in s.attempts(campaign) if a["state"] == "failed"]
        assert failed["enhanced"] == "5.6.7"


def test_smtp_M4_a_suppression_holds_for_every_spelling(stack):
    """An app may enqueue what people typed; what is suppressed is the mailbox, or the domain."""
    gone = ["u@b\u00fccher.test", "U@B\u00dcCHER.TEST", "u@bu\u0308cher.test", "u@xn--bcher-kva.test", " u@b\u00fccher.test",
            '"u"@new.test', "ann@stra\u00dfe.test", "\u03b4@new.test"]
    kept = ["v@b\u00fccher.test", "u@strasse.new.test", '"v"@new.test', "\u03b4\u03b4@new.test"]
    world = WORLD + f"  - {{domain: strasse.new.test, mx: [\"10 mx.new.test\"]}}\n"
    with stack(world=world) as s:
        campaign = s.campaign()
        for address in ("u@B\u00fccher.test", "u@new.test", "@stra\u00dfe.test", "\u03b4@new.test"):
            subprocess.run([CTL, "suppress", "add", address], check=True, env=dict(os.environ, PENGUIN_DSN=s.dsn))
        jobs = dict(zip(s.enqueue(campaign, gone + kept), gone + kept))
        s.start()
        assert s.check(campaign) == {"suppressed": len(gone), "delivered": len(kept)}
        s.stop()
        assert {jobs[line["job"]] for line in s.world.ledger()} == set(kept)


def control(s, *words):
    return subprocess.run([CTL, *words], stdout=subprocess.PIPE, text=True, check=True, timeout=60,
                          env=dict(os.environ, PENGUIN_DSN=s.dsn)).stdout


def test_smtp_M4_a_person_is_found_by_every_spelling(stack):
    """Suppressed, shown and lifted in capitals beyond ASCII too; erased in whatever way an app wrote the domain."""
    with stack(world=WORLD) as s:
        control(s, "suppress", "add", "ΔΟΚΙΜΗ@new.test")
        assert json.loads(control(s, "suppress", "list", "ΔΟΚΙΜΗ@new.test", "--json"))["address"] == "δοκιμη@new.test"
        campaign = s.campaign()
        s.enqueue(campaign, ["ΔΟΚΙΜΗ@NEW.test", "δοκιμη@new.test"])
        people = ["u@bücher.test", "U@BÜCHER.test", "u@xn--bcher-kva.test", "u@bu\u0308cher.test", "uu@bücher.test"]
        later = s.campaign()
        s.shop.session.run("campaign_pause", s.shop.tenant, later, "")
        s.enqueue(later, people)
        assert "erase_jobs: 4 rows" in control(s, "erase", "u@bu\u0308cher.test")
        kept = {r for (r,) in s.shop.session.query("SELECT recipient FROM penguin.jobs WHERE campaign_id = %s", later)}
        assert {r for r in kept if not r.startswith("sha256:")} == {"uu@bücher.test"}
        s.shop.session.run("campaign_resume", s.shop.tenant, later)
        s.start()
        assert s.wait(campaign) == {"suppressed": 2}
        assert s.wait(later) == {"suppressed": 4, "delivered": 1}
        control(s, "suppress", "remove", "ΔΟΚΙΜΗ@new.test")
        s.enqueue(campaign, ["ΔΟΚΙΜΗ@NEW.test"])
        assert s.wait(campaign) == {"suppressed": 2, "delivered": 1}
        s.stop()
        s.shop.account(campaign)
        s.shop.account(later)
        assert sorted(line["recipient"] for line in s.world.ledger()) == ["uu@xn--bcher-kva.test", "ΔΟΚΙΜΗ@new.test"]
