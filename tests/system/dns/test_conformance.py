"""The DNS rows of the conformance list: what a domain's records make of its mail.

Each test is named by its row.  Rows that only a delivery can show (D9, D12, D13) are with
the parts they belong to; N1 and N2 are unit tests of the DNS client.
"""
import collections
import time

import pytest

BASE = """
domains:
  - domain: "b.test"
    mx: "10 mx.b.test"
  - domain: "mx.b.test"
    a: 127.0.20.1
"""


def test_dns_D1_alias_of_the_domain(resolver):
    r = resolver(BASE + """
  - domain: "a.test"
    cname: b.test
  - domain: "a1.test"
    cname: a2.test
  - domain: "a2.test"
    cname: a1.test
""" + "".join(f"""
  - domain: "c{n}.test"
    cname: "{f'c{n - 1}.test' if n > 1 else 'b.test'}"
""" for n in range(1, 10)))
    assert r.plan("a.test") == ["127.0.20.1"]
    assert r.plan("c8.test") == ["127.0.20.1"], "a chain of eight"
    assert r.failure("c9.test") == "dns_temporary"
    assert r.failure("a1.test") == "dns_temporary", "a loop is no hang"
    assert r.find("a.test")["key"] == r.find("b.test")["key"]


def test_dns_D2_errors_are_no_reason_for_the_address(resolver):
    r = resolver("""
domains:
""" + "".join(f"""
  - domain: "{fault}.test"
    a: 127.0.20.1
    mx: "10 {fault}.test"
    fault: {fault}
    types: [mx]
""" for fault in ("servfail", "refused", "formerr", "timeout")))
    assert r.failure("nowhere.test") == "dns_no_domain"
    for fault in ("servfail", "refused", "formerr", "timeout"):
        answer = r.find(f"{fault}.test")
        assert answer["failure"] == "dns_temporary" and answer["plan"] == [], fault
        assert r.questions(f"{fault}.test", 1) == [], "its address was asked for"


def test_dns_D2_repaired(resolver):
    r = resolver(BASE + """
  - domain: "late.test"
    mx: "10 mx.b.test"
    fault: servfail
    first: 2
""")
    assert [r.failure("late.test") for _ in range(2)] == ["dns_temporary", ""]


def test_dns_D3_implicit(resolver):
    r = resolver("""
domains:
  - domain: "v4.test"
    a: [127.0.20.1, 127.0.20.2]
  - domain: "v6.test"
    aaaa: "2003::1"
  - domain: "both.test"
    a: 127.0.20.1
    aaaa: "2003::1"
  - domain: "text.test"
    txt: "no host here"
""")
    assert r.plan("v4.test") == ["127.0.20.1", "127.0.20.2"]
    assert r.plan("v6.test", options=["--ipv6"]) == ["[2003::1]"]
    assert sorted(r.plan("both.test", options=["--ipv6"])) == ["127.0.20.1", "[2003::1]"]
    assert r.find("v4.test")["best"] == ["v4.test"]
    assert r.failure("text.test") == "dns_no_address"


def test_dns_D4_an_MX_without_address_does_not_fall_back(resolver):
    r = resolver("""
domains:
  - domain: "dead.test"
    mx: "10 nowhere.test"
    a: 127.0.20.1
  - domain: "unsure.test"
    mx: ["10 nowhere.test", "20 sick.test"]
    a: 127.0.20.1
  - domain: "sick.test"
    a: 127.0.20.2
    fault: servfail
""")
    assert r.find("dead.test")["plan"] == [] and r.failure("dead.test") == "dns_no_address"
    assert r.failure("unsure.test") == "dns_temporary"
    assert r.questions("dead.test", 1) == r.questions("unsure.test", 1) == []


def test_dns_D5_an_MX_that_is_an_alias(resolver):
    r = resolver(BASE + """
  - domain: "a.test"
    mx: "10 alias.test"
  - domain: "alias.test"
    cname: mx.b.test
""")
    assert r.plan("a.test") == ["127.0.20.1"]


def test_dns_D6_null_MX(resolver):
    r = resolver(BASE + """
  - domain: "none.test"
    mx: "0 ."
    a: 127.0.20.1
  - domain: "ten.test"
    mx: "10 ."
    a: 127.0.20.1
  - domain: "some.test"
    mx: ["0 .", "10 mx.b.test"]
""")
    assert r.failure("none.test") == r.failure("ten.test") == "null_mx"
    assert r.plan("some.test") == ["127.0.20.1"]


