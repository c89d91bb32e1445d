"""The whole engine for a test: a migrated database, penguin-world, penguin-mta, and a tenant.

    with Stack(dsn, tmp_path, world=WORLD) as stack:
        campaign = stack.campaign()
        stack.enqueue(campaign, ["ann@d1.test"])
        stack.start()
        stack.wait(campaign)
        assert stack.check(campaign) == {"delivered": 1}

What is asserted comes from the world's ledger and from Postgres, never from the engine's own log.

Standing assertions of each test: whatever the receivers took is as it was signed, by libopendkim's
word, and has no octet that may not be on the wire.
"""

import collections
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "system" / "sql"))

from penguin import STATES, Shop  # noqa: E402
from worldlib import BUILD, World  # noqa: E402

MTA = BUILD / "src" / "main" / "penguin-mta"
AHEAD = BUILD / "tests" / "tools" / "ahead.so"
VERIFY = BUILD / "tools" / "dkim" / "dkim-verify"
OCTETS = {"bare_lf", "bare_cr", "nul", "text_long", "8bit", "size"}  # violations of a message's bytes
DOMAIN = "news.shop.test"

WORLD = """
dns:
  listen: 127.0.0.1:0
  dkim_dir: dkim
smtp:
  port: 0
tls:
  directory: .
hosts:
  - host: "mx[1-3].post.test"
    address: 127.0.10.{1}
domains:
  - domain: "d[1-50].test"
    mx: ["10 mx{1%3+1}.post.test"]
"""

CONTENT = {
    "from": {"email": f"ann@{DOMAIN}", "name": "Ann of the Shop"},
    "subject": "Hello {{name}}",
    "text": "Hello {{name}}\n\nGood news.\n",
    "html": "<p>Hello {{name}}</p><p>Good news.</p>\n",
}

CONFIG = {
    "workers": 1,
    "postgres": {"poll_busy": "20ms", "poll_idle": "50ms", "sweep": "500ms", "feed": "200ms"},
    "dns": {"min_ttl": "0", "timeout": "1s"},
    "guard": {"allow": ["127.0.0.0/8"]},
    "retry": {"first": "1s", "max": "2s", "jitter": 0, "expire": "1h"},
    "report": {"interval": "100ms", "retry_interval": "300ms"},
    "sources": {"s1": {"ipv4": "127.0.5.1", "ehlo": "s1.shop.test"}},
    "pools": {"default": {"sources": ["s1"]}},
    "default_site": {"connections": 3},
}


def merged(base, change):
    """Maps are merged key by key; a value of None takes a key away."""
    if not isinstance(base, dict) or not isinstance(change, dict):
        return change
    result = dict(base)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def wait_for(condition, timeout=60):
    """Of what comes sooner or later: a busy machine takes its time."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.05)


def is_disk(path):
    """False for what a power cut empties: penguin-mta refuses a durable journal there."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", path], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return kind not in ("tmpfs", "ramfs", "nfs")


