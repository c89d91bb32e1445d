"""timeouts.scale shortens every phase, and nothing else is needed to do so."""
import datetime

from mtalib import WORLD

PHASES = {"connect": ("greeting", 300), "ehlo": ("ehlo", 300), "starttls": ("starttls", 60), "mail": ("mail", 300),
          "rcpt": ("rcpt", 300), "data": ("data", 120), "dot": ("dot", 600)}

SILENT_WORLD = WORLD[:WORLD.index("hosts:")] + "hosts:\n" + "".join(
    f"  - {{host: {at}.post.test, address: 127.0.11.{n}, keywords: [8BITMIME, STARTTLS]}}\n"
    for n, at in enumerate(PHASES, 1)) + "domains:\n" + "".join(
    f"  - {{domain: {at}.test, mx: \"10 {at}.post.test\"}}\n" for at in PHASES) + "rules:\n" + "".join(
    f"  - {{at: {at}, host: {at}.post.test, then: silence}}\n" for at in PHASES)


def test_smtp_timeout_greeting_smtp_timeout_ehlo_smtp_timeout_rcpt_by_one_knob(stack):
    """Every phase meets a silent server; all have given up within seconds, each in its phase."""
    with stack(world=SILENT_WORLD, config={"timeouts": {"scale": 0.002}, "default_site": {"tls": "opportunistic"}}) as s:
        campaign = s.campaign()
        jobs = dict(zip(s.enqueue(campaign, [f"ann@{at}.test" for at in PHASES]), PHASES))
        s.start()
        s.wait(campaign, lambda a: len({x["job_id"] for x in s.attempts(campaign)}) == len(PHASES), timeout=20)
        with s.shop.session.connection.cursor() as cursor:
            cursor.execute("SELECT job_id::text, phase, duration_ms, reply FROM penguin.attempts ORDER BY id")
            rows = cursor.fetchall()
        seen = {}
        for job, phase, duration, reply in rows:
            seen.setdefault(jobs[job], (phase, duration, reply))
        for at, (phase, seconds) in PHASES.items():
            got, duration, reply = seen[at]
            assert got == phase and "did not answer in time" in reply, (at, seen[at])
            assert duration == 0 or 1.9 * seconds <= duration < 2 * seconds + 2500, (at, seen[at])
        s.stop(60)


def test_smtp_timeout_idle_follows_the_knob(stack):
    """idle 5s x 0.1: half a second after the answer to the dot comes QUIT."""
    with stack(config={"timeouts": {"scale": 0.1, "idle": "5s"}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["ann@d1.test"])
        s.start()
        s.check(campaign)
        s.wait(None, lambda _: any(e["text"] == "QUIT" for e in s.world.events("command")), timeout=10)
        at = {e["text"]: datetime.datetime.fromisoformat(e["time"]).timestamp() for e in s.world.events("command")}
        (line,) = s.world.ledger()
        kept = at["QUIT"] - datetime.datetime.fromisoformat(line["time"]).timestamp()
        assert 0.4 < kept < 2
        s.stop()
