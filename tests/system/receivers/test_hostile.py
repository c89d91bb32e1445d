"""Content and merge values that want to be more than content: one message for each recipient, everywhere.

A recipient `smuggled` exists at each receiver: whoever is talked into a second message stores it there.
"""
import html
import itertools
import os
import re

import judges
import psycopg2
import pytest
from allhosts import HOSTS
from mailhost import sender, world
from wire import mailbox

FULL = bool(os.environ.get("PENGUIN_FULL"))
TRACE = {"return-path", "received", "delivered-to", "x-original-to", "envelope-to", "x-signature", "dkim-signature"}

# Every way to write a line end, and every way to put a dot between two of them.
ENDS = ["\r\n", "\n", "\r"]
DOTS = [before + "." + after for before in ENDS for after in ENDS] + ["\r\n\0.\r\n", "\r\n.\0\r\n", "\u2028.\u2028", "\x85.\x85"]


def second_message(dot, end, domain):
    return end.join([dot + "MAIL FROM:<eve@evil.test>", f"RCPT TO:<smuggled@{domain}>", "DATA", "From: eve@evil.test",
                     "Subject: smuggled", "", "second", ".", ""])


def smuggling(domain):
    """Values that are a message, its end, and another message."""
    dots = DOTS if FULL else DOTS[:9]
    yield from (f"first{second_message(dot, end, domain)}" for dot, end in itertools.product(dots, ENDS))
    yield from ["\r\n.\r", ".", "..", "\r\n.", "\n.\n", "\r.\r", "\n..\n.\n", ".\r\n", "\r\n.\r\nQUIT\r\n", "\r\n.\r\nRSET\r\n",
                "=\r\n.\r\n", "=0D=0A.=0D=0A", "x" * 75 + "\n.\n", "x" * 76 + ".\r\n", "." * 3000, "\r" * 200, "\n" * 200]


ODD = ["\u2028", "\u2029", "\x85", "\xa0", "\u200b", "\ufeff", "\x0b", "\x0c", "\x1b[2J", "\x7f", "\t", "w" * 5000, "é" * 3000,
       "👩‍👩‍👧" * 300, "x\u0308" * 50, "=?utf-8?q?=0D=0A?=", "=?utf-8?b?DQouDQo=?=", "--=_0_", "\n--=_0_--\n",
       "From x", "\nFrom x", "\r\n\r\nBcc: all@x.test", "<script>alert(1)</script>", "--></style>", "]]>", "&", "%s%n", "{{x}}", "{{{x}}}",
       "'; DROP TABLE jobs; --", "\\", "\\0", "a b " * 500, " " * 400, "\t \n" * 50]


