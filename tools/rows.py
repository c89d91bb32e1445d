"""The rows of tests/rows.txt, the tests that carry their ids, and the lines that make them true.

A row is what the sender promises; a test that proves it has the row's id in its name (a
Criterion test, a replay script, a pytest function).  A mutation breaks the code behind a row:

    row smtp_B3
    file src/mail/dot.c
    - the old lines, which stand once in the file
    + the new lines, or none

Used by tools/check (are they all there, did they all run) and tools/mutate (do tests notice).
"""

import dataclasses
import re

LIST = "tests/rows.txt"
MUTATIONS = "tests/mutations/"
ID = re.compile(r"(?<![A-Za-z0-9])((?:smtp|dns|gen|threat|tenant|sender|fault|env|sup|node|doubt|poison|model)_"
                r"(?:timeout_[a-z]+|corpus|[A-Z]{1,2}[0-9]+))(?![A-Za-z0-9])")
EXCUSES = 10
FAULT_EXCUSES = 5  # whatever their reason: what fails is nobody's later work
# What whole works of their own will bring is no excuse: their rows are listed, not counted.
LATER = ("transport policy work", "BDAT work", "tracking", "returned mail")

CRITERION = re.compile(r"^(?:Test|(?:Parameterized)?Test|Theory)\(([^)]*)\)", re.M)
PYTEST = re.compile(r"^\s*(?:async )?def (test_\w+)", re.M)


@dataclasses.dataclass
class Row:
    id: str
    line: int
    excuse: str  # "" when it must have a test

    def counted(self):
        return self.excuse and not self.excuse.endswith(LATER)


@dataclasses.dataclass
class Case:
    """A test: for a Criterion test, name is suite/name."""
    path: str
    line: int
    name: str
    ids: list


@dataclasses.dataclass
class Mutation:
    path: str
    line: int
    ids: list
    file: str
    old: str
    new: str


def read_rows(text):
    """The rows, and what is wrong with the list as (line, message)."""
    rows, faults = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        m = re.fullmatch(r"(\w+)(?:  (\S.*)|: (\S.*: \S.*))", line)
        if not m or not ID.fullmatch(m.group(1)):
            faults.append((number, "write 'ID  what must be true' or 'ID: reason: the work that will do it'"))
        elif m.group(1) in rows:
            faults.append((number, f"{m.group(1)} stands twice"))
        else:
            rows[m.group(1)] = Row(m.group(1), number, m.group(3) or "")
    return rows, faults


def cases_in(path, text):
    """The tests of one file that carry ids."""
    found = []
    if path.startswith("tests/") and path.endswith("_test.c"):
        for m in CRITERION.finditer(text):
            words = [w.strip() for w in m.group(1).split(",")]
            if text[m.start():].startswith("Parameterized"):
                words = words[1:]
            if len(words) > 1:
                found.append((m.start(), "/".join(words[:2]), words[1]))
    elif path.startswith("tests/system/") and path.endswith(".py"):
        found = [(m.start(1), m.group(1), m.group(1)) for m in PYTEST.finditer(text)]
    elif path.startswith("tests/replay/") and path.endswith(".replay"):
        name = path.rsplit("/", 1)[1][:-len(".replay")]
        found = [(0, name, name)]
    return [Case(path, text.count("\n", 0, at) + 1, name, ID.findall(label)) for at, name, label in found if ID.search(label)]


def read_mutations(path, text):
    """The mutations of one file, and its faults as (line, message)."""
    found, faults, at = [], [], 1
    for block in re.split(r"\n(?:[ \t]*\n)+", text.rstrip("\n")):
        lines = [l for l in block.split("\n") if not l.startswith("#")]
        start = at
        at += block.count("\n") + 2
        if not any(lines):
            continue
        ids = next((l.split()[1:] for l in lines if l.startswith("row ")), [])
        file = next((l.split(None, 1)[1] for l in lines if l.startswith("file ")), "")
        old = [l[2:] for l in lines if l.startswith("- ") or l == "-"]
        new = [l[2:] for l in lines if l.startswith("+ ") or l == "+"]
        rest = [l for l in lines if not re.match(r"(row|file) |[-+]( |$)", l)]
        if not ids or not file or not old or rest:
            faults.append((start, "a mutation is 'row ID', 'file PATH', '- old' lines and '+ new' lines"))
            continue
        found.append(Mutation(path, start, ids, file, "\n".join(old) + "\n", "".join(l + "\n" for l in new)))
    return found, faults


class Catalogue:
    """Rows, tests and mutations of a tree; text(path) reads a file of it."""

    def __init__(self, paths, text):
        self.text = text
        self.rows, faults = read_rows(text(LIST))
        self.faults = [(LIST, line, message) for line, message in faults]
        self.cases = [case for path in paths if path.startswith("tests/") for case in cases_in(path, text(path))]
        self.mutations = []
        for path in paths:
            if path.startswith(MUTATIONS) and path.endswith(".txt"):
                found, faults = read_mutations(path, text(path))
                self.mutations += found
                self.faults += [(path, line, message) for line, message in faults]
        self.paths = set(paths)

    def cases_of(self, row):
        return [case for case in self.cases if row in case.ids]

    def mutations_of(self, row):
        return [mutation for mutation in self.mutations if row in mutation.ids]

    def unproven(self):
        """Rows that must have a test and have none."""
        return [row for row in self.rows.values() if not row.excuse and not self.cases_of(row.id)]

    def unbroken(self):
        """Rows with a test and no line of code to break."""
        return [row for row in self.rows.values() if not row.excuse and not self.mutations_of(row.id)]

    def check(self):
        """All faults as (path, line, message)."""
        yield from self.faults
        for case in self.cases:
            for row in case.ids:
                if row not in self.rows:
                    yield case.path, case.line, f"{case.name}: there is no row {row} in {LIST}"
                elif self.rows[row].excuse:
                    yield case.path, case.line, f"{case.name}: {row} has an excuse in {LIST}, and here is its test"
        for mutation in self.mutations:
            yield from self._check_mutation(mutation)
        for row in self.unproven():
            yield LIST, row.line, f"{row.id} has no test: name one test_{row.id}_..., or excuse it"
        for row in self.unbroken():
            yield LIST, row.line, f"{row.id} has no line of code to break in tests/mutations"
        counted = [row for row in self.rows.values() if row.counted()]
        if len(counted) > EXCUSES:
            yield LIST, counted[EXCUSES].line, f"{len(counted)} rows are excused, at most {EXCUSES}"
        faults = [row for row in self.rows.values() if row.excuse and row.id.startswith(("fault_", "env_"))]
        if len(faults) > FAULT_EXCUSES:
            yield LIST, faults[FAULT_EXCUSES].line, f"{len(faults)} faults are excused, at most {FAULT_EXCUSES}"

    def _check_mutation(self, mutation):
        for row in mutation.ids:
            if row not in self.rows or self.rows[row].excuse:
                yield mutation.path, mutation.line, f"{row} is no row of {LIST} that has tests"
        if mutation.file not in self.paths:
            yield mutation.path, mutation.line, f"there is no file {mutation.file}"
            return
        count = ("\n" + self.text(mutation.file)).count("\n" + mutation.old)
        if count != 1:
            yield mutation.path, mutation.line, f"the old lines stand {count} times in {mutation.file}, not once"

    def not_run(self, names):
        """Rows without a test among the names that ran and passed."""
        ran = {row for name in names for row in ID.findall(name)}
        return [row for row in self.rows.values() if not row.excuse and row.id not in ran]
