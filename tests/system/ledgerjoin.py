"""The world's ledger joined with Postgres by job id: what the demo and a round of the fault bench are judged by."""
import collections
import dataclasses

FLAGS = 1 | 4 | 16  # possible duplicate, assumed to be sent, in doubt and tried again

# What Postgres says of each job: its states, the one that counts last.  What ended it counts more than a
# deferral, and its owner's word more than evidence of one that was declared dead, which may come late.
SAID = """
SELECT j.id, lower(j.recipient) AS recipient, a.states, coalesce(a.flags, 0) AS flags
FROM penguin.jobs j
LEFT JOIN LATERAL (
    SELECT array_agg(x.state ORDER BY x.state <> 'retrying', x.flags & 2 = 0, x.id) AS states, bit_or(x.flags) AS flags
    FROM penguin.attempts x WHERE x.tenant_id = j.tenant_id AND x.job_id = j.id) a ON true
WHERE j.tenant_id = %(tenant)s AND j.campaign_id = %(campaign)s"""

# The sums of it, and of a ledger that was loaded into a table: tools/demo prints it and says so.
SUMS = f"""
WITH said AS ({SAID.replace(chr(10), chr(10) + "    ")}
), got AS (
    SELECT job AS id, count(*) AS lines, min(lower(recipient)) AS recipient
    FROM demo_ledger GROUP BY job
), both_sides AS (
    SELECT s.recipient, s.states[cardinality(s.states)] AS state, g.lines, g.recipient AS received_by
    FROM said s FULL JOIN got g ON g.id = s.id
)
SELECT count(*) FILTER (WHERE state = 'delivered') AS delivered,
    count(*) FILTER (WHERE state = 'bounced') AS bounced,
    count(*) FILTER (WHERE state = 'retrying') AS deferred,
    count(*) FILTER (WHERE lines IS NULL AND (state = 'delivered' OR state IS NULL)) AS lost,
    count(*) FILTER (WHERE lines > 1) AS duplicate,
    count(*) FILTER (WHERE lines > 0 AND (coalesce(state, '') NOT IN ('delivered', 'in_doubt')
        OR received_by IS DISTINCT FROM recipient)) AS misreported
FROM both_sides"""


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
