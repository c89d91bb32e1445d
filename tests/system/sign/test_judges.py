"""What our signers make, judged by python3-dkim and by dkim-verify: two that we did not write."""
import os
import random
import subprocess

import dkim
import pytest

from worldlib import BUILD

SIGN = BUILD / "tests" / "tools" / "sign-cli"
VERIFY = BUILD / "tools" / "dkim" / "dkim-verify"
TENANT = "0193b2c4-0000-7000-8000-000000000001"
COUNT = 500 if os.environ.get("PENGUIN_FULL") else 40

BLANKS = [" ", "  ", "\t", " \t ", "\r\n ", "\r\n\t"]
WORDS = ["a", "word", "=?utf-8?q?caf=C3=A9?=", "x=y;z", ":", "b=", "<a@example.org>", "longer-than-the-others"]
FIELDS = ["To", "Cc", "Subject", "subject", "Reply-To", "Message-ID", "Content-Type", "List-Unsubscribe",
          "List-Unsubscribe-Post", "Feedback-ID", "X-Other", "Received"]
PIECES = [b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\r\n \r\n", b"x", b"word", b".", b"\xc3\xa9", b" \r\n"]


def run(*argv, env=None):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          env=dict(os.environ, **(env or {})))
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def make_message(dice):
    fields = ["From: \"A  B\" <ann@mail.example.org>\r\n"]
    for _ in range(dice.randrange(12)):
        value = "".join(dice.choice(BLANKS) + dice.choice(WORDS) for _ in range(dice.randrange(1, 8)))
        fields.append(f"{dice.choice(FIELDS)}:{value}\r\n")
    dice.shuffle(fields)
    body = b"".join(dice.choice(PIECES) for _ in range(dice.randrange(120)))
    return "".join(fields).encode() + b"\r\n" + body + b"\r\n"


@pytest.fixture
def keys(tmp_path):
    """A directory with an RSA and an Ed25519 key of example.org, and their records."""
    directory = tmp_path / "keys"
    directory.mkdir()
    lines = []
    for selector, kind in (("r1", "rsa"), ("e1", "ed25519")):
        code, out, err = run(SIGN, "make", directory, TENANT, "example.org", selector, kind)
        assert code == 0, err
        lines.append(out)
    (tmp_path / "records").write_text("".join(lines))
    return directory, dict(line.rstrip("\n").split(" ", 1) for line in lines)


def verdicts(message, records):
    """python3-dkim's verdict on each signature."""
    count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    answers = []
    for index in range(count):
        try:
            answers.append(dkim.DKIM(message).verify(
                idx=index, dnsfunc=lambda name, timeout=5: records[name.decode().rstrip(".")].encode()))
        except dkim.DKIMException:
            answers.append(False)
    return answers


@pytest.mark.parametrize("kind", ["native", "libopendkim"])
def test_threat_K3_two_judges_pass_what_is_signed(tmp_path, keys, kind):
    directory, records = keys
    box = tmp_path / "box"
    box.mkdir()
    paths = []
    for seed in range(COUNT):
        paths.append(box / f"{seed}.txt")
        paths[-1].write_bytes(make_message(random.Random(seed)))
    # libopendkim leaks with Ed25519; our own signer may not.
    env = {"ASAN_OPTIONS": "detect_leaks=0"} if kind == "libopendkim" else None
    code, _, err = run(SIGN, "sign", directory, TENANT, "mail.example.org", kind, *paths, env=env)
    assert code == 0, err
    for path in paths:
        message = path.with_name(path.name + ".signed").read_bytes()
        assert verdicts(message, records) == [True, True], path.name
        assert verdicts(message + b"more\r\n", records) == [False, False], path.name
        assert verdicts(message.replace(b"ann@", b"eve@"), records) == [False, False], path.name
        path.with_suffix(".eml").write_bytes(message)
    code, out, _ = run(VERIFY, tmp_path / "records", box)
    assert code == 0
    assert out == f"{COUNT} passed, 0 failed\n"


