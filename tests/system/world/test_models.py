"""Models of mailbox providers on sockets: what they refuse, and what they think of whom."""

import pathlib
import subprocess
import time

import pytest
from worldlib import PORTS, PROGRAM, Client

HOSTS = """
hosts:
  - host: "mx[1-2].big.test"
    address: 127.0.10.{1}
  - host: other.test
    address: 127.0.10.9
"""
SHIPPED = pathlib.Path(__file__).parents[2] / "data/world-providers.yaml"


def model(*lines):
    return HOSTS + "models:\n  - model: big\n    host: \"mx*.big.test\"\n" + "".join(f"    {line}\n" for line in lines)


def sends(world, count, source="127.0.5.1", address="127.0.10.1", domain="big.test"):
    """How each of so many messages over one connection ended."""
    ends = []
    with Client(world, address, source) as client:
        client.hello()
        for n in range(count):
            ends.append(client.deliver(f"user{n}@{domain}"))
            if ends[-1].startswith("421"):
                break
            if ends[-1][0] != "2":
                client.ask("RSET")
    return ends


def test_a_rate_is_of_the_provider_not_of_a_host(start):
    world = start(model("rate: 5/h burst 5", "replies: {rate: 451 4.7.0 slow down}"))
    ends = sends(world, 4) + sends(world, 4, address="127.0.10.2")
    assert [end[:3] for end in ends] == ["250"] * 5 + ["451"] * 3 and ends[-1] == "451 4.7.0 slow down"
    assert [end[:3] for end in sends(world, 2, source="127.0.5.2")] == ["250"] * 2, "another source has its own"
    assert [end[:3] for end in sends(world, 2, address="127.0.10.9")] == ["250"] * 2, "another host is not its"
    stats = {m["source"]: m for m in world.stop()["models"]}
    assert len(world.ledger()) == 9
    assert (stats["127.0.5.1"]["accepted"], stats["127.0.5.1"]["refused"]["rate"]) == (5, 3)


def test_connections_count_over_all_its_hosts_and_come_back(start):
    world = start(model("connections: 2"))
    with Client(world, "127.0.10.1") as one, Client(world, "127.0.10.2") as two:
        one.hello()
        two.hello()
        with Client(world, "127.0.10.1") as three:
            assert three.reply().startswith("421 ")
            assert three.rest() == b""
        with Client(world, "127.0.10.1", "127.0.5.2") as four:
            four.hello()
    for _ in range(100):
        with Client(world, "127.0.10.1") as again:
            if again.reply().startswith("220"):
                return
        time.sleep(0.01)
    raise AssertionError("what was closed still counts")


@pytest.mark.parametrize("at, ends", [("mail", 0), ("rcpt", 1), ("dot", 3)])
def test_it_refuses_where_it_says(start, at, ends):
    world = start(model("rate: 1/h", f"refuses_at: {at}"))
    assert sends(world, 2)[1].startswith("451 ")
    after = world.events("command")
    begun = [i for i, e in enumerate(after) if e["text"].startswith("MAIL")][1]
    assert len([e for e in after[begun + 1:] if e["text"] != "RSET"]) == min(ends, 2)


def test_an_address_that_is_new_has_a_quota(start):
    world = start(model("quotas: [3]", "day: 1h"))
    assert [end[:3] for end in sends(world, 5)] == ["250"] * 3 + ["451"] * 2


def test_the_same_users_are_unknown_with_the_same_seed(start):
    text = model("unknown_users: 20%", "unknown_user_costs: 1%")
    runs = [[end[:3] for end in sends(start(text, "--seed", seed), 100)] for seed in ("1", "1", "2")]
    assert runs[0] == runs[1] != runs[2]
    assert 5 < runs[0].count("550") < 40 and runs[0].count("250") == 100 - runs[0].count("550")


def test_reputation_falls_and_then_it_defers_and_blocks(start):
    world = start(model("rate: 1/h", "excess_costs: 10%", "defer_below: 40%", "block_below: 20%"))
    ends = sends(world, 100)
    assert ends[0].startswith("250") and ends[1].startswith("451 4.7.0") and ends[-1].startswith("554 5.7.1")
    assert any(end.startswith("451 4.7.1") for end in ends)
    assert world.stop()["models"][0]["reputation"] < 0.2


def test_greylisting_is_over_when_it_said(start):
    world = start(model("greylist: 200ms"))
    assert [end[:3] for end in sends(world, 2)] == ["450"] * 2
    time.sleep(0.3)
    assert [end[:3] for end in sends(world, 2)] == ["250"] * 2


def test_a_full_connection_is_closed_without_a_word(start):
    world = start(model("messages_per_connection: 2"))
    with Client(world, "127.0.10.1") as client:
        client.hello()
        assert [client.deliver()[:3] for _ in range(2)] == ["250"] * 2
        client.send("MAIL FROM:<s@from.test>\r\n")
        assert client.rest() == b""


def test_a_storm_and_silence(start):
    world = start(model("spells:", "  - {spell: storm, length: 1h}"))
    with Client(world, "127.0.10.1") as client:
        assert client.reply().startswith("421 4.3.2")
    world = start(model("spells:", "  - spell: dead"))
    with Client(world, "127.0.10.1", timeout=0.3) as client, pytest.raises(TimeoutError):
        client.reply()


def test_a_rule_comes_before_the_model(start):
    world = start(model("rate: 1/h") + 'rules:\n  - at: mail\n    sender: "vip@*"\n    reply: 250 welcome\n')
    with Client(world, "127.0.10.1") as client:
        client.hello()
        assert [client.deliver(sender="vip@x.test")[:3] for _ in range(3)] == ["250"] * 3


def test_the_six_of_the_examples_are_read_and_speak(start):
    names = ["gmail", "yahoodns", "olc.protection.outlook", "icloud", "gmx", "orange"]
    hosts = "hosts:\n" + "".join(f"  - host: mx.{name}.test\n    address: 127.0.10.{n + 1}\n" for n, name in enumerate(names))
    world = start(hosts + SHIPPED.read_text())
    for n in range(len(names)):
        assert sends(world, 1, address=f"127.0.10.{n + 1}")[0][:3] == ("450" if names[n] == "orange" else "250")


WRONG = {
    "rate: fast": "is not a rate; write it as 100/m, 20/30m burst 5 or none",
    "replies: {rate: 250 fine}": "refuses nothing; write a code from 400",
    "replies: {rates: 450 no}": "did you mean 'rate'",
    "quotas: 5": "must be a list of numbers",
    "quotas: [five]": "must be a number",
    "spells: [{length: 1h}]": "needs spell: storm, dead or slow",
    "spells: [{spell: slow}]": "a slow spell needs delay",
    "spells: [{spell: storm, every: 1h}]": "needs length",
    "day: 0s": "a day takes some time",
    "refuses_at: data": "write mail, rcpt or dot",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_told_with_its_place(tmp_path, line):
    path = tmp_path / "world.yaml"
    path.write_text(PORTS + model(line))
    run = subprocess.run([PROGRAM, "--config", path, "--check"], capture_output=True, text=True, timeout=20, check=False)
    assert run.returncode != 0 and WRONG[line] in run.stderr and f"{path}:" in run.stderr
