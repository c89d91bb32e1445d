"""Random campaigns full of hostile values: each must come out canonical and read back as meant."""
import base64
import html
import os
import random
import re
import uuid

import judges
from wire import canonical_text, check_canonical, check_headers, mailbox, parse, part_bytes

COUNT = 20000 if os.environ.get("PENGUIN_FULL") else 5000
SEED = 20261124

HOSTILE = [
    "\r\n", "\n", "\r", "\r\n.\r\n", "\n.\n", "\r.\r", "\n.\r\n", "\r\n\r\n", "\0", "\x0b", "\x7f", "\t",
    "\r\nBcc: all@example.org", "\nMAIL FROM:<x@y>\n", "\u2028", "\u2029", "\x85", "\xa0", "\u200b", "\ufeff",
    "=?utf-8?q?=0D=0A?=", "=?utf-8?b?DQo=?=", "=?", "?=", "=0D=0A", "=\r\n", "--=_0_", "--", "From ", "\nFrom x",
    ".", "..", "<", ">", "\"", "\\", "\\\"", "(", ")", ",", ";", ":", "@", "<script>", "&", "&amp;", "'",
    "{{x}}", "{{{x}}}", "}}", "{{", "%s%n", "a" * 90, "b" * 1200, " ", "  ", " " * 80, "🐧", "你好" * 40, "é" * 80,
    "Grüße ", "word ", "l" * 76, "m" * 75, "n" * 74, "\u0301", "x\u0308",
]
WORDS = "dear customer your order of three cups and some tea is on its way to you by ship".split()


def random_text(rng, pieces, hostile=0.4):
    out = []
    for _ in range(rng.randrange(pieces)):
        out.append(rng.choice(HOSTILE) if rng.random() < hostile else rng.choice(WORDS) + rng.choice(" \n "))
    return "".join(out)


class Template:
    """A random template with what it must become."""

    def __init__(self, rng, values, pieces, header, escape):
        self.source, self.expected = "", ""
        for _ in range(rng.randrange(1, pieces)):
            kind = rng.randrange(4)
            name = rng.choice(sorted(values))
            value = values[name]
            if kind == 0:
                self.add("{{" + name + "}}", html_escape(value) if escape else value)
            elif kind == 1:
                self.add("{{{" + name + "}}}", value)
            elif kind == 2 and value:
                self.add("{{#" + name + "}}[{{&.}}]{{/" + name + "}}", "[" + value + "]")
            else:
                self.add_static(random_text(rng, 8, 0.3), header)

    def add(self, source, expected):
        self.source += source
        self.expected += expected

    def add_static(self, text, header):
        text = text.replace("{{", "").replace("}}", "")
        if header:
            text = "".join(c for c in text if c >= " " and c != "\x7f")
        if self.source.endswith("{") or text.startswith("{") or text.endswith("{"):
            text = "-" + text + "-"
        self.add(text, text)


def html_escape(text):
    return html.escape(text, quote=True).replace("&#x27;", "&#39;")


def has_control(text):
    return any(c < " " or c == "\x7f" for c in text)


class Campaign:
    def __init__(self, rng):
        hostile = rng.choice([0.0, 0.1, 0.6])
        self.values = {f"v{i}": random_text(rng, 8, hostile) for i in range(4)}
        fields = self.header_values(rng, hostile)
        self.values.update(fields)
        self.subject = Template(rng, fields, 4, True, False)
        self.from_name = Template(rng, fields, 3, True, False)
        self.to_name = Template(rng, fields, 3, True, False)
        self.extra = Template(rng, fields, 3, True, False)
        self.text = Template(rng, self.values, 9, False, False) if rng.random() < 0.8 else None
        self.html = Template(rng, self.values, 9, False, True) if self.text is None or rng.random() < 0.7 else None
        self.attachments = [self.attachment(rng, i) for i in range(rng.choice([0, 0, 0, 1, 3]))]
        self.tracking = rng.choice(["", "t.example.org"])
        self.job = str(uuid.UUID(int=rng.getrandbits(128)))

    @staticmethod
    def header_values(rng, hostile):
        """Mostly without controls, for those only make the message fail."""
        values = {f"h{i}": random_text(rng, 8, hostile) for i in range(4)}
        if rng.random() < 0.8:
            values = {k: "".join(c for c in v if c >= " " and c != "\x7f") for k, v in values.items()}
        return values

    @staticmethod
    def attachment(rng, i):
        name = "".join(c for c in random_text(rng, 4) if c >= " " and c != "\x7f")[:300] + f"{i}.bin"
        data = rng.randbytes(rng.randrange(1, 400))
        one = {"name": name, "type": "application/x-test", "data": base64.b64encode(data).decode()}
        if rng.random() < 0.3:
            one["cid"] = f"image{i}@example.org"
        return one

    def row(self):
        content = {
            "from": {"email": "news@shop.example", "name": self.from_name.source},
            "to_name": self.to_name.source,
            "subject": self.subject.source,
            "headers": {"X-Extra": self.extra.source},
            "list_id": {"id": "news.shop.example", "name": "Néws"},
            "attachments": self.attachments,
        }
        if self.text:
            content["text"] = self.text.source
        if self.html:
            content["html"] = self.html.source
        return {"content": content, "vars": self.values, "job": self.job, "tracking": self.tracking,
                "feedback": "penguins"}

    def headers(self):
        return [t.expected.strip(" \t\r\n") for t in (self.from_name, self.to_name, self.subject, self.extra)]


