"""Golden messages: NAME.json composes to NAME.eml, byte for byte.

With PENGUIN_GOLDEN=write the .eml files are written anew: look at the difference before committing it,
for a changed byte is another message to a receiver that has seen the first attempt.
"""
import json
import os
import pathlib

import pytest
from wire import check_canonical, check_headers, parse

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "data" / "messages"
NAMES = sorted(p.stem for p in GOLDEN.glob("*.json"))


def test_there_are_golden_messages():
    assert len(NAMES) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_golden(compose, name):
    row = json.loads((GOLDEN / f"{name}.json").read_text())
    answer = compose(row)
    assert "message" in answer, answer
    data = answer["bytes"]
    if os.environ.get("PENGUIN_GOLDEN") == "write":
        (GOLDEN / f"{name}.eml").write_bytes(data)
    assert data == (GOLDEN / f"{name}.eml").read_bytes()
    if not answer["utf8"]:
        check_canonical(data)
    check_headers(data, answer["header_bytes"])
    assert not parse(data).defects


def test_smtp_M4_smtputf8(compose):
    """ASCII at an IDN works everywhere; a local part beyond ASCII is UTF-8 in the header too."""
    content = {"from": "news@shop.example", "subject": "s", "text": "t"}
    answer = compose({"content": content, "recipient": "ann@παράδειγμα.gr"})
    assert not answer["utf8"] and answer["recipient"] == "ann@xn--hxajbheg2az3al.gr"
    answer = compose({"content": content, "recipient": "δοκιμή@παράδειγμα.gr"})
    assert answer["utf8"] and answer["recipient"] == "δοκιμή@xn--hxajbheg2az3al.gr"
    assert "To: δοκιμή@xn--hxajbheg2az3al.gr\r\n" in answer["message"]


@pytest.mark.parametrize(
    "recipient",
    ["a@b\r\nRCPT TO:<x@y>", "a@b> SIZE=1", '"a\r\nb"@c', "a@b\0c", "a b@c.example", "a@[127.0.0.1]", "", "a@b,c@d"],
)
def test_bad_recipients(compose, recipient):
    content = {"from": "news@shop.example", "subject": "s", "text": "t"}
    assert compose({"content": content, "recipient": recipient})["failure"] == "bad_address"


def test_hostile_recipient_is_not_misrouted(compose):
    content = {"from": "news@shop.example", "subject": "s", "text": "t"}
    answer = compose({"content": content, "recipient": '"victim@evil.com x"@ok.com'})
    assert answer["recipient"].endswith("@ok.com")
    assert parse(answer["bytes"])["To"].addresses[0].domain == "ok.com"


def test_runaway_templates_end(compose):
    loops = "{{#l}}" * 9 + "x" + "{{/l}}" * 9
    content = {"from": "news@shop.example", "subject": "s", "text": loops}
    answer = compose({"content": content, "vars": {"l": list(range(10))}})
    assert answer["failure"] == "compose_error" and "runs too long" in answer["fault"]


def test_smtp_R4_gen_G3_identity_of_attempts(compose):
    """Another attempt, with other rows and another process state between: the same bytes."""
    row = json.loads((GOLDEN / "newsletter.json").read_text())
    first = compose(row)
    for name in NAMES:
        compose(json.loads((GOLDEN / f"{name}.json").read_text()))
    assert compose(row) == first
    other = compose({**row, "job": "0192f3a0-1234-7abc-8def-0123456789ac"})
    assert other["bytes"] != first["bytes"] and other["mail_from"] != first["mail_from"]
