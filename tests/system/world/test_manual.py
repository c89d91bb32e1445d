"""The manuals are the contract: every key and every word is in them, and their example works."""

import re
import subprocess

import worldlib

SOURCE = worldlib.ROOT / "tools" / "world"
PAGE = (worldlib.ROOT / "man" / "penguin-world.yaml.5").read_text()
COMMAND_PAGE = (worldlib.ROOT / "man" / "penguin-world.1").read_text()


def words_of(page, macro):
    """The words behind a macro, also where a comma joins several in one line."""
    found = set()
    for line in page.splitlines():
        if line.startswith(".") and f"{macro} " in line:
            found.update(re.findall(r"[\w.-]+", line.replace("true|false", "")))
    return found


def test_every_key_has_its_place():
    keys = set(re.findall(r'\{"(\w+)", FIELD_', (SOURCE / "schema.c").read_text()))
    assert {"domain", "greylist", "dkim_dir"} <= keys
    assert not keys - words_of(PAGE, "Ic")


def test_every_word_has_its_place():
    source = (SOURCE / "schema.c").read_text()
    words = set()
    for table in re.findall(r"_words\[\] = \{(.*?)\};", source, re.S):
        words.update(re.findall(r'"([^"]+)"', table))
    assert {"name-self", "garbage", "1.3", "session"} <= words
    # these two are what is without the key
    assert not words - {"none", "go-on"} - words_of(PAGE, "Cm") - {"yes", "no"}


def test_violations_and_options_have_their_place():
    violations = set(re.findall(r'\[VIOLATION_\w+\] = "(\w+)"', (SOURCE / "message.c").read_text()))
    assert len(violations) == 16
    assert not violations - words_of(COMMAND_PAGE, "It")
    options = set(re.findall(r'\{"([\w-]+)", (?:required|no)_argument', (SOURCE / "world.c").read_text()))
    assert not {o for o in options if f"-{o}" not in COMMAND_PAGE} - {"help"}


def test_members_of_the_ledger_have_their_place(start):
    world = start("hosts: [{host: a.test, address: 127.0.10.1}]\n")
    with worldlib.Client(world) as client:
        client.hello()
        client.deliver()
    (line,) = world.ledger()
    assert not set(line) - words_of(COMMAND_PAGE, "It")


def test_the_example_works(tmp_path):
    (example,) = re.findall(r"\.Bd -literal -offset indent\n(.*?)\.Ed", PAGE, re.S)
    path = tmp_path / "example.yaml"
    path.write_text(example)
    done = subprocess.run([worldlib.PROGRAM, "--config", path, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
