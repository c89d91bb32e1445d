"""The demo's story, told to the terminal: tools/demo prepares the machine and starts it.

A campaign of 1,000 recipients in 50 domains goes from Postgres to mailboxes of a simulated internet,
and is accounted for afterwards: every signature judged by libopendkim, the ledger of what was really
received joined with the database by job id.  Exit 0 only when nothing is off.
"""
import argparse
import contextlib
import csv
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "system"), str(ROOT / "tests" / "system" / "sql")]

from ledgerjoin import SUMS  # noqa: E402
from mtalib import BUILD, DOMAIN, Stack  # noqa: E402
from zonelib import GOOD, world_with  # noqa: E402

CTL = BUILD / "src" / "main" / "penguinctl"
PGTEMP = ROOT / "tests" / "pgtemp"

TOTAL = 1000
WORLD = """
dns:
  listen: 127.0.0.1:0
  dkim_dir: dkim
smtp:
  port: 0
  keywords: [PIPELINING, SIZE 52428800, 8BITMIME, ENHANCEDSTATUSCODES, STARTTLS]
  latency: 5ms
tls:
  directory: .
hosts:
  - host: "mx[1-5].post.test"
    address: 127.0.10.{1}
domains:
  - domain: "d[1-50].test"
    mx: ["10 mx{1%5+1}.post.test", "20 mx{1+1%5+1}.post.test"]
rules:
  - at: rcpt
    recipient: "later*@*"
    nth: 1-1
    per: recipient
    reply: 450 4.2.0 mailbox busy, try again later
  - at: rcpt
    recipient: "gone*@*"
    reply: 550 5.1.1 no such user here
"""

CONTENT = {
    "from": {"email": f"ann@{DOMAIN}", "name": "Ann of the Shop"},
    "subject": "{{name}}, news for {{city}}",
    "text": "Dear {{name}},\n\nthis week in {{city}}: {{offer}}.\n\nAnn\n",
    "html": "<p>Dear {{name}},</p><p>this week in <b>{{city}}</b>: {{offer}}.</p><p>Ann</p>\n",
}


class Interrupts:
    """Ctrl-C and its kin end the demo once, and never in the midst of what would be left half-made."""

    def __init__(self):
        self.number = None
        self.held = False
        self.hear(self.on_signal)

    @staticmethod
    def hear(action):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, action)

    def on_signal(self, number, _):
        if self.number is None:
            self.number = number
            if not self.held:
                raise KeyboardInterrupt

    @contextlib.contextmanager
    def hold(self):
        self.held = True
        try:
            yield
        finally:
            self.held = False
            if self.number is not None:
                raise KeyboardInterrupt


def say(text=""):
    print(text, flush=True)


def ctl(dsn, *words, show=True):
    """Runs penguinctl as an operator would, and shows the command and what it said."""
    words = [str(w) for w in words]
    if show:
        say("  $ penguinctl " + " ".join(f"'{w}'" if " " in w else w for w in words))
    answer = subprocess.run([CTL, *words], env=dict(os.environ, PENGUIN_DSN=dsn, NO_COLOR="1"),
                            stdout=subprocess.PIPE, text=True, check=False)
    if answer.returncode != 0:
        raise SystemExit(f"demo: penguinctl {words[0]} ended with {answer.returncode}")
    if show:
        say("".join(f"    {line[:100]}\n" for line in answer.stdout.splitlines()).rstrip("\n"))
    return answer.stdout