def plain(text):
    """What text is once its line ends are one kind."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def arrived(s, hosts, people, directory):
    """Every letter at every host with what two parsers read in it, after all was counted and judged."""
    found = []
    for host in hosts:
        expected = sorted(p for p in people if p.endswith(f".{host.NAME}.test"))
        letters = host.collect(len(expected))
        assert sorted(letter.recipient for letter in letters) == expected, host.NAME
        for letter in letters:
            assert host.own_verdict(letter.data) in (None, ["r1"]), letter.data
        found += letters
    return found, judges.read(directory, found)


@pytest.fixture
def hosts(receivers):
    return [receivers(name) for name in HOSTS]


def stack_for(stack, authority, hosts, content):
    return stack(world=world(*hosts), content=content,
                 config=sender(authority, *hosts, tls="opportunistic"))


def test_threat_C13_smuggling_in_merge_values(stack, receivers, authority, verifiers, tmp_path, hosts):
    content = {"from": {"email": "ann@news.shop.test", "name": "Ann"}, "subject": "Hello",
               "text": "{{value}}", "html": "<p>{{value}}</p><pre>{{{value}}}</pre>\n"}
    with stack_for(stack, authority, hosts, content) as s:
        values = {}
        for host in hosts:
            texts = [*smuggling(host.domains[0]), *ODD]
            values.update((f"user{n}@{host.domains[n % 2]}", text) for n, text in enumerate(texts))
        values = {recipient: text for recipient, text in values.items() if "\0" not in text}
        campaign = s.campaign()
        s.enqueue(campaign, list(values), [{"value": text} for text in values.values()])
        s.start()
        s.wait(campaign)
        s.stop()
        assert s.account(campaign) == {"delivered": len(values)}
        letters, read = arrived(s, hosts, values, tmp_path / "read")
        for letter, seen in zip(letters, read):
            text = values[letter.recipient]
            (_, _, in_text), (_, _, in_html) = seen["parts"]
            assert in_text.decode() == plain(text), letter.data
            escaped = html.escape(text, quote=True).replace("&#x27;", "&#39;")
            assert in_html.decode() == plain(f"<p>{escaped}</p><pre>{text}</pre>\n"), letter.data
        verifiers.check(letters, s, ["r1"])


RAW = "From: Ann <ann@news.shop.test>\r\nSubject: raw\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"


def contents(hosts):
    """By name: the content and the text that must come out of it."""
    texts = [second_message(dot, end, host.domains[0]) for host in hosts
             for dot, end in itertools.product([dot for dot in DOTS if "\0" not in dot], ENDS)]
    body = "first" + "".join(texts) + "last\n"
    longer = body + "é" + "x" * 3000 + "\n"
    template = {"from": "ann@news.shop.test", "subject": "static", "text": body}
    ascii_only = body.encode("ascii", "ignore").decode()
    return {
        "template": (template, body),
        "as it is": ((RAW + ascii_only).encode(), ascii_only),
        "encoded": ((RAW + longer).encode(), longer),
        "with NUL": ((RAW + ascii_only.replace("last", "\0la\0st\r\n\0.\0\r\n.\0\n")).encode(), None),
        "bare in the header": ((RAW.replace("raw", "raw\r.\rBcc: x@y.test") + ascii_only).encode(), None),
    }


def test_threat_C13_smuggling_in_contents(stack, authority, verifiers, tmp_path, hosts):
    """Templates and raw messages that try it in their own text; what cannot be made canonical is not sent."""
    with stack_for(stack, authority, hosts, {"from": "ann@news.shop.test", "subject": "s", "text": "t"}) as s:
        made, people = contents(hosts), {}
        campaigns = {}
        for version, (name, (content, text)) in enumerate(made.items(), 10):
            s.set_content(content, version)
            campaigns[name] = s.campaign()
            s.shop.session.query("UPDATE penguin.campaigns SET content_version = %s WHERE id = %s", version, campaigns[name])
            mine = [f"user{version}@{domain}" for host in hosts for domain in host.domains]
            s.enqueue(campaigns[name], mine)
            people.update((recipient, text) for recipient in mine if text is not None)
        s.start()
        for campaign in campaigns.values():
            s.wait(campaign)
        s.stop()
        for name, campaign in campaigns.items():
            assert s.account(campaign) == {"failed" if made[name][1] is None else "delivered": 2 * len(hosts)}, name
        letters, read = arrived(s, hosts, people, tmp_path / "read")
        for letter, seen in zip(letters, read):
            ((_, _, text),) = seen["parts"]
            assert text.decode() == plain(people[letter.recipient]), letter.data
        verifiers.check(letters, s, ["r1"])


# What a value may try to be in a header, with the name of a field that would be new behind it.
BREAKS = ["\r\n", "\n", "\r", "\r\n ", "\n\t", "\r\n\r\n", "\0", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1b", "\x7f",
          "=?utf-8?q?=0D=0A?=", "=?utf-8?b?DQo=?=", "=0D=0A", "%0D%0A", "\\r\\n", "\u560a\u560d", ": ", ", ", ",", ">, <", ">", "<", "\"", "\" <eve@evil.test> ",
          "é\r\n", "(", ")", "\\", "x" * 1200, "é" * 600, " " * 300]
POSITIONS = ["subject", "from", "to", "reply", "extra"]
HEADERS = {
    "from": {"email": "ann@news.shop.test", "name": "{{from}}"},
    "to_name": "{{to}}",
    "reply_to": {"email": "box@news.shop.test", "name": "{{reply}}"},
    "subject": "{{subject}}",
    "headers": {"X-Extra": "{{extra}}"},
    "text": "Hello\n",
}
FIELDS = ["From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID",
          "X-Extra", "MIME-Version", "Content-Type"]


def may_not_be_in_a_header(text):
    return any(c < " " or c == "\x7f" for c in text.strip(" \t\r\n"))


def test_threat_C14_no_value_makes_a_field(stack, authority, verifiers, tmp_path, hosts):
    """Each place of a variable in a header, with each value: the fields stay, and hold the value as it is, or nothing is sent."""
    with stack_for(stack, authority, hosts, HEADERS) as s:
        cases = {}
        for host, position in itertools.product(hosts, POSITIONS):
            for n, text in enumerate(text for text in BREAKS if "\0" not in text):
                values = dict.fromkeys(POSITIONS, "Ann")
                values[position] = f"Bob{text}Bcc: all@x.test"
                cases[f"{position}{n}@{host.domains[n % 2]}"] = values
            values = dict.fromkeys(POSITIONS, "Ann")
            values[position] = "\r\n Bob\r\n"  # at the ends it is only blank
            cases[f"{position}@{host.domains[0]}"] = values
        campaign = s.campaign()
        people = dict(zip(s.enqueue(campaign, list(cases), list(cases.values())), cases))
        s.start()
        s.wait(campaign)
        s.stop()
        bad = {recipient for recipient, values in cases.items() if any(map(may_not_be_in_a_header, values.values()))}
        states = {people[job]: state for job, state in s.final_states(campaign).items()}
        assert {recipient for recipient, state in states.items() if state == "failed"} == bad
        assert s.account(campaign) == {"delivered": len(cases) - len(bad), "failed": len(bad)}
        letters, read = arrived(s, hosts, [recipient for recipient in cases if recipient not in bad], tmp_path / "read")
        for letter, seen in zip(letters, read):
            values = {position: text.strip(" \t\r\n") for position, text in cases[letter.recipient].items()}
            fields = [field for field in seen["fields"] if field[0].lower() not in TRACE]
            assert [name for name, _, _ in fields if name != "Content-Transfer-Encoding"] == FIELDS, letter.data
            decoded = {name: text for name, _, text in fields}
            assert (decoded["Subject"], decoded["X-Extra"]) == (values["subject"], values["extra"]), letter.data
            assert mailbox(letter.data, "From") == (values["from"], "ann@news.shop.test"), letter.data
            assert mailbox(letter.data, "To") == (values["to"], letter.recipient), letter.data
            assert mailbox(letter.data, "Reply-To") == (values["reply"], "box@news.shop.test"), letter.data
            assert seen["parts"] == [("text/plain", "utf-8", b"Hello\n")], letter.data
        verifiers.check(letters, s, ["r1"])


def test_threat_C14_no_value_leaves_the_address_for_unsubscribing(stack, authority, tmp_path, hosts):
    """A value in a URL of ours: the field has its two addresses and nothing else, or nothing is sent."""
    content = {"from": "ann@news.shop.test", "subject": "s", "text": "t\n", "unsubscribe": {"url": "https://app.test/u?{{url}}"}}
    with stack_for(stack, authority, hosts, content) as s:
        texts = [f"x{text}y" for text in BREAKS if "\0" not in text]
        cases = {f"user{n}@{host.domains[n % 2]}": text for host in hosts for n, text in enumerate(texts)}
        campaign = s.campaign()
        people = dict(zip(s.enqueue(campaign, list(cases), [{"url": text} for text in cases.values()]), cases))
        s.start()
        s.wait(campaign)
        s.stop()
        states = {people[job]: state for job, state in s.final_states(campaign).items()}
        sent = {recipient for recipient, state in states.items() if state == "delivered"}
        assert sent == {recipient for recipient, text in cases.items() if len(text) < 900 and re.fullmatch("[!-+.-;=?-~-]*", text)}
        assert s.account(campaign) == {"delivered": len(sent), "failed": len(cases) - len(sent)}
        letters, read = arrived(s, hosts, sent, tmp_path / "read")
        for letter, seen in zip(letters, read):
            fields = [field for field in seen["fields"] if field[0].lower() not in TRACE]
            assert [name for name, _, _ in fields if name != "Content-Transfer-Encoding"] == [
                name for name in FIELDS if name not in ("Reply-To", "X-Extra")]
            first, second = dict(field[:2] for field in fields)["List-Unsubscribe"].split(", ")
            assert first == f"<https://app.test/u?{cases[letter.recipient]}>"
            assert re.fullmatch(r"<mailto:\w+@bounce\.shop\.test\?subject=unsubscribe>", second)


def test_threat_C14_postgres_takes_no_nul(stack):
    """The one value that cannot come: there is no NUL in the text of a jsonb, so the app is told at once."""
    with stack() as s:
        campaign = s.campaign()
        with pytest.raises(psycopg2.errors.UntranslatableCharacter):
            s.enqueue(campaign, ["ann@d1.test"], [{"name": "x\0y"}])
        assert s.account(campaign) == {}
