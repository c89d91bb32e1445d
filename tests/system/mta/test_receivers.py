"""A receiver of other people's making: Postfix's smtp-sink, unpacked from its package."""
import email
import email.policy
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def postfix():
    """Its folder; fetched when it is not there yet."""
    return pathlib.Path(subprocess.run([ROOT / "tools" / "receivers", "postfix"], check=True,
                                       stdout=subprocess.PIPE, text=True).stdout.strip())


@pytest.fixture
def boxes():
    """A folder that the sink's user may write to."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="penguin-sink."))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


class Sink:
    """smtp-sink on 127.0.30.1; every message becomes a file in `boxes`."""

    def __init__(self, postfix, boxes, *options):
        with socket.socket() as free:
            free.bind(("127.0.30.1", 0))
            self.port = free.getsockname()[1]
        user = ["-u", "nobody"] if os.getuid() == 0 else []
        self.process = subprocess.Popen(
            [postfix / "usr/sbin/smtp-sink", *user, *options, "-d", f"{boxes}/m.", f"127.0.30.1:{self.port}", "100"],
            env=dict(os.environ, LD_LIBRARY_PATH=str(postfix / "usr/lib/postfix")))
        for _ in range(100):
            try:
                socket.create_connection(("127.0.30.1", self.port), 1).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.1)
        raise AssertionError("smtp-sink does not listen")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def test_postfix_sink_takes_each_message_once(stack, postfix, boxes):
    sink = Sink(postfix, boxes)
    try:
        with stack() as s:
            campaign = s.campaign()
            people = [f"user{i}@d{i}.test" for i in range(1, 41)]
            s.enqueue(campaign, people)
            s.start(delivery={"redirect": f"127.0.30.1:{sink.port}"})
            s.wait(campaign)
            assert s.account(campaign) == {"delivered": 40}
            s.stop()
    finally:
        sink.stop()
    found = []
    for path in boxes.iterdir():
        message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        found.append(message["To"])
        assert message["X-Helo-Args"] == "s1.shop.test" and message["DKIM-Signature"]
    assert sorted(found) == sorted(people)
