"""The runner behind tools/test: steps, their minutes, and one count of all test cases.

A step is a function that returns its results: a list of (outcome, name, note).  A build or a
lint is one result; a Criterion program or a pytest run gives one for each test case, read from
the reports that they write, never from their output.  A program or suite that ran no test is a
failure: silence is not success.

Everything that is made lies under build/ or in one temporary directory.  Each command runs in a
process group of its own, and what is left of that group is ended when the command is over.
"""

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import xml.etree.ElementTree as xml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, "build")
ASAN = os.path.join(BUILD, "asan")
LOGS = os.path.join(BUILD, "logs")
SHARED = os.path.isdir(os.path.join(ROOT, "..", "shared"))
CORES = os.cpu_count() or 1
PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
NOTHING_COLLECTED = 5  # pytest's exit code

COVERAGE = os.path.join(BUILD, "coverage")
# What has no socket, no clock and no log: every line of it can be reached by a test.
PURE = re.compile(r"src/(base|mail|compose|queue|shape|classify)/|src/smtp/dialogue")

PROGRAM_SECONDS = 300
SYSTEM_SECONDS = {False: 40 * 60, True: 120 * 60}
DEMO_SECONDS = 10 * 60
FUZZ_SECONDS = 20  # a target
SECOND_TRIES = 3  # more failures than that are no accident
AGAIN = "at the second try; at the first: "


