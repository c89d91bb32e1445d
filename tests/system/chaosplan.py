"""What each round of the fault bench does: a function of the seed and the round's number alone."""
import dataclasses
import random

# A block of rounds, in an order drawn for each block: a third are power cuts.
BLOCK = ("power",) * 6 + ("kill",) * 3 + ("syscall",) * 2 + ("eio", "enospc", "stop", "postgres", "dns")
KINDS = tuple(dict.fromkeys(BLOCK))
# Where it is killed at the Nth: on the journal, on sockets and pipes, on the disk.
CALLS = {"write": ("pwrite64",), "send": ("write", "writev", "sendto"), "fdatasync": ("fdatasync",)}
CALLS_MADE = {"write": 30, "send": 60, "fdatasync": 16}  # at least, in that scenario
# What can fail, and how often it is called at least.
SPOOL_CALLS = {"eio": {"pwrite64": 120, "fdatasync": 60, "fsync": 8, "rename": 5},
               "enospc": {"pwrite64": 60, "fallocate": 5}}
LEASE_S = 6.0
SCENARIO = 100  # messages where each system call is a place to die at
ABSENT_S = LEASE_S + 4  # others have taken over by then, and send


@dataclasses.dataclass
class Fault:
    """When the ledger has this part of the messages, and a moment more; at which node."""
    part: float
    pause_s: float
    node: int
    absent_s: float = 0.0  # until that node is started again


@dataclasses.dataclass
class Plan:
    seed: int
    number: int
    kind: str
    nodes: int
    policy: str
    connections: int
    segment: str
    faults: list
    detail: dict
    share: str  # of a node's jobs that one site may hold: what is beyond it is filed for that site

    def told(self):
        words = [f"{key}={value}" for key, value in self.detail.items()]
        words += [f"share={self.share}"] if self.share != "100%" else []
        return " ".join([f"x{len(self.faults)}", *words, *([self.policy] if self.policy != "retry" else [])])


def faults_of(chance, count, nodes, absent=False):
    parts = sorted(chance.uniform(0.08, 0.85) for _ in range(count))
    return [Fault(part, chance.uniform(0, 0.2), chance.randrange(nodes),
                  ABSENT_S if absent and nodes == 2 and chance.random() < 0.4 else 0.0) for part in parts]


def detail_of(kind, chance):
    if kind == "power":
        return {"slow_ms": chance.choice([0, 3, 20]), "torn": chance.random() < 0.5}
    if kind == "syscall":
        name = chance.choice(sorted(CALLS))
        return {"call": chance.choice(CALLS[name]), "nth": chance.randint(1, CALLS_MADE[name])}
    if kind in ("eio", "enospc"):
        call = chance.choice(sorted(SPOOL_CALLS[kind]))
        return {"call": call, "nth": chance.randint(1, SPOOL_CALLS[kind][call])}
    if kind == "stop":
        return {"seconds": round(LEASE_S + chance.uniform(1, 4), 1)}
    if kind == "postgres":
        how = chance.choice(["terminate", "crash", "freeze"])
        return {"how": how, **({"seconds": round(chance.uniform(1, 2 * LEASE_S), 1)} if how == "freeze" else {})}
    if kind == "dns":
        return {"mode": chance.choice(["drop", "servfail"]), "seconds": round(chance.uniform(2, 6), 1)}
    return {}


def plan(seed, number):
    block, at = divmod(number - 1, len(BLOCK))
    kinds = list(BLOCK)
    random.Random(f"{seed} block {block}").shuffle(kinds)
    kind = kinds[at]
    chance = random.Random(f"{seed} round {number}")
    nodes = 2 if chance.random() < 0.4 else 1
    policy = chance.choices(["retry", "assume_sent", "hold"], [8, 1, 1])[0]
    connections = chance.choice([2, 5, 10]) if kind != "syscall" else chance.choice([1, 2])
    segment = chance.choice(["256KiB", "1MiB"])
    faults = faults_of(chance, {"power": 2, "kill": 3, "syscall": 4, "postgres": 2}.get(kind, 1), nodes, kind == "kill")
    detail = detail_of(kind, chance)
    if detail.get("slow_ms") == 20:
        connections = 10  # each message waits for a sync: fewer make no load
    share = "20%" if chance.random() < 0.125 else "100%"
    return Plan(seed, number, kind, nodes, policy, connections, segment, faults, detail, share)
