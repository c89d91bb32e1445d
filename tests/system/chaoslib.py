"""One round of the fault bench: a campaign under load, its faults, and what became of every job.

    with Bench(directory) as bench:
        result = bench.play(plan(seed, 7), messages=3000)

Each round has a database, a simulated internet and nodes of its own; only the Postgres server is
the whole run's.  A fault comes when the ledger has a certain part of the messages: the rounds of a
seed are the same rounds on any machine, to the schedule of its processes.
"""
import contextlib
import dataclasses
import datetime
import json
import math
import pathlib
import random
import shutil
import signal
import subprocess
import time

import psycopg2

import ledgerjoin
from chaosnode import Node, Server, Tail, connections, signal_all
from chaosplan import LEASE_S, SCENARIO
from dnsproxy import DnsProxy
from mtalib import MTA, Stack, merged
from penguin import FINAL, Session
from powercut import Disk
from spoollib import open_intents, unreported

SITES = 3
ENDS = {0, 74, 75}  # in order; the disk failed; the lease was lost
WORLD = """
dns:
  listen: 127.0.0.1:0
  dkim_dir: dkim
smtp:
  port: 0
  keywords: [PIPELINING, SIZE 52428800, 8BITMIME, ENHANCEDSTATUSCODES]
tls:
  directory: .
hosts:
  - host: "mx[1-3].post.test"
    address: 127.0.10.{1}
domains:
  - domain: "d[1-100000].test"
    mx: ["10 mx{1%3+1}.post.test"]
rules:
  - at: rcpt
    recipient: "later*@*"
    nth: 1-1
    per: recipient
    reply: 450 4.2.0 mailbox busy, try again later
  - at: rcpt
    recipient: "gone*@*"
    reply: 550 5.1.1 no such user here
"""


class TooLong(Exception):
    """The campaign came to no end."""


@dataclasses.dataclass
class Result:
    round: int
    kind: str
    nodes: int
    told: str
    jobs: int = 0
    received: int = 0
    rate: int = 0  # messages a second until the first fault
    kills: int = 0
    between: int = 0  # of these with an INTENT and no REPORTED
    cuts: int = 0
    struck: int = 0  # faults that came to pass
    thefts: int = 0  # workers whose jobs others took over
    lost: int = 0
    duplicates: int = 0
    bound: int = 0
    unflagged: int = 0
    misreported: int = 0
    trouble: str = ""  # what else was wrong
    seconds: float = 0.0

    def good(self):
        return not (self.lost or self.unflagged or self.misreported or self.trouble) and self.duplicates <= self.bound