@pytest.fixture
def signed(tmp_path, keys):
    path = tmp_path / "message"
    path.write_bytes(b"From: ann@example.org\r\nTo: bob@example.com\r\nSubject: x\r\n\r\nHello\r\n")
    code, _, err = run(SIGN, "sign", keys[0], TENANT, "example.org", "native", path)
    assert code == 0, err
    return (tmp_path / "message.signed").read_bytes()


def test_gen_G12_threat_K2_the_signature_says_what_it_must(signed):
    """rsa-sha256 and Ed25519, relaxed, x= a week after t=, d= of From, oversigned, never l=."""
    fields = signed.replace(b"\r\n\t", b" ").split(b"\r\n")[:2]
    tags = [dict(part.strip().split(b"=", 1) for part in field.split(b": ", 1)[1].split(b";")) for field in fields]
    assert {t[b"a"] for t in tags} == {b"rsa-sha256", b"ed25519-sha256"}
    for tag in tags:
        assert tag[b"c"] == b"relaxed/relaxed" and tag[b"d"] == b"example.org" and b"l" not in tag
        assert int(tag[b"x"]) - int(tag[b"t"]) == 7 * 86400
        names = tag[b"h"].replace(b" ", b"").split(b":")
        assert names.count(b"from") == 2 and names.count(b"subject") == 2 and names.count(b"cc") == 1
        assert b"list-unsubscribe-post" in names


FAULTS = {
    "body": (lambda m: m + b"x\r\n", "the body is not the one that was signed"),
    "subject": (lambda m: m.replace(b"Subject: x", b"Subject: y"), "verification failed"),
    "second from": (lambda m: b"From: eve@example.net\r\n" + m, "verification failed"),
    "second subject": (lambda m: b"Subject: other\r\n" + m, "verification failed"),
    "other selector": (lambda m: m.replace(b"s=r1", b"s=r2"), "key not found"),
    "no signature": (lambda m: m[m.index(b"From:"):], "no signature"),
    "empty": (lambda m: b"", "no message"),
    "cut off": (lambda m: m[:200], ""),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_dkim_verify_tells_what_is_wrong(tmp_path, keys, signed, fault):
    change, reason = FAULTS[fault]
    box = tmp_path / "box" / "inner"
    box.mkdir(parents=True)
    (box / "good.eml").write_bytes(signed)
    (box / "bad.EML").write_bytes(change(signed))
    (box / "notes.txt").write_bytes(b"no message\r\n")
    code, out, _ = run(VERIFY, tmp_path / "records", tmp_path / "box")
    lines = out.splitlines()
    assert code == 1
    assert lines[-1] == "1 passed, 1 failed"
    assert len(lines) == 2 and "bad.EML" in lines[0] and reason in lines[0]


def test_dkim_verify_of_a_mailbox_with_lf(tmp_path, keys, signed):
    (tmp_path / "a.eml").write_bytes(signed.replace(b"\r\n", b"\n"))
    code, out, _ = run(VERIFY, "-v", tmp_path / "records", tmp_path / "a.eml")
    assert code == 0
    assert out.startswith("pass ") and out.endswith("1 passed, 0 failed\n")


def test_dkim_verify_of_nothing_does_not_pass(tmp_path, keys):
    (tmp_path / "empty").mkdir()
    assert run(VERIFY, tmp_path / "records", tmp_path / "empty")[0] == 1
    assert run(VERIFY, tmp_path / "records", tmp_path / "missing")[0] == 2
    assert run(VERIFY, tmp_path / "missing", tmp_path / "empty")[0] == 2
    (tmp_path / "odd").write_text("nonsense\n")
    code, _, err = run(VERIFY, tmp_path / "odd", tmp_path / "empty")
    assert code == 2 and "line 1" in err
