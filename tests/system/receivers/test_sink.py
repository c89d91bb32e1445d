"""Postfix's smtp-sink with each of its faults: the account is exact.

One engine sends a campaign to each of many sinks at once, every job just once.  What a sink was sent it
keeps in files, and what it answers to the dot is known from its options: so it is known, recipient by
recipient, which jobs must be delivered, which in doubt, and which neither.
"""
import collections
import contextlib
import email
import email.policy
import os
import re
import shlex

import pytest
from jail import NETWORK, free_port
from judges import Verifiers
from mtalib import Stack
from sink import Sink

COUNT = 60 if os.environ.get("PENGUIN_FULL") else 6
SLOW = {"-W .:9": 2}  # each waits for the whole time of the dot
TAKEN, REFUSED, LATER, DOUBT = "delivered", "bounced", "retrying", "in_doubt"

# Options, the states that jobs may have, and whether what the sink was sent counts as sent: True when it
# is delivered or in doubt, False when the sink's answer to the dot was a refusal.  smtp-sink answers what
# is pipelined behind MAIL or RCPT before these when it delays them (503): so -p goes with such delays.
MODES = [
    # what it announces
    ("", [TAKEN], True),
    ("-8", [TAKEN], True),
    ("-a", [TAKEN], True),
    ("-e", [TAKEN], True),
    ("-E", [TAKEN], True),
    ("-N", [TAKEN], True),
    ("-p", [TAKEN], True),
    ("-P", [TAKEN], True),
    ("-C -F", [TAKEN], True),
    ("-s MAIL,RCPT", [TAKEN], True),
    ("-m 1", [TAKEN], True),
    ("-L", [LATER], True),
    # it hangs up without a word
    ("-q CONNECT", [LATER], True),
    ("-q EHLO", [LATER], True),
    ("-q HELO", [TAKEN], True),
    ("-q MAIL", [LATER], True),
    ("-q RCPT", [LATER], True),
    ("-q DATA", [LATER], True),
    ("-q .", [DOUBT], True),
    ("-q RSET", [TAKEN], True),
    ("-q QUIT", [TAKEN], True),
    ("-q NOOP,VRFY", [TAKEN], True),
    # it says 421 and hangs up
    ("-Q CONNECT", [LATER], True),
    ("-Q EHLO", [LATER], True),
    ("-Q MAIL", [LATER], True),
    ("-Q RCPT", [LATER], True),
    ("-Q DATA", [LATER], True),
    ("-Q .", [LATER], False),
    ("-Q QUIT", [TAKEN], True),
    # it says no for now
    ("-r CONNECT", [LATER], True),
    ("-r EHLO", [LATER], True),
    ("-r HELO", [TAKEN], True),
    ("-r MAIL", [LATER], True),
    ("-r RCPT", [LATER], True),
    ("-r RCPT -b '452 4.2.2 mailbox full'", [LATER], True),
    ("-r DATA", [LATER], True),
    ("-r .", [LATER], False),
    ("-r QUIT", [TAKEN], True),
    # it says no for good; before MAIL that is not about a message
    ("-f CONNECT", [LATER], True),
    ("-f EHLO", [TAKEN], True),
    ("-f EHLO,HELO", [LATER], True),
    ("-f MAIL", [REFUSED], True),
    ("-f RCPT", [REFUSED], True),
    ("-f RCPT -B '550 5.1.1 no such user'", [REFUSED], True),
    ("-f DATA", [REFUSED], True),
    ("-f .", [REFUSED], False),
    ("-f QUIT", [TAKEN], True),
    # it refuses the message before the dot, and reads no more; what is given to such a connection goes elsewhere
    ("-A 0", [REFUSED, LATER], True),
    ("-A 1", [REFUSED, LATER], True),
    # it takes its time, also more than the time for the answer to the dot, which is 6 seconds here
    ("-w 1", [TAKEN], True),
    ("-p -W MAIL:1", [TAKEN], True),
    ("-p -W RCPT:1", [TAKEN], True),
    ("-p -W RCPT:2:60", [TAKEN, LATER], True),
    ("-W EHLO:1", [TAKEN], True),
    ("-W DATA:1", [TAKEN], True),
    ("-W .:1", [TAKEN], True),
    ("-W .:9", [DOUBT], True),
    ("-H 1", [TAKEN], True),
    ("-H 1 -T 1000", [TAKEN], True),
    ("-t 5", [TAKEN], True),
    # it ends; who waits for an answer then gets none
    ("-M 3", [TAKEN, DOUBT, LATER], True),
    ("-n 1", [TAKEN, DOUBT, LATER], True),
]

