"""What others make of the letters that arrived: two MIME parsers, three verifiers of DKIM.

All of them look at the bytes that a receiver stored, and must agree with each other.
"""

import email
import email.header
import json
import os
import pathlib
import re
import subprocess

import dkim
from jail import NETWORK, fetched
from opendkim import OpenDkim
from rspamd import Rspamd

HERE = pathlib.Path(__file__).resolve().parent
SIGNATURE = re.compile(rb"^DKIM-Signature:(?:[^\r]|\r\n[ \t])*", re.M | re.I)


# Where encoded words may stand (RFC 2047 section 5); elsewhere the same letters are what they are.
WORDED = {"subject", "from", "to", "reply-to", "x-extra"}


def worded(fields):
    """Fields as (name, value, decoded value)."""
    return [(name, value, decoded if name.lower() in WORDED else value) for name, value, decoded in fields]


def plain_lines(data):
    return data.replace(b"\r\n", b"\n")


def python_reads(data):
    """Fields as (name, value, decoded value), and leaves as (type, charset, bytes), by the email package."""
    message = email.message_from_bytes(data)
    fields = []
    for name, value in message.items():
        value = re.sub(r"\r?\n", "", str(value)).strip()
        fields.append((name, value, str(email.header.make_header(email.header.decode_header(value)))))
    leaves = [part for part in message.walk() if not part.is_multipart()]
    parts = [(part.get_content_type(), part.get_content_charset(), plain_lines(part.get_payload(decode=True)))
             for part in leaves]
    complaints = [str(defect) for part in message.walk() for defect in part.defects]
    return {"fields": worded(fields), "parts": parts, "complaints": complaints}


def perl_reads(directory, messages):
    """The same by MIME::Parser, for many."""
    (tree,) = fetched("libmime-tools-perl")
    paths = []
    for number, data in enumerate(messages):
        paths.append(directory / f"{number}.eml")
        paths[-1].write_bytes(data)
    done = subprocess.run(["perl", HERE / "parts.pl", *paths], check=True, stdout=subprocess.PIPE,
                          env=dict(os.environ, PERL5LIB=f"{tree}/usr/share/perl5"))
    for line in done.stdout.splitlines():
        read = json.loads(line)
        read["fields"] = worded(read["fields"])
        read["parts"] = [(part["type"], part["charset"], plain_lines(bytes.fromhex(part["body"])))
                         for part in read["parts"]]
        yield read


def read(directory, letters):
    """What two parsers read in each letter, after they were found to agree and to be content."""
    directory.mkdir(exist_ok=True)
    both = []
    for letter, theirs in zip(letters, perl_reads(directory, [letter.data for letter in letters]), strict=True):
        ours = python_reads(letter.data)
        assert theirs == ours, letter.data
        assert not ours["complaints"], (ours["complaints"], letter.data)
        both.append(ours)
    return both


class Verifiers:
    """opendkim, rspamd and python3-dkim; their DNS is penguin-world's."""

    def __init__(self, directory):
        self.directory = directory
        dns = (f"{NETWORK}.53", 53)
        self.opendkim = OpenDkim(directory / "opendkim", dns)
        self.rspamd = Rspamd(directory / "rspamd", dns)

    def __enter__(self):
        self.opendkim.__enter__()
        self.rspamd.__enter__()
        return self

    def __exit__(self, *how):
        self.rspamd.__exit__(*how)
        self.opendkim.__exit__(*how)

    @staticmethod
    def python_verdict(data, records):
        """The selectors of the signatures, or False when one is bad or none is there."""
        count = len(SIGNATURE.findall(data.partition(b"\r\n\r\n")[0]))

        def lookup(name, timeout=5):
            return records.get(name.decode().rstrip("."))

        try:
            judges = [(dkim.DKIM(data), number) for number in range(count)]
            if not judges or not all(judge.verify(idx=number, dnsfunc=lookup) for judge, number in judges):
                return False
            return sorted(judge.selector.decode() for judge, _ in judges)
        except dkim.DKIMException:
            return False

    def verdicts(self, messages, records):
        """Of each message: what opendkim, rspamd and python3-dkim say."""
        python = [self.python_verdict(data, records) for data in messages]
        return list(zip(self.opendkim.verdicts(messages), self.rspamd.verdicts(messages), python))

    def check(self, letters, stack, selectors):
        """All pass all signatures, which are these."""
        records = {path.name: path.read_bytes() for path in (stack.directory / "dkim").iterdir()}
        said = self.verdicts([letter.data for letter in letters], records)
        for letter, verdict in zip(letters, said, strict=True):
            assert verdict == (True, selectors, selectors), letter.data
        assert said
