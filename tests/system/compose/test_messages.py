"""Golden messages: NAME.json composes to NAME.eml, byte for byte.

With PENGUIN_GOLDEN=write the .eml files are written anew: look at the difference before committing it,
for a changed byte is another message to a receiver that has seen the first attempt.
"""
import email.header
import json
import os
import pathlib
import random
import re

import pytest
from wire import check_canonical, check_headers, mailbox, parse

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


def test_threat_C12_hostile_recipient_is_not_misrouted(compose):
    content = {"from": "news@shop.example", "subject": "s", "text": "t"}
    answer = compose({"content": content, "recipient": '"victim@evil.com x"@ok.com'})
    assert answer["recipient"].endswith("@ok.com")
    assert parse(answer["bytes"])["To"].addresses[0].domain == "ok.com"


def test_threat_C17_runaway_templates_end(compose):
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


def fields(data):
    """(name, value) of each field, unfolded."""
    block = data.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    return [tuple(line.decode().split(": ", 1)) if ": " in line.decode() else (line.decode(), "")
            for line in block.split(b"\r\n")]


@pytest.mark.parametrize("name", NAMES)
def test_smtp_M19_smtp_M20_gen_G1_gen_G5_sender_P11_sender_Y8_what_a_message_says(compose, name):
    """No Return-Path, no trace, no Bcc, no list of nobody; To is one address; what may stand once stands once."""
    data = compose(json.loads((GOLDEN / f"{name}.json").read_text()))["bytes"]
    names = [n.lower() for n, _ in fields(data)]
    assert not {"return-path", "received", "bcc", "authentication-results", "x-mailer", "x-originating-ip"} & set(names)
    assert len(names) == len(set(names)), "a field is there twice"
    to = parse(data)["To"]
    assert len(to.addresses) == 1 and all(group.display_name is None for group in to.groups)
    assert {"from", "date", "message-id", "subject"} <= set(names)


@pytest.mark.parametrize("raw", ["Return-Path: <x@y.example>\n", "return-path: <>\n"])
def test_smtp_M19_an_apps_return_path_is_taken_out(compose, raw):
    answer = compose({"raw": raw + "From: a@shop.example\nSubject: s\n\nx\n"})
    assert "return-path" not in answer["message"].lower()