def test_dns_D8_preference_and_fairness(resolver):
    r = resolver("""
domains:
  - domain: "d.test"
    mx: ["10 m1.test", "20 m4.test", "10 m2.test", "10 m3.test"]
  - domain: "m[1-4].test"
    a: ["127.0.2{1}.1", "127.0.2{1}.2"]
""")
    answer = r.find("d.test", options=["--plans", "30000"])
    chi = sum((n - 10000) ** 2 / 10000 for n in answer["first"].values())
    assert len(answer["first"]) == 3 and chi < 13.8, answer["first"]  # p = 0.001
    addresses = r.plan("d.test")
    assert [a[-1] for a in addresses[:4]] == ["1", "2", "1", "2"], "a host's own order"
    assert "127.0.24.1" not in addresses, "six better addresses come before it"


def test_dns_D10_ourselves_in_the_list(resolver):
    r = resolver("""
domains:
  - domain: "loop.test"
    mx: ["10 me.test", "20 m2.test"]
  - domain: "second.test"
    mx: ["10 m2.test", "20 me.test", "20 m3.test", "30 m4.test"]
  - domain: "m[2-4].test"
    a: 127.0.20.{1}
  - domain: "me.test"
    a: 127.0.20.99
""")
    for own in (["--own-name", "Me.Test"], ["--own-address", "127.0.20.99"]):
        assert r.failure("loop.test", options=own) == "mail_loop"
        assert r.plan("second.test", options=own) == ["127.0.20.2"]
    assert r.plan("loop.test") == ["127.0.20.99", "127.0.20.2"]


def test_dns_D11_families_are_balanced(resolver):
    r = resolver("""
domains:
  - domain: "d.test"
    mx: ["1 six.test", "2 four.test"]
  - domain: "six.test"
    aaaa: ["2003::1", "2003::2", "2003::3", "2003::4", "2003::5", "2003::6"]
  - domain: "four.test"
    a: 127.0.20.1
""")
    plan = r.plan("d.test", options=["--ipv6"])
    assert len(plan) == 5 and plan[4] == "127.0.20.1"
    assert r.plan("d.test") == ["127.0.20.1"]


RANGES = ["127.0.0.1", "0.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
          "192.0.0.8", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fc00::1",
          "fd12::1", "fe80::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1",
          "2002:7f00:1::1", "2001::1"]


def test_dns_D14_N5_private_addresses_by_the_default_configuration(resolver):
    r = resolver("domains:\n" + "".join(f"""
  - domain: "n{i}.test"
    mx: "10 h{i}.test"
  - domain: "h{i}.test"
    {'aaaa' if ':' in address else 'a'}: "{address}"
""" for i, address in enumerate(RANGES)))
    names = [f"n{i}.test" for i in range(len(RANGES))]
    answers = r.run(*names, options=["--ipv6"], allow=[])
    assert [a["failure"] for a in answers] == ["mx_prohibited"] * len(RANGES)
    assert r.failure("n0.test") == "", "allowed by the operator"
    assert r.failure("n2.test") == "mx_prohibited", "and only what he allowed"


def test_dns_D14_a_forbidden_address_beside_a_good_one(resolver):
    r = resolver("""
domains:
  - domain: "d.test"
    mx: ["10 evil.test", "20 good.test"]
  - domain: "evil.test"
    a: [10.0.0.1, 169.254.169.254]
  - domain: "good.test"
    a: 127.0.20.1
""")
    assert r.plan("d.test") == ["127.0.20.1"]


ZERO_TTL = """
domains:
  - domain: "d.test"
    mx: "10 m.test"
    ttl: 0
  - domain: "m.test"
    a: 127.0.20.1
    ttl: 0
  - domain: "gone.test"
    fault: nxdomain
    negative_ttl: 0
"""


def test_dns_D15_ttl_0_does_not_mean_a_question_a_message(resolver):
    r = resolver(ZERO_TTL)
    answers = r.run("d.test", "gone.test", options=["--repeat", "500"])
    assert len(answers) == 1000
    asked = collections.Counter((e["name"], e["type"]) for e in r.questions())
    assert asked == {("d.test", 15): 1, ("m.test", 1): 1, ("m.test", 28): 1, ("gone.test", 15): 1}


def test_dns_D15_a_million_messages_and_three_questions_a_minute(resolver):
    r = resolver(ZERO_TTL)
    begun = time.monotonic()
    (answer,) = r.run("d.test", options=["--repeat", "1000000", "--last"])
    minutes = (time.monotonic() - begun) / 60
    assert answer["failure"] == ""
    assert len(r.questions()) <= 3 * (1 + minutes)