def names_expected(campaign):
    names = ["From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe"]
    if campaign.tracking:
        names.append("List-Unsubscribe-Post")
    names += ["List-ID", "Feedback-ID"]
    if campaign.headers()[3]:
        names.append("X-Extra")
    names += ["MIME-Version", "Content-Type"]
    return names


def check_texts(campaign, message):
    leaves = [p for p in message.walk() if not p.is_multipart()]
    wanted = [t for t in (campaign.text, campaign.html) if t]
    types = [k for k, t in (("text/plain", campaign.text), ("text/html", campaign.html)) if t]
    inline = sorted((a for a in campaign.attachments if "cid" in a), key=lambda a: a["cid"]) if campaign.html else []
    others = [a for a in campaign.attachments if "cid" not in a]
    if campaign.html is None:
        others_lost = [a for a in campaign.attachments if "cid" in a]
        assert len(leaves) == len(wanted) + len(others), others_lost
    assert [p.get_content_type() for p in leaves] == types + ["application/x-test"] * (len(inline) + len(others))
    for part, template in zip(leaves, wanted):
        assert part.get_content_charset() == "utf-8"
        text = canonical_text(template.expected)
        if len(leaves) == 1 and text and not text.endswith(b"\r\n") and part["Content-Transfer-Encoding"] != "base64":
            text += b"\r\n"
        assert part_bytes(part) == text
    for part, attachment in zip(leaves[len(wanted):], inline + others):
        assert part_bytes(part) == base64.b64decode(attachment["data"])
        assert part.get_filename().strip() == attachment["name"].strip(), "Python strips U+00A0 too"
        assert part["Content-ID"] == (f"<{attachment['cid']}>" if "cid" in attachment else None)


def check(campaign, answer):
    from_name, to_name, subject, extra = campaign.headers()
    if any(map(has_control, campaign.headers())):
        assert answer.get("failure") == "compose_error", answer
        return False
    assert "message" in answer, answer
    data = answer["bytes"]
    check_canonical(data)
    names = check_headers(data, answer["header_bytes"])
    assert [n for n in names if n != "Content-Transfer-Encoding"] == names_expected(campaign)
    message = parse(data)
    assert not message.defects
    assert str(message["Subject"]) == subject
    assert mailbox(data, "From") == (from_name, "news@shop.example")
    assert mailbox(data, "To") == (to_name, "ann@example.net")
    assert extra == "" or str(message["X-Extra"]) == extra
    assert message["Message-ID"] == f"<{campaign.job}@shop.example>"
    check_texts(campaign, message)
    return True


def test_smtp_M3_smtp_B1_random_campaigns(compose):
    rng = random.Random(SEED)
    sent = 0
    for number in range(COUNT):
        campaign = Campaign(rng)
        row = campaign.row()
        answer = compose(row)
        try:
            sent += check(campaign, answer)
        except AssertionError:
            print("campaign", number, row, answer)
            raise
        if number % 10 == 0:
            assert compose(row) == answer, "the same inputs give the same bytes"
    assert sent > COUNT / 2 and sent < COUNT, "both kinds must be seen"


def test_gen_G6_threat_C16_two_parsers_read_the_same(compose, tmp_path):
    """python's email and perl's MIME::Parser find the same parts in random campaigns, and what was meant."""
    rng = random.Random(SEED + 1)
    left = 100000 if os.environ.get("PENGUIN_FULL") else 1000
    while left > 0:
        pairs = [(campaign, compose(campaign.row())) for campaign in (Campaign(rng) for _ in range(min(left, 500)))]
        left -= len(pairs)
        pairs = [(campaign, answer["bytes"]) for campaign, answer in pairs if "message" in answer]
        read = judges.perl_reads(tmp_path, [data for _, data in pairs])
        for (campaign, data), theirs in zip(pairs, read, strict=True):
            ours = judges.python_reads(data)
            assert theirs["parts"] == ours["parts"], data
            assert not theirs["complaints"] and not ours["complaints"], (theirs["complaints"], ours["complaints"], data)
            check_texts(campaign, parse(data))
            assert data.partition(b"\r\n\r\n")[0].lower().count(b"\r\nmime-version: 1.0") == 1
            for boundary in set(re.findall(rb'boundary="([^"]+)"', data)):
                # once to announce it, then only as delimiters: it is in no part
                delimiters = re.findall(rb"^--" + re.escape(boundary) + rb"(?:--)?\r$", data, re.M)
                assert data.count(boundary) == 1 + len(delimiters)
