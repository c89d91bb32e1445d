"""From a job in Postgres to a signed message in a mailbox."""
import email
import email.policy

import dkim

DEFER_AND_BOUNCE = """
rules:
  - at: rcpt
    recipient: "defer*@*"
    nth: 1-1
    per: recipient
    reply: 450 4.2.1 try again later
  - at: rcpt
    recipient: "bounce*@*"
    reply: 550 5.1.1 no such user here
"""


def verify(stack, data):
    """Every signature of a message, by another implementation, against the world's records."""
    records = {p.name + ".": p.read_bytes() for p in (stack.directory / "dkim").iterdir()}

    def lookup(name, timeout=5):
        return records.get(name.decode() if isinstance(name, bytes) else name)

    count = data.lower().count(b"\ndkim-signature:") + data.lower().startswith(b"dkim-signature:")
    return count > 0 and all(dkim.DKIM(data).verify(idx=i, dnsfunc=lookup) for i in range(count))


def test_one_message(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["bob@d1.test"])
        s.start()
        assert s.check(campaign) == {"delivered": 1}
        (line,) = s.world.ledger()
        assert line["recipient"] == "bob@d1.test" and line["source"] == "127.0.5.1"
        assert line["ehlo"] == "s1.shop.test" and not line["violations"]
        s.stop()


def test_a_campaign_with_deferrals_and_bounces(stack):
    from mtalib import WORLD

    with stack(world=WORLD + DEFER_AND_BOUNCE, world_options=()) as s:
        campaign = s.campaign()
        people = [f"{kind}{i}@d{i % 50 + 1}.test" for i in range(300)
                  for kind in (["defer"] if i % 10 == 3 else ["bounce"] if i % 10 == 7 else ["user"])]
        s.enqueue(campaign, people)
        s.start()
        assert s.check(campaign) == {"delivered": 270, "bounced": 30}
        assert len(s.world.ledger()) == 270
        s.stop()
        bounced = [a for a in s.attempts(campaign) if a["state"] == "bounced"]
        assert {(a["code"], a["enhanced"], a["category"]) for a in bounced} == {(550, "5.1.1", "invalid-recipient")}
        deferred = [a for a in s.attempts(campaign) if a["state"] == "retrying"]
        assert len(deferred) == 30 and {a["code"] for a in deferred} == {450}


def test_what_arrives_is_signed_and_readable(stack):
    with stack() as s:
        s.add_key("e1", "ED25519")
        campaign = s.campaign()
        s.enqueue(campaign, [f"user{i}@d{i}.test" for i in range(1, 21)])
        s.start()
        assert s.check(campaign) == {"delivered": 20}
        letters = sorted(s.boxes.rglob("*.eml"))
        assert len(letters) == 20
        for path in letters:
            data = path.read_bytes()
            assert verify(s, data), path
            message = email.message_from_bytes(data, policy=email.policy.default)
            name = path.parent.name.split("@")[0]
            assert message["Subject"] == f"Hello {name}"
            assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            assert message.get_body(["plain"]).get_content().startswith(f"Hello {name}")
        s.stop()
