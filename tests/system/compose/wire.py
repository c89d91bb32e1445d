"""What every message must look like, and what a foreign parser reads in it."""
import email
import email.header
import email.policy
import email.utils
import re

CANONICAL = re.compile(rb"\A(?:[^\r\n]*\r\n)*\Z")
LINE_END = re.compile(r"\r\n|\r|\n")


def check_canonical(data):
    assert CANONICAL.match(data)
    lines = data.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert max(data) < 0x80
    assert b"\0" not in data
    return lines


def check_headers(data, header_bytes):
    """Fields, folded at 78 where they can be; returns their names in order.

    List-Unsubscribe stands on one line whatever its length: some who act on it do not unfold.
    """
    block = data[:header_bytes]
    assert data[header_bytes : header_bytes + 2] == b"\r\n"
    assert len(block) < 16 * 1024
    names = []
    for line in block.split(b"\r\n")[:-1]:
        assert line.strip(), "a line of blanks only"
        if line[:1] not in b" \t":
            names.append(line.split(b":")[0].decode())
        if len(line) > 78 and names[-1] != "List-Unsubscribe":
            assert b" " not in line.strip().removeprefix(names[-1].encode() + b": "), line
    return names


def parse(data):
    return email.message_from_bytes(data, policy=email.policy.default)


def mailbox(data, name):
    """Display name and address of a field, by the older of Python's readers: the newer one keeps the
    blank between two encoded words of a phrase, which RFC 2047 section 6.2 says to drop."""
    raw = email.message_from_bytes(data)[name].replace("\r\n", "")
    display, address = email.utils.parseaddr(raw)
    return str(email.header.make_header(email.header.decode_header(display))), address


def canonical_text(text):
    """The form a text has in MIME: CRLF line ends."""
    return LINE_END.sub("\r\n", text).encode()


def part_bytes(part):
    return part.get_payload(decode=True)
