"""What was said on each connection, from the events of penguin-world, and what no client may ever do."""

import collections
import re

Said = collections.namedtuple("Said", "verb text code")


def code_of(text):
    """Of a reply; what is none counts as 999."""
    return int(text[:3]) if text[:3].isdigit() else 999


def dialogues(world):
    """By session, the commands in their order, each with the code of its reply; the final dot is '.'.

    A code of 0 is no reply at all.
    """
    found = collections.defaultdict(list)
    for event in world.events():
        session = found[event["session"]] if "session" in event else None
        if event["event"] == "command":
            session.append(Said(event["text"].split(" ")[0].split(":")[0].upper(), event["text"], 0))
        elif event["event"] == "reply":
            code = code_of(event["text"])
            if not session:
                session.append(Said("connect", "", code))
            elif session[-1].code == 0:
                session[-1] = session[-1]._replace(code=code)
            elif session[-1].verb == "DATA" and session[-1].code == 354:
                session.append(Said(".", "", code))
    return dict(found)


def check_order(dialogue):
    """RFC 5321 section 4.1.4: EHLO first, one transaction at a time, RSET only where it ends one."""
    opened = refused = False
    for before, said in zip(dialogue, dialogue[1:]):
        if before.verb == "connect":
            assert said.verb == "EHLO", dialogue
        if said.verb == "MAIL":
            assert not opened, f"MAIL within a transaction: {dialogue}"
            opened, refused = said.code == 250, said.code != 250
        elif said.verb == "RSET":
            assert opened, f"RSET where nothing was open: {dialogue}"
            opened = refused = False
        elif said.verb == "RCPT":
            assert before.verb == "MAIL", dialogue
            refused = refused or said.code // 100 != 2
        elif said.verb == "DATA":
            assert before.verb == "RCPT", dialogue
            assert not (refused and said.code == 354), f"DATA went on without a recipient: {dialogue}"
        elif said.verb == ".":
            opened = False
        elif said.verb == "QUIT":
            assert said is dialogue[-1], dialogue
        else:
            assert said.verb in ("EHLO", "STARTTLS"), dialogue


def check_nobody_is_asked_again(world):
    """No RCPT for who was refused by a 5yz before, on whatever connection; returns who was refused.

    A RCPT that was pipelined behind a MAIL that is refused is not the recipient's affair.
    """
    refused = set()
    at = collections.defaultdict(lambda: ["", "", False])  # by session: last verb, recipient, MAIL was taken
    for event in world.events():
        now = at[event.get("session")]
        if event["event"] == "command":
            now[0] = event["text"].split(" ")[0].upper()
            if now[0] == "RCPT":
                now[1] = re.search(r"<([^>]*)>", event["text"])[1]
                assert now[1] not in refused, f"{now[1]} was refused for good and is asked again"
        elif event["event"] == "reply":
            code = code_of(event["text"])
            if now[0] == "MAIL":
                now[2] = code == 250
            elif now[0] == "DATA" and code == 354:
                now[0] = "."
            elif now[0] in ("RCPT", ".") and code >= 500 and now[2]:
                refused.add(now[1])
    return refused
