"""The fault bench: tools/chaos builds and starts it.

    tools/chaos --seed S --rounds N [--resume]   N rounds under load, a fault or several in each
    tools/chaos --seed S --round K               one of them again
    tools/chaos --seed S --control gate|fsync    the bench itself on trial: faults that it must find

A round is a campaign in a database, a simulated internet and one or two nodes of its own.  Kinds, drawn
from the seed: power (a cut: the journal is what its disk had synced), kill (SIGKILL at any time), syscall
(SIGKILL at the Nth call of a lone worker that has 100 messages), eio and enospc (the Nth call on the journal
fails), stop (SIGSTOP beyond the lease), postgres (connections terminated, kill -9, frozen), dns (away).  Whose
lease runs out meanwhile is declared dead, and others take over.  All jobs are accounted for at any moment, and
after the end the ledger of what receivers took is joined with Postgres by job id.

Exits 1 where anything is lost, comes twice without a flag, is misreported, or comes twice more often than the
bound: the connections that were open at the crash, and where others took over (a node that stayed away
or stood still) the results that it could not report; and where a syscall round hit nothing.

The control `gate` builds a copy in which the final dot does not wait for the journal, `fsync` runs with
spool.sync: off; both cut the power, and exit 0 only when the bench finds that.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql")]

from chaoslib import Bench, Result  # noqa: E402
from chaosplan import KINDS, plan  # noqa: E402
from mtalib import MTA, is_disk  # noqa: E402

COLUMNS = ("jobs", "received", "struck", "thefts", "kills", "between", "cuts", "lost", "duplicates", "bound", "unflagged", "misreported")
CONTROL_ROUNDS = 12
DEFAULT_MESSAGES = 3500
GATE = ("src/spool/journal.c", "	return intent->seq <= segments_durable(journal->segments);\n",
        "	(void)journal;\n	(void)intent;\n	return true;\n")


def say(text=""):
    print(text, flush=True)


def replay(options, number):
    words = [f"tools/chaos --seed {options.seed} --round {number}"]
    if options.messages != DEFAULT_MESSAGES:
        words.append(f"--messages {options.messages}")
    return " ".join(words)


def show(result):
    good = ("ok" if result.struck else "missed") if result.good() else "FAULT"
    say(f"{result.round:>5} {good:6} {result.kind:8} {result.nodes} {result.told:44.44} {result.jobs:>6} {result.rate:>6}/s"
        f" struck {result.struck} thefts {result.thefts} kills {result.kills} ({result.between}) cuts {result.cuts} lost {result.lost} dup {result.duplicates}/{result.bound}"
        f" unflagged {result.unflagged} misreported {result.misreported} {result.seconds:>6} s {result.trouble}")


def table(results):
    say(f"\n{'kind':9}{'rounds':>7}" + "".join(f"{name:>12}" for name in COLUMNS))
    rows = [(kind, [r for r in results if r.kind == kind]) for kind in KINDS] + [("all", results)]
    for kind, some in rows:
        if some:
            say(f"{kind:9}{len(some):>7}" + "".join(f"{sum(getattr(r, name) for r in some):>12}" for name in COLUMNS))
    kills, between = sum(r.kills for r in results), sum(r.between for r in results)
    rates = sorted(r.rate for r in results if r.kind in ("power", "kill", "stop", "postgres") and r.rate)
    if kills:
        say(f"{between} of {kills} kills ({100 * between // kills} %) between INTENT and REPORTED; at least 30 % are wanted")
    if rates:
        enough = sum(rate >= 500 for rate in rates)
        say(f"messages a second until the first fault: median {rates[len(rates) // 2]}, least {rates[0]}, most {rates[-1]};"
            f" at least 500 are wanted: {enough} of {len(rates)} rounds ({100 * enough // len(rates)} %)")
    return kills == 0 or len(results) < 5 or between * 10 >= kills * 3


class State:
    """The results of a run so far, one line of JSON each; a run that was ended goes on from there."""

    def __init__(self, path, resume):
        self.path = pathlib.Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not resume:
            self.path.unlink(missing_ok=True)
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.results = [Result(**json.loads(line)) for line in lines]

    def add(self, result):
        self.results.append(result)
        with open(self.path, "a", encoding="utf-8") as f:
            f.write(json.dumps(dataclasses.asdict(result)) + "\n")


def place():
    """A directory on a disk, since a durable journal is refused elsewhere."""
    for where in (os.environ.get("TMPDIR", "/tmp"), str(ROOT / "build")):
        os.makedirs(where, exist_ok=True)
        if is_disk(where):
            return tempfile.mkdtemp(prefix="penguin-chaos.", dir=where)
    raise SystemExit("tools/chaos: let TMPDIR name a directory on a disk: the journal refuses one in memory")


def run_rounds(options, numbers, state=None):
    results = state.results if state else []
    directory = place()
    try:
        with Bench(directory, keep=options.keep) as bench:
            for number in numbers:
                result = bench.play(plan(options.seed, number), options.messages)
                show(result)
                if not result.good():
                    say(f"      again: {replay(options, number)}    its files: {directory}/round{number}")
                if state:
                    state.add(result)
                else:
                    results.append(result)
    except KeyboardInterrupt:
        say("\nended; --resume goes on")
    enough = table(results)
    bad = [r.round for r in results if not r.good()]
    if not bad and not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    for number in bad:
        say(f"again: {replay(options, number)}")
    return 1 if bad or not results or not enough else 0


def without_gate():
    """penguin-mta of a copy of the tree in which every intent is taken for durable."""
    tree, built = ROOT / "build" / "chaos" / "gate" / "tree", ROOT / "build" / "chaos" / "gate" / "built"
    shutil.rmtree(tree, ignore_errors=True)
    names = subprocess.run(["git", "-c", "safe.directory=*", "-C", ROOT, "ls-files", "-z"], stdout=subprocess.PIPE, check=True).stdout
    for name in names.decode().split("\0")[:-1]:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name)
    path, old, new = GATE
    text = (tree / path).read_text()
    if text.count(old) != 1:
        raise SystemExit(f"tools/chaos: the gate is no longer where it was in {path}: see GATE in tools/chaosrun.py")
    (tree / path).write_text(text.replace(old, new))
    say("building penguin-mta without its gate")
    if not (built / "build.ninja").exists():
        subprocess.run(["meson", "setup", built, tree, "--buildtype=release", "-Dtests=disabled"], stdout=subprocess.DEVNULL, check=True)
    subprocess.run(["ninja", "-C", built, "src/main/penguin-mta"], stdout=subprocess.DEVNULL, check=True)
    return built / "src" / "main" / "penguin-mta"


def control(options):
    """The power is cut until the bench finds what is broken."""
    program = without_gate() if options.control == "gate" else MTA
    change = {"spool": {"sync": False}} if options.control == "fsync" else {}
    directory = place()
    try:
        with Bench(directory, change, program=program) as bench:
            numbers = (n for n in range(1, 1000) if plan(options.seed, n).kind == "power")
            for _, number in zip(range(CONTROL_ROUNDS), numbers):
                it = plan(options.seed, number)
                it.detail["torn"] = False
                result = bench.play(it, options.messages)
                show(result)
                if result.unflagged or result.lost or result.misreported or result.duplicates > result.bound:
                    say(f"control {options.control}: found, as it must be")
                    return 0
        say(f"control {options.control}: NOT FOUND in {CONTROL_ROUNDS} rounds: this bench proves nothing")
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def on_signal(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="tools/chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="decides the rounds (1)")
    parser.add_argument("--rounds", type=int, default=16, help="how many (16)")
    parser.add_argument("--round", type=int, help="only this one")
    parser.add_argument("--resume", action="store_true", help="go on with the run of this seed")
    parser.add_argument("--messages", type=int, default=DEFAULT_MESSAGES, help=f"of a round ({DEFAULT_MESSAGES})")
    parser.add_argument("--control", choices=["gate", "fsync"], help="break it, and see that the bench finds that")
    parser.add_argument("--state", help="where results are kept (build/chaos/seed-S.jsonl)")
    parser.add_argument("--keep", action="store_true", help="keep the files of good rounds too")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where a shell had them ignored
        signal.signal(number, on_signal)
    if options.control:
        return control(options)
    if options.round:
        return run_rounds(options, [options.round])
    state = State(options.state or ROOT / "build" / "chaos" / f"seed-{options.seed}.jsonl", options.resume)
    done = {result.round for result in state.results}
    return run_rounds(options, [n for n in range(1, options.rounds + 1) if n not in done], state)


if __name__ == "__main__":
    sys.exit(main())