def make_csv(count, domains=50):
    """A campaign's list, as an app would export it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["email", "name", "city", "offer"])
    cities = ["Lisboa", "Köln", "Kraków", "Paris", "東京"]
    for i in range(count):
        kind = "later" if i % 20 == 3 else "gone" if i % 25 == 7 else "reader"
        writer.writerow([f"{kind}{i}@d{i % domains + 1}.test", f"{kind.capitalize()} {i}",
                         cities[i % len(cities)], f"{i % 60 + 10} % off, \"only today\""])
    return out.getvalue()


def load_ledger(session, lines):
    session.query("DROP TABLE IF EXISTS demo_ledger")
    session.query("CREATE TEMP TABLE demo_ledger (job uuid, recipient text, line jsonb)")
    for line in lines:
        session.query("INSERT INTO demo_ledger VALUES (%s, %s, %s)", line["job"], line["recipient"], json.dumps(line))


def join(session, tenant, campaign):
    """delivered, bounced, deferred, lost, duplicate, misreported"""
    with session.connection.cursor() as cursor:
        cursor.execute(SUMS, {"tenant": tenant, "campaign": campaign})
        return dict(zip([c.name for c in cursor.description], cursor.fetchone()))


def progress(stack, campaign, total):
    """A bar until nothing waits any more."""
    begin = time.monotonic()
    while True:
        account = stack.account(campaign)
        done = sum(n for state, n in account.items() if state not in ("waiting", "leased", "retrying"))
        if sys.stdout.isatty():
            full = 40 * done // total
            print(f"\r  [{'#' * full}{'.' * (40 - full)}] {done}/{total}", end="", flush=True)
        if done == total:
            break
        if time.monotonic() - begin > 240 or stack.mta.poll() is not None or stack.world.process.poll() is not None:
            say()
            raise SystemExit(f"demo: not finished: {account}\n{stack.log_text()[-2000:]}")
        time.sleep(0.2)
    print("\r" if sys.stdout.isatty() else "", end="")
    say(f"  {total} jobs settled in {time.monotonic() - begin:.1f} s")


def judge_signatures(stack, boxes):
    records = stack.directory / "records"
    records.write_text("".join(f"{p.name} {p.read_text()}\n" for p in sorted((stack.directory / "dkim").iterdir())))
    answer = subprocess.run([BUILD / "tools" / "dkim" / "dkim-verify", records, boxes],
                            stdout=subprocess.PIPE, text=True, check=False)
    say("  " + answer.stdout.strip().splitlines()[-1])
    return answer.returncode == 0


def show_one(boxes):
    path = sorted(boxes.rglob("reader*/*.eml"))[0]
    say(f"\n== One of them, as it was received ({path.parent.name})\n")
    say("\n".join("  " + line for line in path.read_bytes().decode("ascii").replace("\r", "").splitlines()))


def run(stack, boxes):
    session = stack.shop.session
    dsn = stack.dsn
    say(f"\n== A second DKIM key of {DOMAIN} beside the RSA one, a content, a campaign, its recipients")
    record = ctl(dsn, "key", "add", "acme", DOMAIN, "e1", "--ed25519", "--directory", stack.directory / "keys")
    stack.publish("e1", "".join(record.split('"')[1::2]))
    (stack.directory / "letter.json").write_text(json.dumps(CONTENT))
    (stack.directory / "people.csv").write_text(make_csv(TOTAL), newline="")
    ctl(dsn, "content", "add", stack.directory / "letter.json", "--tenant", "acme", "--name", "news")
    campaign = ctl(dsn, "campaign", "create", "spring news", "--tenant", "acme", "--content", "news",
                   "--pool", "default").strip()
    ctl(dsn, "enqueue", "--tenant", "acme", "--campaign", "spring news", stack.directory / "people.csv")
    config = stack.write_config()
    say("\n== Would large receivers take it?")
    ctl(dsn, "-c", config, "preflight", "spring news", "--tenant", "acme")
    say("\n== Sending")
    ctl(dsn, "-c", config, "campaign", "start", "spring news", "--tenant", "acme")
    stack.start()
    progress(stack, campaign, TOTAL)
    attempts = session.value("SELECT count(*) FROM penguin.attempts WHERE state = 'retrying'")
    say(f"  {attempts} attempts were deferred and made again")
    say("\n== Signatures of all received messages, judged by libopendkim against the world's DNS")
    signed = judge_signatures(stack, boxes)
    load_ledger(session, stack.world.ledger())
    say("\n== The world's ledger joined with Postgres by job id")
    say("\n".join("  " + line for line in SUMS.strip().splitlines()))
    sums = join(session, stack.shop.tenant, campaign)
    say()
    for name, number in sums.items():
        say(f"  {name:<12} {number:>6}")
    say()
    ctl(dsn, "campaign", "show", "spring news", "--tenant", "acme")
    ctl(dsn, "verify", "--tenant", "acme")
    stack.shop.account(campaign)  # a recount from the rows agrees with the counters, or this raises
    fine = signed and sums["lost"] == sums["duplicate"] == sums["misreported"] == sums["deferred"] == 0
    fine = fine and sums["delivered"] + sums["bounced"] == TOTAL and sums["bounced"] == 40
    show_one(boxes)
    return fine


def where_next(stack, keep):
    say("\n== Where to look next")
    if keep:
        job = stack.shop.session.value("SELECT job_id FROM penguin.attempts WHERE state = 'retrying' LIMIT 1")
        say(f"  export PATH={CTL.parent}:$PATH PENGUIN_DSN='{stack.dsn}'")
        say("  penguinctl help")
        say(f"  penguinctl explain {job}    a job that was deferred once")
        say(f"  penguinctl log {stack.directory}/delivery.log")
        say('  psql "$PENGUIN_DSN" -c "TABLE penguin.accounting"')
        say(f"  all files are in {stack.directory}; penguin-mta is process {stack.mta.pid}")
    else:
        say(f"  {ROOT}/tools/demo --keep    the same, and it stays up to explore")
    for page, what in (("penguinctl.1", "the operator's command"), ("penguin-mta.yaml.5", "every setting"),
                       ("penguin-sql.7", "every table, and how an app enqueues")):
        say(f"  man -l {ROOT}/man/{page}    {what}")
    if not shutil.which("man"):
        say("  (there is no man on this machine: apt-get install man-db)")


def tell(dsn, directory, keep, interrupts):
    """The demo between the birth and the end of its Postgres; whether all was well."""
    boxes = directory / "mail"
    ctl(dsn, "migrate", "up")
    with contextlib.ExitStack() as stacks:
        with interrupts.hold():
            stack = stacks.enter_context(Stack(
                dsn, directory, world=world_with(GOOD, WORLD), content=CONTENT, world_options=["--mailboxes", str(boxes)],
                judge=False,  # that is a part of the story, below
                config={"retry": {"first": "2s"}, "default_site": {"connections": 4}}))
        fine = run(stack, boxes)
        where_next(stack, keep)
        if keep:
            say("\n  Ctrl-C ends everything and cleans up.")
            with contextlib.suppress(KeyboardInterrupt):
                while stack.mta.poll() is None:
                    time.sleep(1)
            say()
        stack.stop()
    return fine


def play(keep):
    """A Postgres of its own around tell(), gone afterwards however that ends."""
    interrupts = Interrupts()
    place = directory = None
    try:
        say("== A throwaway Postgres, a simulated internet (penguin-world)")
        with interrupts.hold():
            answer = subprocess.run([PGTEMP, "start"], stdout=subprocess.PIPE, text=True, check=False,
                                    start_new_session=True)  # Ctrl-C is not for it
            if answer.returncode != 0:
                raise SystemExit("demo: the throwaway Postgres did not start, see above")
            place, dsn = answer.stdout.splitlines()[:2]
            directory = pathlib.Path(tempfile.mkdtemp(prefix="penguin-demo."))
        return 0 if tell(dsn, directory, keep, interrupts) else 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 128 + interrupts.number
    finally:
        interrupts.held = True  # for good: nothing may come between
        if place is not None:
            subprocess.run([PGTEMP, "stop", place], check=False, start_new_session=True)
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)
        interrupts.hear(signal.SIG_IGN)  # an interpreter that ends would die of one more


def main():
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__.split("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave everything running, to explore")
    options = parser.parse_args()
    try:
        code = play(options.keep)
        if code < 2:
            say("\ndemo: all is well" if code == 0 else "\ndemo: SOMETHING IS OFF, see above")
        return code
    except (OSError, subprocess.CalledProcessError) as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # it may be what failed
        if isinstance(error, BrokenPipeError):  # who reads has read enough
            return 128 + signal.SIGPIPE
        print(f"demo: {error}", file=sys.stderr)
        return 74


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
