"""A campaign to each receiver, half in clear and half inside TLS, and what others make of it."""
import judges
import pytest
from allhosts import HOSTS
from mailhost import sender, world


@pytest.mark.parametrize("name", HOSTS)
def test_takes_mail_plain_and_over_starttls(stack, receivers, authority, verifiers, tmp_path, name):
    """Where a receiver's TLS breaks in the handshake, mail that may go in clear goes so, and once."""
    host = receivers(name)
    assert host.handshakes() == host.TLS_WORKS
    with stack(world=world(host), config=sender(authority, host, tls="verified" if host.TLS_WORKS else "opportunistic")) as s:
        s.add_key("e1", "ED25519")
        campaign = s.campaign()
        people = [f"user{i}@{domain}" for domain in host.domains for i in range(25)]
        s.enqueue(campaign, people)
        s.start()
        s.wait(campaign)
        s.stop()
        assert s.account(campaign) == {"delivered": 50}, s.attempts(campaign)
        assert {a["state"] for a in s.attempts(campaign)} == {"delivered"}
        letters = host.collect(50)
        assert sorted(letter.recipient for letter in letters) == sorted(people)
        for letter in letters:
            inside = host.TLS_WORD.encode() in letter.data.partition(b"\r\nDKIM-Signature:")[0]
            assert inside == (host.TLS_WORKS and "@tls." in letter.recipient), letter.data
            assert host.own_verdict(letter.data) in (None, ["e1", "r1"]), letter.data
        verifiers.check(letters, s, ["e1", "r1"])
        for letter, seen in zip(letters, judges.read(tmp_path / "read", letters)):
            fields = {field.lower(): decoded for field, _, decoded in seen["fields"]}
            user = letter.recipient.split("@")[0]
            assert fields["to"] == letter.recipient and fields["subject"] == f"Hello {user}"
            text, html = seen["parts"]
            assert text == ("text/plain", "utf-8", f"Hello {user}\n\nGood news.\n".encode())
            assert html[:2] == ("text/html", "utf-8") and f"<p>Hello {user}</p>".encode() in html[2]


@pytest.mark.parametrize("name", [name for name, kind in HOSTS.items() if not kind.TLS_WORKS])
def test_nothing_goes_in_clear_where_tls_is_required_and_breaks(stack, receivers, authority, name):
    host = receivers(name)
    with stack(world=world(host), config=sender(authority, host, tls="required")) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@{domain}" for domain in host.domains for i in range(5)])
        s.start()
        s.wait(campaign, lambda a: a == {"delivered": 5, "retrying": 5})
        s.stop()
        assert {letter.recipient for letter in host.collect(5)} == {f"user{i}@{host.domains[0]}" for i in range(5)}


def test_the_verifiers_see_a_change(stack, receivers, authority, verifiers):
    """Each of the three by itself: in the text, in a header field, and by a field on top."""
    host = receivers("postfix")
    with stack(world=world(host), config=sender(authority, host)) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@plain.postfix.test"])
        s.start()
        s.wait(campaign)
        s.stop()
        ((letter,), records) = host.collect(1), {p.name: p.read_bytes() for p in (s.directory / "dkim").iterdir()}
        changed = [letter.data, letter.data.replace(b"Good news", b"Bad news"),
                   letter.data.replace(b"Subject: Hello", b"Subject: Adieu"),
                   letter.data.replace(b"\r\nFrom:", b"\r\nFrom: eve@other.test\r\nFrom:")]
        assert len(set(changed)) == 4
        assert verifiers.verdicts(changed, records) == [(True, ["r1"], ["r1"])] + [(False, False, False)] * 3
