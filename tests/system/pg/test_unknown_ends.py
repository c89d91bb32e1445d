"""The connection is cut between a COMMIT and its answer: neither side knows what the other does."""
import pathlib
import random
import select
import shutil
import socket
import tempfile
import threading

import pytest

MANY = 3000


class Proxy:
    """A server's socket.  An answer that is chosen never arrives: the server has done what was asked,
    and both connections end."""

    def __init__(self, server_dir, seed, every):
        self.target = f"{server_dir}/.s.PGSQL.5432"
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pgproxy."))
        self.chance, self.every = random.Random(seed), every
        self.cuts, self.open = 0, True
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.directory / ".s.PGSQL.5432"))
        self.listener.listen()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while self.open:
            if not select.select([self.listener], [], [], 0.1)[0]:
                continue
            client, _ = self.listener.accept()
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.target)
            self.pass_on(client, server)
            client.close()
            server.close()

    def pass_on(self, client, server):
        """One connection at a time: claim-cli has no more."""
        answers, last = 0, self.chance.randint(3, self.every)
        while self.open:
            for ready in select.select([client, server], [], [], 0.1)[0]:
                data = ready.recv(65536)
                if ready is server and data.endswith(b"Z\x00\x00\x00\x05I"):
                    answers += 1
                    if answers >= last:
                        self.cuts += 1
                        return
                if not data:
                    return
                (server if ready is client else client).sendall(data)

    def close(self):
        self.open = False
        self.thread.join()
        self.listener.close()
        shutil.rmtree(self.directory)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tenant_Q7_a_commit_with_an_unknown_end(cluster, database, shop, run, seed):
    campaign = shop.campaign()
    ids, _ = shop.enqueue(campaign, recipients=[f"{'retry' if i % 4 == 0 else 'ok'}{i}@d{i % 7}.example" for i in range(MANY)])
    proxy = Proxy(cluster.directory, seed, every=14)
    try:
        lines = run(database.replace(cluster.directory, str(proxy.directory)), credit=300, hold_ms=30, filing_ms=200,
                    idle_ms=4000).finish()
    finally:
        proxy.close()
    assert proxy.cuts >= 5
    assert shop.account(campaign) == {"delivered": MANY}
    # The worker lived and remembers what it did: a job comes once, and again only as the retry it asked for.
    seen = {}
    for line in lines:
        if line["event"] == "job":
            seen.setdefault(line["job"], []).append(line["attempts"])
    assert sorted(seen) == sorted(ids)
    assert {tuple(times) for times in seen.values()} == {(0,), (0, 1)}
    assert shop.session.value("SELECT count(*) FROM penguin.attempts") == MANY + MANY // 4
    assert shop.session.value("SELECT count(*) FROM penguin.batches") == 0
    assert shop.session.query("SELECT sum(attempts), sum(deferrals) FROM penguin.campaign_stats") == [
        (MANY + MANY // 4, MANY // 4)]
