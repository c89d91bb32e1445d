"""TLS policies, relays with AUTH, redirect, pools."""

from mtalib import WORLD

TLS = WORLD.replace("    address: 127.0.10.{1}\n", """    address: 127.0.10.{1}
    keywords: [PIPELINING, SIZE 52428800, 8BITMIME, STARTTLS]
""")


def test_tls_where_it_is_offered(stack):
    with stack(world=TLS) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i}.test" for i in range(1, 11)])
        s.start()
        assert s.check(campaign) == {"delivered": 10}
        assert {line["tls"]["version"] for line in s.world.ledger()} == {"TLSv1.3"}
        assert {a["tls_version"] for a in s.attempts(campaign)} == {"TLSv1.3"}
        s.stop()


def test_required_tls_is_never_given_up(stack):
    provider = {"providers": {"big": {"mx": ["post.test"], "tls": "required"}}}
    with stack(config=provider) as s:
        campaign = s.campaign(expires_s=4)
        s.enqueue(campaign, ["a@d1.test", "a@d2.test"])
        s.start()
        assert s.check(campaign) == {"expired": 2}
        assert s.world.ledger() == []
        s.stop()


def test_verified_tls_wants_the_worlds_authority(stack):
    provider = {"providers": {"big": {"mx": ["post.test"], "tls": "verified"}}}
    with stack(world=TLS, config=provider) as s:
        campaign = s.campaign()
        s.enqueue(campaign, ["a@d1.test", "a@d2.test"])
        s.start(tls={"ca_file": str(s.directory / "ca.pem")})
        assert s.check(campaign) == {"delivered": 2}
        s.stop()


def test_a_relay_gets_auth_inside_tls(stack):
    relay = WORLD + """
  - domain: relay.esp.test
    a: 127.0.20.1
hosts_end: none
"""
    relay = WORLD.replace("domains:\n", """  - host: relay.esp.test
    address: 127.0.20.1
    keywords: [PIPELINING, SIZE 52428800, 8BITMIME, STARTTLS, AUTH PLAIN LOGIN]
    users: "shop:secret"
    auth_required: true
domains:
""")
    with stack(world=relay) as s:
        (s.directory / "relay.password").write_text("secret\n")
        (s.directory / "relay.password").chmod(0o600)
        campaign = s.campaign(pool="esp")
        s.enqueue(campaign, ["a@d1.test", "b@d2.test"])
        s.start(sources={"esp1": {"ehlo": "out.shop.test", "relay": {
            "host": f"relay.esp.test:{s.world.smtp_port}", "username": "shop",
            "password_file": str(s.directory / "relay.password"), "tls": "verified"}}},
            pools={"esp": {"sources": ["esp1"]}}, tls={"ca_file": str(s.directory / "ca.pem")})
        assert s.check(campaign) == {"delivered": 2}
        assert {(line["mx"], line["auth"]) for line in s.world.ledger()} == {("relay.esp.test", "shop")}
        s.stop()


def test_redirect_sends_everything_to_one_host(stack):
    with stack() as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@any{i}.example" for i in range(5)])
        s.start(delivery={"redirect": f"mx3.post.test:{s.world.smtp_port}"})
        assert s.check(campaign) == {"delivered": 5}
        assert {line["mx"] for line in s.world.ledger()} == {"mx3.post.test"}
        s.stop()


def test_weights_share_the_sources(stack):
    with stack(config={"sources": {"s2": {"ipv4": "127.0.5.2", "ehlo": "s2.shop.test"}},
                       "pools": {"default": {"sources": {"s1": {"weight": 1}, "s2": {"weight": 3}}}}}) as s:
        campaign = s.campaign()
        s.enqueue(campaign, [f"u{i}@d{i % 50 + 1}.test" for i in range(400)])
        s.start()
        assert s.check(campaign) == {"delivered": 400}
        from collections import Counter
        counts = Counter(line["source"] for line in s.world.ledger())
        assert 80 <= counts["127.0.5.1"] <= 120, counts
        s.stop()


def test_a_pool_that_does_not_exist_sends_nothing(stack):
    with stack() as s:
        campaign = s.campaign(pool="missing")
        s.enqueue(campaign, ["a@d1.test"])
        s.start()
        import time
        time.sleep(2)
        assert s.account(campaign) == {"waiting": 1} and s.world.ledger() == []
        assert "pool=missing" in s.log_text()
        s.stop()


