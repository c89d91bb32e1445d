"""The demo's verdict must change when the ledger does: a line removed, one doubled, one changed."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests" / "system")]

from demorun import join, load_ledger  # noqa: E402
from mtalib import Stack  # noqa: E402

CLEAN = {"delivered": 12, "bounced": 0, "deferred": 0, "lost": 0, "duplicate": 0, "misreported": 0}


def test_the_join_sees_what_is_off(database, tmp_path):
    with Stack(database, tmp_path) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i}.test" for i in range(1, 13)])
        s.start()
        s.check(campaign)
        ledger = s.world.ledger()

        def verdict(lines):
            load_ledger(s.shop.session, lines)
            return join(s.shop.session, s.shop.tenant, campaign)

        assert verdict(ledger) == CLEAN
        assert verdict(ledger[1:]) == dict(CLEAN, lost=1)
        assert verdict(ledger + ledger[-1:]) == dict(CLEAN, duplicate=1)
        assert verdict([dict(ledger[0], recipient="eve@d1.test")] + ledger[1:]) == dict(CLEAN, misreported=1)
        s.shop.session.query("DROP TABLE demo_ledger")
        s.stop()