class Run:
    """What the command line asked for, and the directory for temporary files."""

    def __init__(self, full, names, temp):
        self.full = full
        self.names = names
        self.temp = temp
        self.results = []  # of the steps so far
        self.steps = []
        self.env = dict(os.environ, TMPDIR=temp, LC_ALL="C.UTF-8", PENGUIN_BUILD=ASAN, PYTHONDONTWRITEBYTECODE="1",
                        ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1",
                        UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1",
                        # A clone may belong to another user than the one who tests it.
                        GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
        # Criterion 2.4.1 forgets the names of its reports; the tests' own stacks never pass there.
        suppressions = os.path.join(temp, "lsan")
        with open(suppressions, "w", encoding="utf-8") as f:
            f.write("leak:criterion_handle_args\n")
        self.env["LSAN_OPTIONS"] = f"suppressions={suppressions}:print_suppressions=0"
        self.env.pop("PENGUIN_FULL", None)
        self.env.pop("DESTDIR", None)
        if full:
            self.env["PENGUIN_FULL"] = "1"

    def wanted(self, name):
        return not self.names or any(part in name for part in self.names)


def command(run, argv, log, seconds=1800, env=None, cwd=ROOT):
    """Runs argv with its output in build/logs/LOG; returns its exit code, 124 when time is over."""
    os.makedirs(LOGS, exist_ok=True)
    with open(os.path.join(LOGS, log), "ab") as out:
        shown = " ".join(map(shlex.quote, argv))
        out.write(("$ " + (shown if len(shown) < 400 else shown[:400] + " ...") + "\n").encode())
        out.flush()
        try:
            child = subprocess.Popen(argv, cwd=cwd, env=dict(run.env, **(env or {})), stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            out.write(f"tools/test: {error}\n".encode())
            return 127
        try:
            return child.wait(seconds)
        except subprocess.TimeoutExpired:
            out.write(f"\ntools/test: not done after {seconds} s\n".encode())
            return 124
        finally:
            end_group(child)


def end_group(child):
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
        except (ProcessLookupError, PermissionError):
            break
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            continue
        time.sleep(0.05)
    child.wait()


def tail(log, lines=60):
    """The end of a log; of a build, what failed."""
    try:
        with open(os.path.join(LOGS, log), encoding="utf-8", errors="replace") as f:
            text = f.readlines()
    except OSError:
        return ""
    first = next((i for i, line in enumerate(text) if line.startswith("FAILED: ")), None)
    shown = text[-lines:] if first is None else text[first:first + lines]
    return "".join("    " + line for line in shown).rstrip("\n")


def fresh(log):
    path = os.path.join(LOGS, log)
    if os.path.exists(path):
        os.remove(path)
    return log


def one(run, name, *commands, seconds=1800):
    """A step that is one result: all its commands must succeed."""
    log = fresh(name + ".log")
    for argv in commands:
        code = command(run, argv, log, seconds)
        if code != 0:
            print(tail(log), flush=True)
            return [(FAILED, name, f"exit {code}, build/logs/{log}")]
    return [(PASSED, name, "")]


def tracked(run, *patterns):
    try:
        out = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard", "--", *patterns], cwd=ROOT, env=run.env,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout.decode()
        return sorted(p for p in set(out.split("\0")) if p and os.path.isfile(os.path.join(ROOT, p)))
    except (subprocess.CalledProcessError, FileNotFoundError):
        raise SystemExit("tools/test: this must be a git clone") from None


# The builds


def build(run, name, compiler, *options):
    directory = os.path.join(BUILD, name)
    setup = ["env", "CC=" + compiler, "meson", "setup", directory, ROOT, "--werror", "--wrap-mode=nodownload", *options]
    if os.path.exists(os.path.join(directory, "build.ninja")):
        setup = ["true"]
    elif os.path.isdir(directory):
        shutil.rmtree(directory)
    return one(run, "build-" + name, setup, ["ninja", "-C", directory, f"-j{CORES}", "-k0"])


def step_deps(run):
    """Debian packages that are missing"""
    return one(run, "deps", [os.path.join(ROOT, "tools/deps"), "test"])


def step_asan(run):
    """clang with AddressSanitizer and UBSan, warnings are errors"""
    return build(run, "asan", "clang", "-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dtests=enabled",
                 "-Doptimization=1", "-Ddebug=true")


def step_gcc(run):
    """gcc, warnings are errors"""
    return build(run, "gcc", "gcc", "-Dtests=enabled")


def step_release(run):
    """gcc -O2 as packages are built"""
    return build(run, "release", "gcc", "--buildtype=release", "-Doptimization=2", "-Dtests=disabled")


# Criterion programs


def criterion_cases(name, report, tap):
    reasons = {}
    try:
        with open(tap, encoding="utf-8", errors="replace") as f:
            for m in re.finditer(r"^ok - (\S+?)::(\S+)\s+# SKIP (.*)$", f.read(), re.M):
                reasons[m.group(1), m.group(2)] = m.group(3)
    except OSError:
        pass
    for suite in xml.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            label = f"{name} {suite.get('name')}::{case.get('name')}"
            status = case.get("status")
            if status == "SKIPPED":
                yield SKIPPED, label, reasons.get((suite.get("name"), case.get("name")), "")
            else:
                yield (PASSED if status == "PASSED" else FAILED), label, (status or "no status").lower()


def is_criterion(program):
    with open(program, "rb") as f:
        return b"libcriterion" in f.read()


def run_program(run, test):
    """One test of `meson introspect --tests`: a Criterion program, or a script that is one case."""
    name = f"{[s for s in test['suite'] if ':' in s][-1].split(':')[-1]}/{test['name']}"
    log = fresh("test-" + name.replace("/", "-") + ".log")
    report, tap = os.path.join(run.temp, log + ".xml"), os.path.join(run.temp, log + ".tap")
    env = dict(test["env"], CRITERION_OUTPUTS=f"xml:{report},tap:{tap}")
    code = command(run, test["cmd"], log, max(PROGRAM_SECONDS, test["timeout"]) * (10 if run.full else 1), env,
                   test["workdir"] or BUILD)
    if not os.path.exists(report):
        if code == 0 and is_criterion(test["cmd"][0]):
            return [(FAILED, name, "ran no test")]
        outcome = {0: PASSED, 77: SKIPPED}.get(code, FAILED)
        if outcome == FAILED:
            print(tail(log), flush=True)
        return [(outcome, name, "" if outcome == PASSED else f"exit {code}, build/logs/{log}")]
    cases = list(criterion_cases(name, report, tap))
    if not [c for c in cases if c[0] != SKIPPED]:
        cases.append((FAILED, name, "ran no test"))
    if code != 0 and not any(c[0] == FAILED for c in cases):
        cases.append((FAILED, name, f"exit {code}: a leak, or a crash outside of a test; build/logs/{log}"))
    if any(c[0] == FAILED for c in cases):
        print(tail(log), flush=True)
    return cases


def suite_step(run, suite, directory=ASAN):
    out = subprocess.run(["meson", "introspect", "--tests", directory], stdout=subprocess.PIPE, check=False,
                         stdin=subprocess.DEVNULL, env=run.env)
    if out.returncode != 0:
        return [(FAILED, suite, "there is no build")]
    tests = [t for t in json.loads(out.stdout)
             if any(s.split(":")[-1] == suite for s in t["suite"])
             and run.wanted(f"{t['suite'][-1].split(':')[-1]}/{t['name']}")]
    tests.sort(key=lambda t: -t["priority"])
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        results = [case for cases in pool.map(lambda t: run_program(run, t), tests) for case in cases]
    return results or [(FAILED, suite, "ran no test")]


def step_unit(run):
    """unit tests (Criterion)"""
    return suite_step(run, "unit")


def step_replay(run):
    """replay tests: scripts in virtual time"""
    return suite_step(run, "replay")


# pytest


def pytest_cases(report):
    for case in xml.parse(report).getroot().iter("testcase"):
        label = f"{case.get('classname')}::{case.get('name')}"
        tags = {child.tag: child for child in case}
        if "failure" in tags or "error" in tags:
            bad = tags.get("failure", tags.get("error"))
            yield FAILED, label, (bad.get("message") or "").split("\n")[0][:160]
        elif "skipped" in tags:
            yield SKIPPED, label, (tags["skipped"].get("message") or "").split("\n")[0]
        else:
            yield PASSED, label, ""


def pytest_run(run, name, log, *argv, env=None):
    """Results by test case; an exit that no case explains is one too."""
    report = os.path.join(run.temp, name + ".xml")
    code = command(run, ["/usr/bin/python3", "-m", "pytest", "-q", "-ra", "--tb=short", "-p", "no:cacheprovider",
                         "--durations=10", "--junitxml=" + report, *argv], log, SYSTEM_SECONDS[run.full], env)
    cases = list(pytest_cases(report)) if os.path.exists(report) else []
    if code not in (0, NOTHING_COLLECTED) and not any(c[0] == FAILED for c in cases):
        cases.append((FAILED, name, f"exit {code}, build/logs/{log}"))
    return cases


def tried_again(run, name, log, cases, env):
    """A few failed cases run once more, with nothing beside them, and are named: a busy machine is late at times."""
    failed = [case for case in cases if case[0] == FAILED]
    if run.full or len(failed) > SECOND_TRIES or any("::" not in label for _, label, _ in failed):
        return cases
    for _, label, note in failed:
        module, test = label.split("::", 1)
        second = pytest_run(run, name + "-again", log, f"tests/system/{module.replace('.', '/')}.py::{test}", env=env)
        if [outcome for outcome, _, _ in second] == [PASSED]:
            cases[cases.index((FAILED, label, note))] = (PASSED, label, AGAIN + note)
    return cases


def system_step(run, name, env=None):
    log = fresh(name + ".log")
    paths = [p for n in run.names for p in (n, os.path.join("tests/system", n)) if os.path.exists(os.path.join(ROOT, p))]
    words = [n for n in run.names if not any(p in (n, os.path.join("tests/system", n)) for p in paths)]
    chosen = [*(["-k", " or ".join(words)] if words else []), *(paths or ["tests/system"])]
    # Most of them wait most of the time: two files at a time, each whole in one process.  Then, alone, those
    # that hold ratios of what runs side by side to a bound.
    cases = pytest_run(run, name, log, "-m", "not quiet", "-n", "2", "--dist", "loadfile", *chosen, env=env)
    cases += pytest_run(run, name + "-quiet", log, "-m", "quiet", *chosen, env=env)
    if not [c for c in cases if c[0] != SKIPPED]:
        cases.append((FAILED, name, f"ran no test, build/logs/{log}"))
    if any(c[0] == FAILED for c in cases):
        print(tail(log, 120), flush=True)
        cases = tried_again(run, name, log, cases, env)
    return cases


def step_system(run):
    """system tests (pytest): the real programs, Postgres and penguin-world"""
    return system_step(run, "system")


# Coverage


def covered(lines, wanted):
    """(per cent, covered, all) of the lines of the files that are wanted."""
    files = [f for f in lines if wanted(f["filename"])]
    total, hit = sum(f["line_total"] for f in files), sum(f["line_covered"] for f in files)
    return 100 * hit / total if total else 0, hit, total


def step_coverage(run):
    """lines of src that the tests pass through"""
    if not run.full:
        return []
    shutil.rmtree(COVERAGE, ignore_errors=True)  # counts of another text mean nothing
    results = build(run, "coverage", "gcc", "-Db_coverage=true", "-Dtests=enabled", "-Doptimization=0", "-Ddebug=true")
    if results[0][0] == FAILED:
        return results
    short = Run(False, [], run.temp)
    failed = [r for suite in ("unit", "replay") for r in suite_step(short, suite, COVERAGE) if r[0] == FAILED]
    failed += [r for r in system_step(short, "coverage-system", {"PENGUIN_BUILD": COVERAGE}) if r[0] == FAILED]
    log, summary = fresh("coverage.log"), os.path.join(run.temp, "coverage.json")
    if command(run, ["gcovr", "-r", ROOT, COVERAGE, "--filter", "src/", "-j", str(CORES), "--json-summary", summary,
                     "--txt", os.path.join(BUILD, "coverage.txt")], log) != 0:
        return results + [(FAILED, "coverage", f"gcovr failed, build/logs/{log}")]
    with open(summary, encoding="utf-8") as f:
        files = json.load(f)["files"]
    results += [(FAILED, "coverage " + name, note) for _, name, note in failed]
    for name, wanted, least in (("pure code", PURE.match, 95), ("all code", lambda _: True, 85)):
        share, hit, total = covered(files, wanted)
        said = f"{name}: {share:.1f} % of {total} lines, at least {least}"
        print("  " + said, flush=True)
        results.append((PASSED if share >= least else FAILED, "coverage of " + name, f"{said}; build/coverage.txt"))
    return results


# Static steps


def step_check(run):
    """tools/check, and that it finds what it must"""
    tool = os.path.join(ROOT, "tools/check")
    return one(run, "check", [tool]) + one(run, "check-self-test", [tool, "--self-test"])


def step_format(run):
    """clang-format"""
    return one(run, "format", [os.path.join(ROOT, "tools/format"), "--check"])


def tidy_key(run, entry):
    """Everything that clang-tidy's answer depends on: rules, command, and the text with its headers."""
    argv = [a for a in shlex.split(entry["command"]) if a not in ("-c", "-MD")]
    for flag in ("-o", "-MQ", "-MF"):
        if flag in argv:
            del argv[argv.index(flag):argv.index(flag) + 2]
    text = subprocess.run([*argv, "-E", "-C"], cwd=entry["directory"], env=run.env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
    key = hashlib.sha256(text + " ".join(argv).encode())
    for rules in (".clang-tidy", "tests/.clang-tidy"):
        with open(os.path.join(ROOT, rules), "rb") as f:
            key.update(f.read())
    return key.hexdigest()


def tidy_file(run, path, entry):
    done = os.path.join(BUILD, "tidy", tidy_key(run, entry))
    if os.path.exists(done):
        os.utime(done)
        return None
    out = subprocess.run(["clang-tidy", "-p", ASAN, "--quiet", path], cwd=ROOT, env=run.env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if out.returncode == 0:
        with open(done, "w", encoding="utf-8"):
            pass
        return None
    return out.stdout.decode("utf-8", "replace")


def step_tidy(run):
    """clang-tidy over src, tools and tests; files that did not change are not looked at again"""
    os.makedirs(os.path.join(BUILD, "tidy"), exist_ok=True)
    log = fresh("tidy.log")
    try:
        with open(os.path.join(ASAN, "compile_commands.json"), encoding="utf-8") as f:
            entries = {os.path.relpath(os.path.join(e["directory"], e["file"]), ROOT): e for e in json.load(f)}
    except OSError:
        return [(FAILED, "tidy", "there is no build")]
    files = [p for p in tracked(run, "src/*.c", "tools/*.c", "tests/*.c") if run.wanted(p)]
    missed = [p for p in files if p not in entries and not p.startswith("tests/")]
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        found = list(filter(None, pool.map(lambda p: tidy_file(run, p, entries[p]), [p for p in files if p in entries])))
    os.makedirs(LOGS, exist_ok=True)
    with open(os.path.join(LOGS, log), "w", encoding="utf-8") as f:
        f.write("".join(f"{p}: no build compiles this file\n" for p in missed) + "".join(found))
    if found or missed:
        print(tail(log, 200), flush=True)
        return [(FAILED, "tidy", f"{len(found) + len(missed)} files, build/logs/{log}")]
    return [(PASSED, "tidy", "")] if files else [(FAILED, "tidy", "no file to look at")]


def step_manual(run):
    """mandoc over the manual pages"""
    pages = [p for p in tracked(run, "man/*") if re.search(r"\.[1-9]$", p)]
    if not pages:
        return [(FAILED, "manual", "there is no manual page")]
    return one(run, "manual", ["mandoc", "-Tlint", "-Wwarning", *pages])


def step_shell(run):
    """shellcheck over the shell scripts"""
    scripts = []
    for path in tracked(run):
        with open(os.path.join(ROOT, path), "rb") as f:
            if re.match(rb"#!\s*/(usr/)?bin/(env )?(ba|da)?sh\b", f.readline()):
                scripts.append(path)
    return one(run, "shell", ["shellcheck", *scripts])


def step_spelling(run):
    """codespell over sources, manuals and pages"""
    # Tests are full of words that are wrong on purpose.
    files = [p for p in tracked(run) if not p.startswith("tests/") and p != "LICENSE"]
    return one(run, "spelling", ["codespell", "--quiet-level=3", "--ignore-words", "tools/words", *files])


def step_demo(run):
    """tools/demo, which checks itself"""
    demo = os.path.join(ROOT, "tools/demo")
    if not os.path.exists(demo):
        return [(SKIPPED, "demo", "there is no tools/demo yet")]
    return one(run, "demo", [demo], seconds=DEMO_SECONDS)


def rows_among(run, *outcomes):
    names = os.path.join(run.temp, "ran")
    with open(names, "w", encoding="utf-8") as f:
        f.write("".join(name + "\n" for outcome, name, _ in run.results if outcome in outcomes))
    return [os.path.join(ROOT, "tools/check"), "--ran", names]


def step_rows(run):
    """each row of tests/rows.txt has a test that ran and passed"""
    if run.names or not {"unit", "replay", "system"} <= set(run.steps):
        return [(SKIPPED, "rows", "the tests are in unit, replay and system, and not all of these ran")]
    if subprocess.run(rows_among(run, PASSED, SKIPPED), check=False, stdout=subprocess.DEVNULL, env=run.env).returncode == 0:
        lacking = subprocess.run(rows_among(run, PASSED), check=False, stdout=subprocess.PIPE, text=True, env=run.env)
        return [(SKIPPED if lacking.returncode else PASSED, "rows", lacking.stdout.strip())]
    return one(run, "rows", rows_among(run, PASSED))


def step_mutate(run):
    """code broken in twenty places by chance: the tests notice"""
    if not run.full:
        return []
    return one(run, "mutate", [os.path.join(ROOT, "tools/mutate")], seconds=3 * 3600)


def step_fuzz(run):
    """some seconds of each fuzz target, and the lines that their corpora reach (with --full, or by name)"""
    tool = os.path.join(ROOT, "tools/fuzz")
    return (one(run, "fuzz", [tool, "all", str(FUZZ_SECONDS)], seconds=3600) +
            one(run, "fuzz-plants", [tool, "--plant"], seconds=7200))


STEPS = [step_deps, step_check, step_format, step_shell, step_spelling, step_manual, step_asan, step_unit, step_replay,
         step_gcc, step_release, step_tidy, step_system, step_demo, step_rows, step_mutate, step_coverage,
         step_fuzz]
NAMES = {step.__name__[5:]: step for step in STEPS}
NEEDS_BUILD = {"unit", "replay", "system", "tidy"}
ONLY_FULL = {"fuzz"}
TAKES_NAMES = {"unit", "replay", "system", "tidy"}


def plan(words, full):
    """The steps to run and the names that select among their tests."""
    if not words:
        return [n for n in NAMES if full or n not in ONLY_FULL], []
    if words[0] in TAKES_NAMES and not all(w in NAMES for w in words):
        steps, names = [words[0]], words[1:]
    else:
        unknown = [w for w in words if w not in NAMES]
        if unknown:
            raise SystemExit(f"tools/test: no step '{unknown[0]}'; the steps are {' '.join(NAMES)}")
        steps, names = [n for n in NAMES if n in words], []
    if NEEDS_BUILD & set(steps) and "asan" not in steps:
        steps.insert(0, "asan")
    return steps, names


def guarded(run, name, before):
    """A step whose build failed cannot run; a step that throws has failed."""
    if name in NEEDS_BUILD and any(r[:2] == (FAILED, "build-asan") for r in before):
        return [(FAILED, name, "not run, its build failed")]
    try:
        return NAMES[name](run)
    except Exception:  # pylint: disable=broad-except
        traceback.print_exc(file=sys.stdout)
        return [(FAILED, name, "the step itself failed")]


def judged(results):
    """Where ../shared is there, what needs it is not skipped."""
    for outcome, name, note in results:
        if outcome == SKIPPED and SHARED and "shared" in (name + " " + note).lower():
            yield FAILED, name, "skipped although ../shared is there: " + note
        else:
            yield outcome, name, note


def report(results, times, total):
    print("\nminutes")
    for name, seconds in times:
        print(f"  {seconds / 60:6.1f}  {name}")
    print(f"  {total / 60:6.1f}  together")
    for outcome in (PASSED, SKIPPED, FAILED):
        names = [f"  {name}{': ' + note if note else ''}" for o, name, note in results
                 if o == outcome and (o != PASSED or note.startswith(AGAIN))]
        if names:
            print(f"\n{outcome}\n" + "\n".join(names))
    counts = {o: sum(1 for r in results if r[0] == o) for o in (PASSED, FAILED, SKIPPED)}
    print("\n" + ", ".join(f"{count} {outcome}" for outcome, count in counts.items()), flush=True)
    return 1 if counts[FAILED] or not counts[PASSED] else 0


def main():
    parser = argparse.ArgumentParser(prog="tools/test", description="Run the tests; without arguments, all of them.")
    parser.add_argument("--full", action="store_true", help="the long cases too")
    parser.add_argument("--list", action="store_true", help="name the steps")
    parser.add_argument("words", nargs="*", metavar="STEP", help="a step; after unit, replay, system, tidy: names")
    options = parser.parse_args()
    if options.list:
        for name, step in NAMES.items():
            print(f"{name:10} {step.__doc__}")
        return 0
    steps, names = plan(options.words, options.full)
    os.environ["PATH"] = "/usr/sbin:/sbin:" + os.environ.get("PATH", "/usr/bin:/bin")
    temp = tempfile.mkdtemp(prefix="penguin-test-", dir="/tmp")
    os.chmod(temp, 0o1777)  # Postgres runs as another user
    run, times, start = Run(options.full, names, temp), [], time.monotonic()
    results, run.steps = run.results, steps
    try:
        for name in steps:
            print(f"-- {name}: {NAMES[name].__doc__}", flush=True)
            begun = time.monotonic()
            results += judged(guarded(run, name, results))
            times.append((name, time.monotonic() - begun))
    finally:
        shutil.rmtree(temp, ignore_errors=True)
    return report(results, times, time.monotonic() - start)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