SETTINGS = {
    "retry": {"first": "1h", "max": "1h", "expire": "2h"},
    "timeouts": {"scale": 0.01},
    "lease": {"duration": "20m"},
}

Case = collections.namedtuple("Case", "account attempts messages people ended")


def world(count):
    """Domain mN.test is served by the sink number N."""
    domains = "".join(f"  - domain: mx.m{n}.test\n    a: [{NETWORK}.{100 + n}]\n  - domain: m{n}.test\n    mx: [mx.m{n}.test]\n"
                      for n in range(count))
    return (f"dns:\n  listen: 127.0.0.1:0\n  dkim_dir: dkim\nsmtp:\n  port: 0\n"
            f"hosts:\n  - host: mx.post.test\n    address: {NETWORK}.1\ndomains:\n{domains}")


def recipients(messages):
    """By the envelopes that the sink wrote on top."""
    return sorted(re.search(rb"^X-Rcpt-Args: <([^>]*)>", data, re.M).group(1).decode() for data in messages)


@pytest.fixture(scope="module")
def cases(cluster, tmp_path_factory):
    """By the options of the sink: what became of its campaign."""
    top = tmp_path_factory.mktemp("sinks")
    port = free_port(*[f"{NETWORK}.{100 + n}" for n in range(len(MODES))])
    (top / "stack").mkdir()
    cluster.execute("CREATE DATABASE sinks TEMPLATE migrated")
    with contextlib.ExitStack() as ending:
        ending.callback(cluster.execute, "DROP DATABASE sinks WITH (FORCE)")
        sinks = [ending.enter_context(Sink(top / f"m{n}", f"{NETWORK}.{100 + n}", port, *shlex.split(options)))
                 for n, (options, _, _) in enumerate(MODES)]
        for sink in sinks:
            sink.wait_listening()
        s = ending.enter_context(Stack(cluster.dsn("sinks"), top / "stack", world=world(len(MODES)),
                                       config=dict(SETTINGS, delivery={"port": port})))
        campaigns = [s.campaign() for _ in MODES]
        s.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = 'hold'")
        people = [[f"user{i}@m{n}.test" for i in range(SLOW.get(options, COUNT))]
                  for n, (options, _, _) in enumerate(MODES)]
        ids = [dict(zip(s.enqueue(campaign, people[n]), people[n])) for n, campaign in enumerate(campaigns)]
        s.start()
        s.wait(None, lambda _: not any(s.account(c).get(state) for c in campaigns for state in ("waiting", "leased")),
               timeout=20 + COUNT * 4)
        s.stop()
        records = {path.name: path.read_bytes() for path in (s.directory / "dkim").iterdir()}
        made = {}
        for n, (options, _, _) in enumerate(MODES):
            sent = sinks[n].messages()
            for data in sent:
                assert Verifiers.python_verdict(data.replace(b"\n", b"\r\n"), records) == ["r1"], (options, data)
            attempts = [dict(attempt, recipient=ids[n][attempt["job_id"]]) for attempt in s.attempts(campaigns[n])]
            # Recounted: the sum holds, and each job is in one state.
            made[options] = Case(s.shop.account(campaigns[n]), attempts, sent, people[n],
                                 sinks[n].process.poll())
        yield made


@pytest.mark.parametrize("options, states, counts", MODES, ids=[options for options, _, _ in MODES])
def test_sink_leaves_an_exact_account(cases, options, states, counts):
    case = cases[options]
    assert sum(case.account.values()) == len(case.people) and set(case.account) <= set(states)
    assert sorted(a["recipient"] for a in case.attempts) == sorted(case.people), "one attempt for each job"
    by_state = collections.defaultdict(list)
    for attempt in case.attempts:
        by_state[attempt["state"]].append(attempt["recipient"])
    assert {state: len(jobs) for state, jobs in by_state.items()} == case.account
    if counts:
        assert sorted(by_state[TAKEN] + by_state[DOUBT]) == recipients(case.messages)
    else:
        assert recipients(case.messages) == sorted(case.people)
    assert (case.ended is not None) == options.startswith("-M")


def test_postfix_sink_takes_each_message_once(cases):
    """With nothing wrong: who said EHLO, and a message to each of the people."""
    found = []
    for data in cases[""].messages:
        message = email.message_from_bytes(data, policy=email.policy.default)
        found.append(message["To"])
        assert message["X-Helo-Args"] == "s1.shop.test" and message["DKIM-Signature"]
    assert sorted(found) == sorted(cases[""].people)
