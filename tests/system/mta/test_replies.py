"""What is kept of replies: their codes by the grammar, their text as octets made visible."""
import json

from mtalib import WORLD

CODES = {
    "right": ("550 5.1.1 no such user", "5.1.1", "no such user"),
    "other": ("550 4.2.2 full", "5.0.0", "4.2.2 full"),
    "success": ("550 2.1.5 fine", "5.0.0", "2.1.5 fine"),
    "four": ("550 5.1000.1 x", "5.0.0", "5.1000.1 x"),
    "glued": ("550 5.7.1text", "5.0.0", "5.7.1text"),
    "none": ("550 no", "5.0.0", "no"),
    "long": ("550 " + "5" * 2000, "5.0.0", "5" * 1000),
}


def test_smtp_S12_an_enhanced_code_counts_only_if_it_is_one_and_agrees(stack):
    rules = "\nrules:\n" + "".join(f"  - {{at: rcpt, recipient: \"{name}@*\", reply: \"{reply}\"}}\n"
                                   for name, (reply, _, _) in CODES.items())
    with stack(world=WORLD + rules) as s:
        campaign = s.campaign()
        jobs = dict(zip(s.enqueue(campaign, [f"{name}@d1.test" for name in CODES]), CODES))
        s.start()
        assert s.check(campaign) == {"bounced": len(CODES)}
        for attempt in s.attempts(campaign):
            name = jobs[attempt["job_id"]]
            assert attempt["code"] == 550
            assert (attempt["enhanced"], attempt["reply"]) == CODES[name][1:], name
        s.stop()


def test_smtp_S11_threat_C6_octets_of_a_reply_are_kept_and_shown_as_text(stack):
    """NUL, ESC, a lone CR, 0xff, an overlong slash: none of it reaches a terminal or Postgres as it is."""
    octets = b"550 5.1.1 a\0b\x1b[2Jc\rd\xffe\xc0\xaff \xce\xb4\xc2\x85g"
    shown = r"a\x00b\x1b[2Jc\x0dd\xffe\xc0\xaff " + "\u03b4" + r"\xc2\x85g"
    rules = f"\nrules:\n  - {{at: rcpt, raw_hex: {octets.hex() + '0d0a'}}}\n"
    with stack(world=WORLD + rules) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        assert s.check(campaign) == {"bounced": 1}
        (attempt,) = s.attempts(campaign)
        assert (attempt["code"], attempt["enhanced"], attempt["reply"]) == (550, "5.1.1", shown)
        s.stop()
        data = (s.directory / "delivery.log").read_bytes()
        assert not [c for c in data if c < 0x20 and c != 0x0a], "control characters in the log"
        (line,) = [json.loads(text) for text in data.decode("utf-8").splitlines()]
        assert line["response"]["content"] == shown