def test_gen_G8_gen_G10_gen_G11_fields_of_lists(compose):
    """One https address and one to mail to, on one line; the id of the list; whose feedback; nothing of it where no list is."""
    content = {"from": "news@shop.example", "subject": "s", "text": "t",
               "list_id": {"id": "news.shop.example", "name": "Shop News"}}
    row = {"content": content, "tracking": "t.shop.example", "feedback": "penguins"}
    first, second = (compose({**row, "job": f"0192f3a0-1234-7abc-8def-0123456789a{n}"}) for n in "bc")
    for answer in (first, second):
        values = dict(fields(answer["bytes"]))
        assert re.fullmatch(r"<https://t\.shop\.example/u/[a-z0-9-]+>, <mailto:[^<>@]+@[^<>@]+\?subject=unsubscribe>",
                            values["List-Unsubscribe"])
        assert b"\r\nList-Unsubscribe: " + values["List-Unsubscribe"].encode() + b"\r\n" in answer["bytes"]
        assert values["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert values["List-ID"] == "Shop News <news.shop.example>"
        campaign, customer, kind, sender = values["Feedback-ID"].split(":")
        assert campaign and customer and kind == "marketing" and sender == "penguins"
        assert "Auto-Submitted" not in values
    assert dict(fields(first["bytes"]))["Feedback-ID"] == dict(fields(second["bytes"]))["Feedback-ID"]
    answer = compose({**row, "content": {**content, "kind": "transactional", "list_id": None}})
    values = dict(fields(answer["bytes"])) if "message" in answer else {}
    if not values:  # null is no list id
        answer = compose({**row, "content": {k: v for k, v in content.items() if k != "list_id"} | {"kind": "transactional"}})
        values = dict(fields(answer["bytes"]))
    assert values["Auto-Submitted"] == "auto-generated"
    assert not {"List-Unsubscribe", "List-Unsubscribe-Post", "List-ID"} & set(values)


@pytest.mark.parametrize("length", [70, 75, 76, 77, 998, 999, 10000])
@pytest.mark.parametrize("letter", ["x", "\u00e9", "\u4f60", "="])
def test_smtp_B2_long_words(compose, length, letter):
    """A word of that many characters, in HTML, text, subject and name: lines stay short and the word comes back."""
    word = letter * length
    short = word[:1000]
    answer = compose({"content": {
        "from": {"email": "news@shop.example", "name": "{{short}}"}, "subject": "{{short}}", "text": "a {{word}} b\n",
        "html": "<p>{{word}}</p>\n"}, "vars": {"word": word, "short": short}})
    assert "message" in answer, answer
    data = answer["bytes"]
    check_canonical(data)
    check_headers(data, answer["header_bytes"])
    assert max(map(len, data[answer["header_bytes"]:].split(b"\r\n"))) <= 76
    for line in data[:answer["header_bytes"]].split(b"\r\n"):
        if b"=?" in line:
            assert len(line) <= 76 and all(len(part) <= 75 for part in line.split() if part.startswith(b"=?"))
    message = parse(data)
    assert message["Subject"] == short
    assert message.get_body(["plain"]).get_content().split() == ["a", word, "b"]
    assert message.get_body(["html"]).get_content().strip() == f"<p>{word}</p>"


@pytest.mark.parametrize("length, fine", [(900, True), (2000, False)])
def test_smtp_B2_a_long_address_in_a_header(compose, length, fine):
    """An address cannot be folded: within 998 octets it goes as it is, beyond that the message fails."""
    content = {"from": "news@shop.example", "subject": "s", "text": "t",
               "unsubscribe": {"url": "https://app.example/u?" + "x" * length}}
    answer = compose({"content": content})
    assert ("message" in answer) == fine
    if fine:
        check_canonical(answer["bytes"])
    else:
        assert "List-Unsubscribe" in answer["fault"]


SCRIPTS = ["a", " ", "  ", "\u00e9", "\u4f60\u597d", "\U0001f427", "e\u0301", "\u05e9\u05dc\u05d5\u05dd", "\u200d", "\"", "\\", "<", ">",
           "@", ",", ";", ":", "(", ")", "=?", "?=", "=", "_", ".", "'", "%", "*", "a" * 40, "\u00df" * 30, "word "]


def test_gen_G7_text_in_headers_comes_back(compose):
    """Random text in Subject, display names and file names, as python's email reads it."""
    rng = random.Random(20261124)
    for _ in range(20000 if os.environ.get("PENGUIN_FULL") else 1500):
        text, name, file = ("".join(rng.choice(SCRIPTS) for _ in range(rng.randrange(1, 25))).strip() or "x"
                            for _ in range(3))
        file += ".bin"  # python takes "<" and ">" off a name that they surround
        answer = compose({"content": {
            "from": {"email": "news@shop.example", "name": "{{name}}"}, "subject": "{{text}}", "text": "t",
            "attachments": [{"name": file, "data": "eA=="}]}, "vars": {"text": text, "name": name}})
        assert "message" in answer, (answer, text, name, file)
        data = answer["bytes"]
        check_canonical(data)
        for part in re.findall(rb"=\?utf-8\?[bq]\?[^?\s]*\?=", data[:answer["header_bytes"]]):
            assert len(part) <= 75
            str(email.header.make_header(email.header.decode_header(part.decode())))  # each decodes alone
        message = parse(data)
        assert message["Subject"] == text, data
        assert mailbox(data, "From") == (name, "news@shop.example"), data
        (attachment,) = message.iter_attachments()
        assert attachment.get_filename() == file, data
        assert b"=?" not in re.findall(rb"<[^<>]*>", data[:answer["header_bytes"]].split(b"From: ")[1].split(b"\r\nTo")[0])[-1]
