"""What the server was really asked during a campaign, read from its own log."""
import pathlib
import re

from mtalib import WORLD

FLEET = {"workers", "source_leases", "holds", "limits", "schema_migrations"}
RULES = """
rules:
  - at: rcpt
    recipient: "later*@*"
    nth: 1-1
    per: recipient
    reply: 450 4.2.0 later
"""


def statements(log):
    """Each logged statement, its lines joined."""
    found = re.findall(r"(?:statement|execute [^:]*): (.*?)(?=\n\d{4}-\d\d-\d\d |\Z)", log, re.S)
    return [" ".join(text.split()) for text in found]


def test_every_statement_names_its_tenant_and_large_tables_are_only_appended_to(stack, cluster):
    with stack(world=WORLD + RULES) as s:
        name = s.shop.session.value("SELECT current_database()")
        cluster.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
        path = pathlib.Path(cluster.directory) / "log"
        begin = path.stat().st_size
        campaign = s.campaign()
        s.start()
        s.enqueue(campaign, [("later" if i % 5 == 0 else "user") + f"{i}@d{i % 50 + 1}.test" for i in range(200)])
        assert s.check(campaign) == {"delivered": 200}
        s.stop()
        log = path.read_bytes()[begin:].decode("utf-8", "replace")
        cluster.execute(f"ALTER DATABASE {name} RESET log_statement")
    asked = [text for text in statements(log) if "penguin." in text]
    assert len(asked) > 20 and any("INSERT INTO penguin.attempts" in text for text in asked)
    for text in asked:
        tables = set(re.findall(r"penguin\.([a-z_]+)", text))
        if tables - FLEET:
            assert "tenant_id" in text, text[:300]
        assert not re.search(r"(?:UPDATE|DELETE FROM)\s+penguin\.(?:jobs|attempts)\b", text), text[:300]
