"""The command line and the configuration: every error is told, with the remedy."""

import signal
import subprocess

import pytest
import worldlib


def run(tmp_path, text, *options):
    path = tmp_path / "w.yaml"
    path.write_text(text)
    return subprocess.run([worldlib.PROGRAM, "--config", path, *(options or ["--check"])],
                          capture_output=True, text=True, timeout=20, check=False)


def test_the_samples_are_right():
    for sample in sorted((worldlib.ROOT / "tests" / "data").glob("world-*.yaml")):
        done = subprocess.run([worldlib.PROGRAM, "--config", sample, "--check"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text, place, remedy", [
    ("domians: []\n", "1:1", "did you mean 'domains'?"),
    ("wholly-else: 1\n", "1:1", "penguin-world.yaml(5)"),
    ("domains:\n  - domain: 'd[5-1].test'\n", "2:13", "low number first"),
    ("domains:\n  - mx: x\n", "2:5", "needs domain:"),
    ("domains:\n  - domain: d1.test\n    mx: '10 mx{1}.test'\n", "2:5", "{1} is the first range or star"),
    ("domains:\n  - domain: d1.test\n    fault: servfial\n", "3:12", "servfail"),
    ("domains:\n  - domain: d1.test\n    ttl: soon\n", "3:10", "not a number"),
    ("domains: 5\n", "1:10", "must be a list"),
    ("hosts:\n  - host: '*.test'\n    address: 127.0.0.1\n", "2:5", "without '*'"),
    ("hosts:\n  - host: a.test\n", "2:5", "needs address:"),
    ("hosts:\n  - host: a.test\n    address: 192.0.2.1\n", "2:5", "127.0.0.0/8"),
    ("hosts:\n  - host: 'a[1-300].test'\n    address: 127.0.0.{1}\n", "2:5", "a256.test"),
    ("hosts:\n  - host: a.test\n    address: 127.0.0.1\n    latency: quick\n", "4:14", "20ms"),
    ("hosts:\n  - host: 'a[1-70000].test'\n    address: 127.0.0.1\n", "1:1", "60000"),
    ("rules:\n  - reply: 450 x\n", "2:5", "needs at:"),
    ("rules:\n  - at: rcptt\n    reply: 450 x\n", "2:9", "rcpt"),
    ("rules:\n  - at: rcpt\n    reply: later\n", "2:5", "code and a text"),
    ("rules:\n  - at: rcpt\n    nth: 5-2\n", "3:10", "10+"),
    ("rules:\n  - at: rcpt\n    share: 20\n", "3:12", "2.5%"),
    ("rules:\n  - at: rcpt\n    share: 120%\n", "3:12", "2.5%"),
    ("rules:\n  - at: rcpt\n    raw_hex: 0g\n", "3:14", "hexadecimal"),
    ("rules:\n  - at: rcpt\n    accept: maybe\n", "3:13", "true or false"),
    ("rules:\n  - at: connect\n    script:\n      - times: 3\n", "4:9", "a step needs"),
    ("dns: {listen: '192.0.2.1:53'}\n", "1:15", "127.0.0.1:5353"),
    ("smtp: {port: 70000}\n", "1:14", "65535"),
    ("a: [\n", "2:1", ""),
])
def test_errors(tmp_path, text, place, remedy):
    done = run(tmp_path, text)
    assert done.returncode == 78
    assert f"w.yaml:{place}: " in done.stderr
    assert remedy in done.stderr


def test_all_errors_at_once(tmp_path):
    done = run(tmp_path, "rules:\n  - at: rcptt\n  - rply: 450 x\n    at: rcpt\n")
    assert ":2:9:" in done.stderr and ":3:5:" in done.stderr and "did you mean 'reply'?" in done.stderr


def test_defaults_of_the_section_smtp(start):
    with worldlib.Client(start("hosts:\n  - host: a.test\n    address: 127.0.10.1\n"
                               "  - host: b.test\n    address: 127.0.10.2\n    greeting: own\n")) as client:
        assert client.reply() == "220 a.test ESMTP penguin-world"


def test_a_host_inherits(tmp_path):
    text = ("hosts:\n  - host: a.test\n    address: 127.0.10.1\n  - host: b.test\n    address: 127.0.10.2\n"
            "    greeting: own\nsmtp:\n  port: 0\n  greeting: common\ndns: {listen: '127.0.0.1:0'}\n")
    with worldlib.World(tmp_path, text) as world:
        with worldlib.Client(world, "127.0.10.1") as one, worldlib.Client(world, "127.0.10.2") as two:
            assert one.reply() == "220 common" and two.reply() == "220 own"


@pytest.mark.parametrize("options, code", [
    (["--nonsense"], 64),
    ([], 64),
    (["--ledger", "/nonexistent/x"], 73),
    (["--ledger", "x", "--scale", "fast"], 64),
    (["--ledger", "x", "--seed", "-1"], 64),
    (["--ledger", "x", "extra"], 64),
])
def test_exit_codes(tmp_path, options, code):
    path = tmp_path / "w.yaml"
    path.write_text("dns: {listen: '127.0.0.1:0'}\n")
    done = subprocess.run([worldlib.PROGRAM, "--config", path, *options], capture_output=True, text=True, timeout=20,
                          cwd=tmp_path, check=False)
    assert done.returncode == code and done.stderr


def test_a_port_that_is_taken(tmp_path):
    text = worldlib.PORTS + "hosts: [{host: a.test, address: 127.0.10.1}]\n"
    with worldlib.World(tmp_path, text) as world:
        done = run(tmp_path, text.replace("port: 0", f"port: {world.smtp_port}"), "--ledger", str(tmp_path / "l2"))
    assert done.returncode == 71 and "127.0.10.1" in done.stderr


def test_a_file_that_is_not_there(tmp_path):
    done = subprocess.run([worldlib.PROGRAM, "--config", tmp_path / "no.yaml", "--check"], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 78 and "no.yaml" in done.stderr


def test_ready_fd_and_sigint(tmp_path):
    import os

    path = tmp_path / "w.yaml"
    path.write_text(worldlib.PORTS)
    reader, writer = os.pipe()
    process = subprocess.Popen([worldlib.PROGRAM, "--config", path, "--ledger", tmp_path / "l", "--ready-fd",
                                str(writer)], pass_fds=[writer], stdout=subprocess.PIPE, text=True)
    os.close(writer)
    line = os.read(reader, 200).decode()
    assert line.startswith("ready dns=127.0.0.1:") and line.endswith("\n")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=10)
    assert process.returncode == 0 and out == ""


def test_the_ledger_is_appended_to(tmp_path):
    text = worldlib.PORTS + "hosts: [{host: a.test, address: 127.0.10.1}]\n"
    for n in (1, 2):
        with worldlib.World(tmp_path, text) as world:
            with worldlib.Client(world) as client:
                client.hello()
                client.deliver()
            assert len(world.ledger()) == n


def test_many_hosts(start):
    world = start("hosts:\n  - host: 'mx[1-2000].test'\n    address: 127.9.{1/250}.{1%250+1}\n")
    for n in (1, 250, 2000):
        with worldlib.Client(world, f"127.9.{n // 250}.{n % 250 + 1}") as client:
            assert client.reply() == f"220 mx{n}.test ESMTP penguin-world"