class Play:
    """The state of a round while it is played."""

    def __init__(self, bench, plan, messages):
        self.bench = bench
        self.plan = plan
        self.messages = SCENARIO if plan.kind == "syscall" else messages
        self.result = Result(plan.number, plan.kind, plan.nodes, plan.told())
        self.directory = bench.directory / f"round{plan.number}"
        self.directory.mkdir()
        self.name = f"round_{plan.number}"
        self.nodes = []
        self.proxy = None
        self.ends = []
        self.last = None  # account that was asked for
        self.theft_at = math.inf

    def change(self, stack):
        port = self.proxy.port if self.proxy else stack.world.dns_port
        return merged({"default_site": {"connections": self.plan.connections}, "limits": {"site_share": self.plan.share}, "spool": {"segment": self.plan.segment},
                       "dns": {"servers": [f"127.0.0.1:{port}"]}}, self.bench.change)

    def make_nodes(self, stack):
        for number in range(self.plan.nodes):
            disk = None
            if self.plan.kind == "power":
                disk = Disk(stack.directory / f"disk{number}", stack.directory / f"shadow{number}",
                            slow_ms=self.plan.detail["slow_ms"])
            self.nodes.append(Node(stack, self.bench.program, number, self.change(stack), disk))

    def recipients(self):
        domains = max(50, self.messages // 2) if self.plan.kind == "dns" else 50
        for i in range(self.messages):
            kind = "later" if i % 20 == 3 else "gone" if i % 25 == 7 else "reader"
            yield f"{kind}{i}@d{i % domains + 1}.test"

    def tend(self):
        """What has ended is started again; how it ended is kept."""
        for node in self.nodes:
            if node.process is not None and node.process.poll() is not None:
                if node.process.returncode not in ENDS:
                    self.ends.append(f"{node.name} ended with {node.process.returncode}")
                    if len(self.ends) > 3:
                        raise TooLong
                node.process = None
            if node.process is None and time.monotonic() >= node.away_until:
                node.start()
        if time.monotonic() >= self.theft_at:
            self.steal()

    def steal(self):
        """As a node does that has been up for long: who has not renewed is dead, what it held is anybody's."""
        self.theft_at = math.inf
        session = Session(self.stack.dsn)
        self.result.thefts += len(session.run("mark_dead", 0))
        while session.run("take_over", 200):
            pass
        session.close()

    def until(self, done, seconds):
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise TooLong
            self.tend()
            time.sleep(0.02)

    def account(self):
        try:
            return self.stack.account(self.campaign)
        except psycopg2.Error:  # it was killed: a new connection
            with contextlib.suppress(psycopg2.Error):
                self.stack.shop.session = Session(self.stack.dsn)
            return None

    def is_over(self):
        """When all jobs have ended, not when none is seen waiting: one that is nowhere would be taken for done."""
        account = self.account()
        if account is None:
            return False
        self.last = account
        if sum(account.values()) != self.messages:
            self.ends.append(f"of {self.messages} jobs {sum(account.values())} are accounted for: {account}")
            raise TooLong
        return sum(account.get(state, 0) for state in FINAL) == self.messages

    def is_told(self):
        """Who was declared dead is back and has said what it knows: evidence, which comes after the end."""
        return all(node.process is not None and not open_intents(node.spool) and not unreported(node.spool) for node in self.nodes)

    # The faults

    def note_kill(self, node):
        """Of a node that stands still: whether work is between INTENT and REPORTED, and what may come twice of it."""
        self.result.kills += 1
        left = open_intents(node.spool), unreported(node.spool)
        self.result.between += any(left)
        open_now = connections(node.sources, self.stack.world.smtp_port)
        return open_now, left[1]

    def victim(self, fault):
        """The node that is meant, or another where that one is away."""
        self.tend()
        running = [node for node in self.nodes if node.process is not None]
        meant = self.nodes[fault.node]
        return meant if meant in running else running[0]

    def do_kill(self, fault):
        node = self.victim(fault)
        node.freeze()
        open_now, waiting = self.note_kill(node)
        node.kill()
        node.process = None
        alone = all(other.process is None for other in self.nodes)
        node.away_until = time.monotonic() + (0 if alone else fault.absent_s)
        if fault.absent_s and not alone:
            self.theft_at = time.monotonic() + LEASE_S + 0.5
        # While it is away others send what it could not report.
        self.result.bound += open_now + (waiting if fault.absent_s else 0)

    def do_power(self, fault):
        node = self.victim(fault)
        node.freeze()
        open_now, _ = self.note_kill(node)
        node.kill()
        node.process = None
        node.disk.cut(self.bench.chance(self.plan, self.result.cuts) if self.plan.detail["torn"] else None)
        self.result.cuts += 1
        self.result.bound += open_now

    def do_stop(self, fault):
        node = self.victim(fault)
        pids = node.freeze()
        self.result.bound += connections(node.sources, self.stack.world.smtp_port) + unreported(node.spool)
        self.theft_at = time.monotonic() + LEASE_S + 0.5
        end = time.monotonic() + self.plan.detail["seconds"]
        while time.monotonic() < end:
            self.tend()
            time.sleep(0.05)
        signal_all(pids, signal.SIGCONT)

    def do_postgres(self, _):
        server, how = self.bench.server, self.plan.detail["how"]
        if how == "terminate":
            server.terminate(self.name)
        elif how == "crash":
            server.crash()
        else:
            with server.frozen():
                time.sleep(self.plan.detail["seconds"])
                if self.plan.detail["seconds"] > LEASE_S / 2:  # the lease may be somebody else's afterwards
                    for node in self.nodes:
                        self.result.bound += unreported(node.spool) + self.plan.connections * SITES

    def do_dns(self, _):
        self.proxy.mode = self.plan.detail["mode"]
        end = time.monotonic() + self.plan.detail["seconds"]
        while time.monotonic() < end:
            self.tend()
            time.sleep(0.05)
        self.proxy.mode = "pass"

    @staticmethod
    def traced(node, inject, call):
        """Not with --seccomp-bpf: some kernels then inject nothing at all."""
        return ("strace", "-f", "-qq", "-o", node.directory / "strace", "-e", f"trace={call}", "-e", f"inject={call}:{inject}")

    def play_syscall(self):
        """A lone worker dies at the Nth call of a kind, is started again to die at the Nth, and so a few times; others come later."""
        detail = self.plan.detail
        node = self.nodes[self.plan.faults[0].node]
        for _ in self.plan.faults:
            node.start(self.traced(node, f"signal=KILL:when={detail['nth']}", detail["call"]), alone=True)
            end = time.monotonic() + 30
            while node.process.poll() is None and not self.is_over() and time.monotonic() < end:
                time.sleep(0.02)
            died = node.process.poll() is not None
            left = open_intents(node.spool), unreported(node.spool)
            node.kill()
            how = node.process.returncode
            node.process = None
            if died and how != -signal.SIGKILL:
                self.ends.append(f"the traced worker ended with {how}")
                break
            if not died:  # it came to its end before that call, and was killed there
                self.result.bound += left[0]
                break
            self.result.struck += 1
            self.result.kills += 1
            self.result.between += any(left)
            self.result.bound += left[0]
        if self.result.struck == 0:
            self.ends.append(f"no {detail['call']} was hit: this round proves nothing")

    def play_error(self, error):
        """From the start on the Nth call of a lone worker fails, once; the process that ends of it is started again, without."""
        detail = self.plan.detail
        node = self.nodes[self.plan.faults[0].node]
        node.start(self.traced(node, f"error={error}:when={detail['nth']}", detail["call"]), alone=True)
        self.result.bound += self.plan.connections * SITES

    def play_faults(self, tail):
        kind = self.plan.kind
        if kind == "syscall":
            self.play_syscall()
            return
        if kind in ("eio", "enospc"):
            self.play_error(kind.upper())
            self.tend()
            return
        self.tend()
        for number, fault in enumerate(self.plan.faults):
            goal = int(fault.part * self.messages)
            self.until(lambda g=goal: tail.lines() >= g or (tail.lines() > self.messages // 2 and self.is_over()), 120)
            time.sleep(fault.pause_s)
            if number == 0:
                self.first_fault = time.time()
            self.result.struck += 1
            getattr(self, "do_" + kind)(fault)

    # The end

    def drain(self):
        for node in self.nodes:
            if node.process is not None:
                pids = node.pids()
                signal_all(pids[:1] if not self.is_traced(node) else pids[1:2], signal.SIGTERM)
        for node in self.nodes:
            if node.process is None:
                continue
            try:
                code = node.process.wait(30)
                if code not in ENDS:
                    self.ends.append(f"{node.name} ended with {code}")
            except subprocess.TimeoutExpired:
                self.ends.append(f"{node.name} did not drain")
                node.kill()
            node.process = None

    @staticmethod
    def is_traced(node):
        return bool(node.process.args) and node.process.args[0] == "strace"

    def rate(self, ledger):
        times = sorted(stamp(line["time"]) for line in ledger)
        until = getattr(self, "first_fault", None)
        before = [t for t in times if until is None or t <= until]
        span = before[-1] - before[0] if len(before) > 1 else 0
        return round(len(before) / span) if span > 0 else 0

    def judge(self):
        ledger = self.stack.world.ledger()
        session = Session(self.stack.dsn)
        with session.connection.cursor() as cursor:
            cursor.execute(ledgerjoin.SAID, {"tenant": self.stack.shop.tenant, "campaign": self.campaign})
            said = cursor.fetchall()
        verdict = ledgerjoin.judge([(str(job), recipient, states or [], flags) for job, recipient, states, flags in said], ledger)
        self.result.rate = self.rate(ledger)
        self.result.jobs, self.result.received = verdict.jobs, verdict.received
        self.result.duplicates = verdict.duplicates
        self.result.lost, self.result.unflagged = len(verdict.lost), len(verdict.unflagged)
        self.result.misreported = len(verdict.misreported)
        self.stack.shop.session = session
        if not self.ends and not self.is_over():
            self.ends.append(f"it had come to its end, and now: {self.last}")
        if not self.ends:
            try:
                self.stack.shop.account(self.campaign)
            except AssertionError as error:
                self.ends.append(f"accounting: {error}")
        (self.directory / "verdict.json").write_text(json.dumps({"over_at": self.last, "end": self.account(),
                                                                 **dataclasses.asdict(verdict)}, indent=1))
        if self.ends or not self.result.good():
            self.dump(session)

    def dump(self, session):
        """What Postgres says, for a round that has a fault: it is dropped with its database."""
        for table in ("jobs", "batches", "attempts", "campaign_stats", "workers"):
            with open(self.directory / f"{table}.csv", "w", encoding="utf-8") as out, session.connection.cursor() as cursor:
                cursor.copy_expert(f"COPY (SELECT * FROM penguin.{table}) TO STDOUT WITH CSV HEADER", out)

    def run(self):
        begun = time.monotonic()
        self.bench.server.create(self.name, "migrated")
        try:
            with Stack(self.bench.server.dsn(self.name), self.directory, world=WORLD, judge=False) as self.stack:
                try:
                    self.play()
                except (OSError, psycopg2.Error) as error:
                    self.ends.append(f"the round itself failed: {error!r}")
                finally:
                    for node in self.nodes:
                        if node.process is not None:
                            node.kill()
                    if self.proxy:
                        self.proxy.close()
        finally:
            self.bench.server.drop(self.name)
        self.result.trouble = "; ".join(self.ends)
        self.result.seconds = round(time.monotonic() - begun, 1)
        if self.result.good() and not self.bench.keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        return self.result

    def play(self):
        if self.plan.kind == "dns":
            self.proxy = DnsProxy(self.stack.world.dns_port)
        self.campaign = self.stack.campaign()
        self.stack.shop.session.query("UPDATE penguin.campaigns SET on_in_doubt = %s", self.plan.policy)
        self.stack.enqueue(self.campaign, list(self.recipients()))
        self.make_nodes(self.stack)
        tail = Tail(self.stack.world.ledger_path)
        try:
            self.play_faults(tail)
            self.until(self.is_over, 180)
            if self.result.thefts:
                self.until(self.is_told, 60)
        except TooLong:
            self.ends.append(f"no end: {self.account()}")
        self.drain()
        for path in self.directory.glob("n*/strace"):
            self.result.struck += "(INJECTED)" in path.read_text(errors="replace")
        self.judge()


def stamp(text):
    """Seconds since 1970 of a time of the ledger."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Bench:
    def __init__(self, directory, change=None, keep=False, program=MTA):
        self.directory = pathlib.Path(directory)
        self.program = program
        self.change = change or {}  # of the configuration
        self.keep = keep  # the files of good rounds as well

    def __enter__(self):
        self.server = Server()
        return self

    def __exit__(self, *_):
        self.server.stop()

    @staticmethod
    def chance(plan, number):
        return random.Random(f"{plan.seed} round {plan.number} cut {number}")

    def play(self, plan, messages):
        return Play(self, plan, messages).run()
