"""penguinctl provider: the pace of a provider, and which line of which file says so."""
import json
import pathlib
import shutil

import pytest
from ctllib import Ctl

CONF = pathlib.Path(__file__).parents[3] / "conf"
PEERS = {  # connections, messages a connection, TLS only
    "gmail": (5, 50, True), "yahoo": (5, 20, True), "yahoo-japan": (2, 20, False), "microsoft": (5, 50, True),
    "microsoft-365": (5, 50, True), "apple": (10, 5, True), "gmx": (4, 20, True), "mail-com": (4, 100, False),
    "orange": (2, 100, True), "comcast": (25, 1000, True), "mail-ru": (5, 20, False), "yandex": (5, 20, False),
    "qq": (4, 8, False), "netease": (4, 7, False), "kpn": (10, 10, False), "netvigator": (5, 10, False),
    "mimecast": (50, 100, False), "barracuda": (10, 15, False)}
OWN = """
include: [providers.yaml, late.yaml]
providers:
  gmail:
    connections: 3
"""


@pytest.fixture
def run(tmp_path):
    shutil.copy(CONF / "providers.yaml", tmp_path)
    (tmp_path / "late.yaml").write_text("providers:\n  gmail:\n    connections: 4\n    rate: 100/m\n")
    (tmp_path / "penguin-mta.yaml").write_text(OWN)
    ctl = Ctl("dbname=nobody-is-there", tmp_path)
    return lambda *words, code=0: ctl.run("-c", tmp_path / "penguin-mta.yaml", *words, code=code)


def keys(text):
    return {row["key"]: (row["value"], row["set_by"]) for row in map(json.loads, text.splitlines())}


def line_of(text, what):
    return text.splitlines().index(what) + 1


def test_each_value_has_the_line_that_set_it(run, tmp_path):
    """A later file wins key by key, and the including one over all."""
    got = keys(run("provider", "show", "gmail", "--json"))
    shipped = (CONF / "providers.yaml").read_text()
    assert got["connections"][0] == "3" and got["connections"][1].endswith(f"penguin-mta.yaml:{line_of(OWN, '    connections: 3')}")
    assert got["rate"][0] == "100/m" and got["rate"][1].endswith("late.yaml:4")
    assert got["messages_per_connection"][0] == "50"
    assert got["messages_per_connection"][1].endswith(f"providers.yaml:{line_of(shipped, '    messages_per_connection: 50')}")
    assert got["suspend"] == ("10m", "default")
    words = [line.split() for line in run("provider", "show", "gmail").splitlines()]
    assert ["suspend", "10m", "default"] in words and {w[0] for w in words} == set(got)


@pytest.mark.parametrize("what", ["aspmx.l.google.com", "ASPMX.L.GOOGLE.COM", "gmail"])
def test_an_mx_leads_to_its_provider(run, what):
    said = run("provider", "show", what)
    assert ("of the provider gmail" in said) == (what != "gmail")
    assert any(line.split()[:2] == ["tls", "required"] for line in said.splitlines())


def test_everybody_else_is_a_default_site(run):
    assert keys(run("provider", "show", "default_site", "--json"))["connections"] == ("2", "default")
    assert "default_site" in run("provider", "show", "mx.example.org", code=65)
    assert "did you mean 'gmail'" in run("provider", "show", "gmial", code=65)


def test_the_shipped_file_has_what_is_known_of_the_large_ones(run):
    listed = [line.split()[0] for line in run("provider", "list").splitlines()]
    assert len(listed) >= 20 and set(PEERS) <= set(listed)
    rows = [json.loads(line) for line in run("provider", "list", "--json").splitlines()]
    for name, (connections, messages, tls) in PEERS.items():
        got = {row["key"]: row["value"] for row in rows if row["provider"] == name}
        assert got["connections"] == ("3" if name == "gmail" else str(connections)), name
        assert got["messages_per_connection"] == str(messages), name
        assert (got["tls"] == "required") == tls, name
