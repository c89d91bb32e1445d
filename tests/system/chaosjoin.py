"""The world's ledger joined with Postgres by job id: what a round of the fault bench is judged by."""
import collections
import dataclasses

FLAGS = 1 | 4 | 16  # possible duplicate, assumed to be sent, in doubt and tried again

SAID = """
SELECT j.id::text, lower(j.recipient),
    coalesce((SELECT array_agg(a.state ORDER BY a.id) FROM penguin.attempts a
        WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id), '{}') AS states,
    coalesce((SELECT bit_or(a.flags) FROM penguin.attempts a
        WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id), 0) AS flags
FROM penguin.jobs j WHERE j.tenant_id = %s AND j.campaign_id = %s"""


@dataclasses.dataclass
class Verdict:
    jobs: int = 0
    received: int = 0
    lost: list = dataclasses.field(default_factory=list)
    duplicates: int = 0  # lines beyond the first of each job
    unflagged: list = dataclasses.field(default_factory=list)
    misreported: list = dataclasses.field(default_factory=list)


def is_admitted(states, flags):
    return bool(flags & FLAGS) or "in_doubt" in states


def wrong(recipient, states, flags, got):
    """What is wrong with one job, if anything; got: to whom its copies went."""
    last = states[-1] if states else None
    if last == "delivered" and not got:
        return None if flags & 4 else "lost"
    if last in ("delivered", "in_doubt"):
        return None if set(got) <= {recipient} else "misreported"
    if last == "bounced":
        return "misreported" if got or not recipient.startswith("gone") else None
    return "lost" if last in (None, "retrying") else "misreported"


def judge(said, ledger):
    """said: rows of SAID; ledger: its lines, all of this campaign.

    lost: nobody has it although Postgres says that it was delivered (not where it was in doubt and
    the campaign wanted no second try), or it has come to no end.  misreported: a receiver has it and
    Postgres says otherwise, somebody else has it, nobody made it, or this world gives no reason for its end.
    """
    lines = collections.defaultdict(list)
    for line in ledger:
        lines[line["job"]].append(line["recipient"].lower())
    verdict = Verdict(jobs=len(said), received=len(ledger))
    for job, recipient, states, flags in said:
        got = lines.pop(job, [])
        fault = wrong(recipient, states, flags, got)
        if fault:
            getattr(verdict, fault).append(job)
        verdict.duplicates += max(0, len(got) - 1)
        if len(got) > 1 and not is_admitted(states, flags):
            verdict.unflagged.append(job)
    verdict.misreported += list(lines)
    return verdict