class Stack:
    def __init__(self, dsn, directory, world=WORLD, config=None, content=None, world_options=(), judge=True):
        self.dsn = dsn
        self.directory = pathlib.Path(directory)
        self.boxes = self.directory / "boxes" if judge else None  # what the receivers took, a file a message
        self.world_text = world
        self.world_options = world_options
        self.config = merged(CONFIG, config or {})
        self.content = content or CONTENT
        self.mta = None
        self.alone = False  # one worker without a supervisor: its signals and its exit code are the test's

    def __enter__(self):
        self.shop = Shop(self.dsn)
        self.shop.session.query(
            "UPDATE penguin.tenants SET settings = %s WHERE tenant_id = %s",
            json.dumps({"bounce_domain": "bounce.shop.test", "tracking_domain": "t.shop.test",
                        "sender_id": "shop1"}), self.shop.tenant)
        self.set_content(self.content)
        self.make_keys()
        boxes = ["--mailboxes", str(self.boxes)] if self.boxes else []
        self.world = World(self.directory, self.world_text, *boxes, *self.world_options)
        self.world.__enter__()
        return self

    def __exit__(self, kind, value, trace):
        if self.mta is not None:
            self.end_tree()
        self.world.__exit__(kind, value, trace)
        self.shop.session.close()
        if kind is None and self.boxes:
            self.judge()
        if kind not in (None, KeyboardInterrupt):
            print((self.directory / "mta.log").read_text()[-4000:] if (self.directory / "mta.log").exists() else "")

    def letters(self):
        """What the receivers took, by recipient."""
        return {path.parent.name: path.read_bytes() for path in sorted(self.boxes.rglob("*.eml"))}

    def judge(self):
        """Every message that was taken verifies, and is of octets that may be sent."""
        ledger = self.world.ledger()
        for line in ledger:
            assert not OCTETS.intersection(line["violations"]), line
        if not ledger:
            return
        records = self.directory / "records"
        records.write_text("".join(f"{p.name} {p.read_text()}\n" for p in (self.directory / "dkim").iterdir()))
        # libopendkim leaks with Ed25519
        done = subprocess.run([VERIFY, records, self.boxes], stdout=subprocess.PIPE, text=True, check=False,
                              env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
        assert done.stdout.endswith(f"{len(ledger)} passed, 0 failed\n"), done.stdout[-3000:]

    def set_content(self, content, version=None):
        version = version or self.shop.session.value(
            "SELECT coalesce(max(version), 0) + 1 FROM penguin.contents WHERE tenant_id = %s AND id = %s",
            self.shop.tenant, self.shop.content)
        raw = content if isinstance(content, bytes) else None
        self.shop.session.query(
            "INSERT INTO penguin.contents (tenant_id, id, version, name, kind, body, raw)"
            " VALUES (%s, %s, %s, 'letter', %s, %s, %s)", self.shop.tenant, self.shop.content, version,
            "raw" if raw else "template", None if raw else json.dumps(content), raw)

    def add_key(self, selector, algorithm="RSA", publish=True, domain=DOMAIN):
        """A key of the tenant, and its record in the world's DNS."""
        folder = self.directory / "keys" / self.shop.tenant / domain
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{selector}.pem"
        kind = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if algorithm == "RSA" else ["-algorithm", "ed25519"]
        subprocess.run(["openssl", "genpkey", *kind, "-out", path], check=True, stderr=subprocess.DEVNULL)
        path.chmod(0o600)
        der = subprocess.run(["openssl", "pkey", "-in", path, "-pubout", "-outform", "DER"], check=True,
                             stdout=subprocess.PIPE).stdout
        if algorithm != "RSA":
            der = der[-32:]
        import base64
        record = f"v=DKIM1; k={'rsa' if algorithm == 'RSA' else 'ed25519'}; p={base64.b64encode(der).decode()}"
        if publish:
            self.publish(selector, record, domain)
        return record

    def publish(self, selector, record, domain=DOMAIN):
        (self.directory / "dkim" / f"{selector}._domainkey.{domain}").write_text(record)

    def make_keys(self):
        (self.directory / "dkim").mkdir(exist_ok=True)
        (self.directory / "keys").mkdir(exist_ok=True)
        self.add_key("r1")
        token = self.directory / "token.key"
        token.write_text("0123456789abcdef0123456789abcdef\n")
        token.chmod(0o600)

    def write_config(self, **change):
        self.config = merged(self.config, change)
        text = merged({
            "postgres": {"dsn": self.dsn},
            "dns": {"servers": [f"{self.world.dns_address}:{self.world.dns_port}"]},
            "keys": {"directory": str(self.directory / "keys")},
            "delivery": {"log": str(self.directory / "delivery.log"), "port": self.world.smtp_port},
            "tokens": {"keys": {"1": str(self.directory / "token.key")}},
            "spool": {"directory": str(self.directory / "spool"), "segment": "1MiB", "sync": is_disk(self.directory)},
        }, self.config)
        path = self.directory / "penguin-mta.yaml"
        path.write_text(json.dumps(text, indent=1) + "\n")  # JSON is YAML
        return path

    def start(self, **change):
        return self.start_in(None, **change)

    def start_in(self, environment, **change):
        words = [MTA, "-c", self.write_config(**change)] + (["--worker", "w0"] if self.alone else [])
        return self.run(words, env=environment)

    def start_worker(self, *options, name="w0", **change):
        """One worker with all sources and without a supervisor: what ends it is its exit code."""
        return self.run([MTA, "-c", self.write_config(**change), "--worker", name, *options])

    def run(self, words, **options):
        """A session of its own, so that end_tree() finds the workers too."""
        self.log = open(self.directory / "mta.log", "ab")
        self.mta = subprocess.Popen(words, stderr=self.log, start_new_session=True, **options)
        return self

    def end_tree(self):
        """As power loss would: the supervisor and its workers, at once, with nothing to say any more."""
        try:
            os.killpg(self.mta.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.mta.wait()
        wait_for(lambda: not self.processes())

    def processes(self):
        """Of the session that are left: process ids by the worker's name, "" for the supervisor."""
        found = {}
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                fields = (path / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[3] == str(self.mta.pid) and fields[0] != "Z":
                name = words[words.index(b"--worker") + 1].decode() if b"--worker" in words else ""
                found[name] = int(path.name)
        return found

    def start_ahead(self, seconds, **change):
        """The node's wall clock is so much ahead of the database's, until set_ahead() says otherwise."""
        self.set_ahead(seconds)
        return self.start_in(dict(os.environ, LD_PRELOAD=str(AHEAD), AHEAD_FILE=str(self.directory / "ahead"),
                                  ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0"), **change)

    def set_ahead(self, seconds):
        """The clock jumps, at once."""
        fresh = self.directory / "ahead.new"
        fresh.write_text(str(seconds))
        fresh.rename(self.directory / "ahead")

    def reload(self, **change):
        self.write_config(**change)
        self.mta.send_signal(signal.SIGHUP)

    def stop(self, timeout=30):
        """Drains it; it must end in order and without a report of the sanitizers."""
        self.mta.terminate()
        code = self.mta.wait(timeout)
        self.log.close()
        assert code == 0, f"penguin-mta ended with {code}:\n{self.log_text()[-3000:]}"

    def kill(self):
        self.end_tree()
        self.log.close()

    def log_text(self):
        return (self.directory / "mta.log").read_text()

    def campaign(self, expires_s=None, **settings):
        campaign = self.shop.campaign(**settings)
        if expires_s is not None:
            self.shop.session.query("UPDATE penguin.campaigns SET expires_after = %s * interval '1 s' WHERE id = %s",
                                    expires_s, campaign)
        return campaign

    def enqueue(self, campaign, recipients, variables=None):
        from penguin import uuid7
        ids = [uuid7() for _ in recipients]
        for at in range(0, len(ids), 10000):
            part = slice(at, at + 10000)
            rows = variables[part] if variables else [{"name": r.split("@")[0]} for r in recipients[part]]
            self.shop.session.run("enqueue_jobs", self.shop.tenant, campaign, ids[part], recipients[part],
                                  [json.dumps(v) for v in rows], [None] * len(ids[part]), None)
        return ids

    def account(self, campaign):
        row = self.shop.session.run("accounting", self.shop.tenant, campaign)[0]
        return {s: int(row[s]) for s in STATES if row[s]}

    def wait(self, campaign, condition=None, timeout=60):
        """Until no job is waiting, leased or retrying, or until condition(account)."""
        done = condition or (lambda a: not any(a.get(s) for s in ("waiting", "leased", "retrying")))
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            account = self.account(campaign) if campaign else {}
            if done(account):
                return account
            assert self.mta is None or self.mta.poll() is None, "penguin-mta is gone:\n" + self.log_text()[-3000:]
            time.sleep(0.05)
        raise AssertionError(f"still {account} after {timeout} s:\n{self.log_text()[-3000:]}")

    def attempts(self, campaign):
        with self.shop.session.connection.cursor() as cursor:
            cursor.execute("SELECT job_id::text, attempt_no, state, category, action, phase, code, enhanced, reply,"
                           " source, mx, host(mx_address), tls_version, flags FROM penguin.attempts"
                           " WHERE campaign_id = %s ORDER BY id", (campaign,))
            names = [c.name for c in cursor.description]
            return [dict(zip(names, row)) for row in cursor.fetchall()]

    def final_states(self, campaign):
        """By job: the state of its last attempt."""
        return {row["job_id"]: row["state"] for row in self.attempts(campaign)}

    def join(self, campaign):
        """lost, duplicate, misreported: the ledger joined with Postgres by job id."""
        lines = collections.Counter(line["job"] for line in self.world.ledger())
        final = self.final_states(campaign)
        lost = [j for j, s in final.items() if s == "delivered" and lines[j] == 0]
        duplicate = [j for j, n in lines.items() if n > 1]
        misreported = [j for j in lines if final.get(j) not in ("delivered", "in_doubt")]
        return lost, duplicate, misreported

    def check(self, campaign, duplicates=False):
        """The account, after the join was found clean and a recount agrees."""
        account = self.wait(campaign)
        lost, duplicate, misreported = self.join(campaign)
        assert not lost and not misreported, (lost, misreported)
        assert duplicates or not duplicate, duplicate
        self.shop.account(campaign)
        return account

    def environment(self):
        return dict(os.environ)
