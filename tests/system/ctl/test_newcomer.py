"""What a newcomer gets wrong with penguinctl: each answer says where, and what to do."""
import json

import pytest
from ctllib import Ctl
from mtalib import CONTENT


@pytest.fixture
def shop(empty_dsn, tmp_path):
    ctl = Ctl(empty_dsn, tmp_path)
    (tmp_path / "letter.json").write_text(json.dumps(CONTENT))
    ctl.run("migrate", "up")
    ctl.run("tenant", "add", "acme")
    ctl.run("content", "add", "letter.json", "--name", "letter")
    ctl.run("campaign", "create", "spring", "--content", "letter")
    return ctl


@pytest.mark.parametrize("words, code, answer", [
    (["campaign", "strat", "spring"], 64, "did you mean 'campaign start'?"),
    (["campaing", "start", "spring"], 64, "did you mean 'campaign start'?"),
    (["campaign", "list"], 64, "'penguinctl help campaign' lists"),
    (["enqeue", "people.csv"], 64, "did you mean 'enqueue'?"),
    (["-d"], 64, "-d DSN"),
    (["-x", "queue"], 64, "'-x' is no option"),
    (["queue", "--foo"], 64, "'penguinctl help queue' has all"),
    (["help", "nonsense"], 64, "'penguinctl help' lists them"),
    (["campaign", "create", "x", "--content", "letter", "--expire", "90d"], 64, "at most 30d"),
    (["campaign", "create", "x", "--content", "letter", "--priority", "101"], 64, "0 (first) to 100"),
    (["campaign", "create", "x", "--content", "letter", "--weight", "0"], 64, "1 to 1000"),
    (["tenant", "add", "beta", "--bounce-domain", "not a domain"], 64, "--bounce-domain 'not a domain'"),
    (["tenant", "add", "beta", "--sender-id", "beta"], 64, "--sender-id 'beta' must have 5 to 15 characters"),
    (["tenant", "add", "beta", "--sender-id", "be:ta"], 64, "no ':'"),
    (["key", "add", "acme", "acme.test", "k1", "--directory", "nowhere"], 73, "make it"),
    (["key", "add", "acme", "acme.test", "a b", "--directory", "."], 64, "selector"),
    (["enqueue", "--campaign", "spring", "letter.json", "--format", "xml"], 64, "csv or jsonl"),
])
def test_a_wrong_command_line(shop, words, code, answer):
    assert answer in shop.run(*words, code=code)


def test_help_is_where_it_is_looked_for(shop):
    everything = shop.run("help")
    assert everything == shop.run("--help") == shop.run("-h")
    assert "migrate up\n" in everything and "help [COMMAND]" in everything
    for words in (["help", "campaign", "show"], ["campaign", "show", "--help"], ["campaign", "show", "x", "--help"]):
        text = shop.run(*words)
        assert "campaign show" in text and "campaign create" not in text and "queue" not in text
    assert "campaign create" in shop.run("campaign", "--help")


def test_a_key_is_never_overwritten(shop):
    shop.run("key", "add", "acme", "acme.test", "k1", "--directory", ".")
    assert "choose another selector" in shop.run("key", "add", "acme", "acme.test", "k1", "--directory", ".", code=73)


@pytest.mark.parametrize("body, answer", [
    ('{\n  "from": "a@acme.test"\n  "subject": "x"}', "content:3:3: not JSON: ',' or the closing bracket is expected\n"),
    (json.dumps(dict(CONTENT, html="<p>\n{{>footer}}</p>")), "html:2:1: there is no content 'footer' for this partial: add that first\n"),
    (json.dumps(dict(CONTENT, text=None, html=None)), "content: it has neither 'text' nor 'html'\n"),
    (json.dumps(dict(CONTENT, variants=[{"name": "a"}, {"name": "b", "subject": None, "text": None, "html": None}])),
     "variants[1].subject: it is missing\nvariants[1]: it has neither 'text' nor 'html'\n"),
    (json.dumps(dict(CONTENT, unsubscribe={"url": None})), "unsubscribe: it must be an object with a 'url'\n"),
    (json.dumps(dict(CONTENT, attachments=[{"name": "a.png", "data": "eA==", "cid": 7}])), "attachments[0]: 'cid' must be a text\n"),
], ids=["json", "partial", "null text", "null in a variant", "null url", "number"])
def test_a_content_with_a_fault(shop, body, answer):
    (shop.directory / "broken.json").write_text(body)
    assert shop.run("content", "add", "broken.json", code=65) == "penguinctl: broken.json is not stored:\n" + answer


@pytest.mark.parametrize("text, answer", [
    ("mail,name\n", "people.csv: line 1: no column 'email'"),
    ("email;name\nann@d1.test;Ann\n", "commas separate the columns"),
    ("email\tname\nann@d1.test\tAnn\n", "commas separate the columns"),
    ('{"email": "ann@d1.test"}\n', "--format jsonl"),
    ("name,email,E-Mail,Email\n", 'columns 2 and 4 are both called "Email"'),
    ("email,x,y,x\n", 'columns 2 and 4 are both called "x"'),
])
def test_a_header_that_will_not_do(shop, text, answer):
    (shop.directory / "people.csv").write_text(text)
    assert answer in shop.run("enqueue", "--campaign", "spring", "people.csv", code=65)
    assert json.loads(shop.run("campaign", "show", "spring", "--json"))["committed"] == 0


def test_nameless_columns_and_names_that_differ_by_case_will_do(shop):
    (shop.directory / "people.csv").write_text("email,Name,name,,\nann@d1.test,ANN,Ann,,\n")
    assert shop.run("enqueue", "--campaign", "spring", "people.csv") == "1 added, 0 already there, 0 rejected\n"


def test_where_the_rejected_rows_are(shop):
    (shop.directory / "people.csv").write_text("email\nann@d1.test\nnobody\n")
    text = shop.run("enqueue", "--campaign", "spring", "people.csv")
    assert text == "1 added, 0 already there, 1 rejected: people.csv.rejected.csv says why\n"
    assert (shop.directory / "people.csv.rejected.csv").read_text() == \
        "line,reason,email\n3,\"the address has no '@'\",\"nobody\"\n"


def test_log_without_a_file_says_which_to_name(shop):
    import os
    if os.path.exists("/var/log/penguin-mta/delivery.log"):
        pytest.skip("this machine has a delivery log")
    assert "'penguinctl log FILE'" in shop.run("log", code=66)