def test_dns_D16_one_site_for_all_domains_on_the_same_hosts(resolver):
    r = resolver("""
domains:
  - domain: "d[1-500].test"
    mx: ["{1} m1.test", "{1+7} m2.test"]
  - domain: "odd.test"
    mx: ["10 m2.test", "20 m1.test"]
  - domain: "m[1-2].test"
    a: 127.0.20.{1}
""")
    answers = r.run(*(f"d{i}.test" for i in range(1, 501)), "odd.test", options=["--together"])
    keys = collections.Counter(a["key"] for a in answers)
    assert sorted(keys.values()) == [1, 500], "another order is another site"
    # One; on a machine that is busy it is asked again before the answer is read.
    assert len(r.questions("m1.test", 1)) <= 3, "the hosts' addresses are shared"


@pytest.mark.parametrize("fault", ["short-data", "long-data", "name-loop", "name-self"])
def test_dns_N3_malformed_records(resolver, fault):
    r = resolver(BASE + f"""
  - domain: "bad.test"
    mx: "10 mx.b.test"
    fault: {fault}
""")
    assert r.failure("bad.test") == "dns_temporary"


def test_dns_N3_truncated_and_large(resolver):
    r = resolver(BASE + """
  - domain: "tc.test"
    mx: "10 mx.b.test"
    fault: truncate
  - domain: "large.test"
    a: [""" + ", ".join(f"127.0.{i // 250}.{i % 250}" for i in range(1, 1001)) + """]
  - domain: "many.test"
    mx: [""" + ", ".join(f'"{i} h{i}.test"' for i in range(100, 0, -1)) + """]
  - domain: "h[1-100].test"
    a: 127.0.20.{1}
""")
    assert r.plan("tc.test") == ["127.0.20.1"]
    assert len(r.plan("large.test")) == 5
    assert r.plan("many.test") == [f"127.0.20.{i}" for i in range(1, 6)]
    hosts = {e["name"] for e in r.questions(kind=1) if e["name"].startswith("h")}
    assert hosts == {f"h{i}.test" for i in range(1, 17)}, "the best 16 and no more"


def test_dns_N3_another_questions_answer_is_ignored(resolver):
    r = resolver(BASE + """
  - domain: "spoofed.test"
    mx: "10 mx.b.test"
    fault: wrong-id
    first: 1
""")
    assert r.plan("spoofed.test") == ["127.0.20.1"]


def test_dns_N4_chains_behind_an_MX(resolver):
    r = resolver("""
domains:
  - domain: "d.test"
    mx: "10 l1.test"
  - domain: "l1.test"
    cname: l2.test
  - domain: "l2.test"
    cname: l1.test
  - domain: "tree.test"
    mx: ["10 l1.test", "20 good.test"]
  - domain: "good.test"
    a: 127.0.20.1
""")
    assert r.failure("d.test") == "dns_temporary"
    assert r.plan("tree.test") == ["127.0.20.1"]


def test_dns_N4_a_domain_has_a_deadline(resolver):
    """Names that do not answer: what is known by then decides."""
    r = resolver("""
domains:
  - domain: "half.test"
    mx: ["10 silent.test", "20 good.test"]
  - domain: "none.test"
    mx: ["10 silent.test", "20 mute.test"]
  - domain: "late.test"
    mx: "10 good.test"
    delay: 2s
  - domain: "silent.test"
    fault: timeout
  - domain: "mute.test"
    fault: timeout
  - domain: "good.test"
    a: 127.0.20.1
""")
    options = ["--timeout", "3000", "--deadline", "300", "--together"]
    begun = time.monotonic()
    answers = {a["domain"]: a for a in r.run("half.test", "none.test", "late.test", options=options)}
    assert [address for _, address in answers["half.test"]["plan"]] == ["127.0.20.1:25"]
    assert answers["none.test"]["failure"] == answers["late.test"]["failure"] == "dns_temporary"
    assert all(a["at_ms"] < 1000 for a in answers.values()), answers
    assert time.monotonic() - begun < 30


def test_dns_hosts_by_hand_are_not_guarded(resolver):
    r = resolver(BASE)
    assert r.find("127.0.0.1:2525", allow=[])["plan"] == [["127.0.0.1", "127.0.0.1:2525"]]
    assert r.find("mx.b.test:587", allow=[])["plan"] == [["mx.b.test", "127.0.20.1:587"]]
    assert r.failure("b.test", allow=[]) == "mx_prohibited"
