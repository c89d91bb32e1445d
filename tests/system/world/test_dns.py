"""The name server: records by patterns, negative answers, faults, TCP."""

import socket
import struct
import time

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

YAML = """
hosts:
  - host: "mx[1-3].post.test"
    address: ["127.0.11.{1}", "127.0.12.{1}"]
domains:
  - domain: "d[1-5000].test"
    mx: ["10 mx{1%%3+1}.post.test", "{1%%9+20} backup.d{1}.test"]
    txt: "v=spf1 -all"
  - domain: "d77.test"
    mx: "5 special.test"
    ttl: 7
  - domain: "only-a.test"
    a: [127.0.11.1, 127.0.11.2]
    aaaa: "::1"
    negative_ttl: 11
  - domain: "null.test"
    mx: "0 ."
    soa: true
  - domain: "alias[1-9].test"
    cname: "d{1}.test"
  - domain: "chain1.test"
    cname: chain2.test
  - domain: "chain2.test"
    cname: only-a.test
  - domain: "loop1.test"
    cname: loop2.test
  - domain: "loop2.test"
    cname: loop1.test
  - domain: "dangling.test"
    cname: nowhere.test
  - domain: "*.star.test"
    a: 127.0.11.9
  - domain: "9.5.0.127.in-addr.arpa"
    ptr: out.from.test
  - domain: "long.test"
    txt: "%s"
  - domain: "big.test"
    mx: [%s]
""" % ("x" * 600, ", ".join(f'"{n} mx{n}.a-rather-long-name-of-a-host.test"' for n in range(10, 40)))


@pytest.fixture
def world(start):
    return start(YAML)


def ask(world, name, kind, tcp=False, timeout=3, **options):
    query = dns.message.make_query(name, kind, **options)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(query, world.dns_address, timeout, world.dns_port)


def texts(answer):
    return sorted(rdata.to_text() for rrset in answer.answer for rdata in rrset)


@pytest.mark.parametrize("name, kind, expected", [
    ("d1.test", "MX", ["10 mx2.post.test.", "21 backup.d1.test."]),
    ("D5000.TEST", "MX", ["10 mx3.post.test.", "25 backup.d5000.test."]),
    ("d9.test", "TXT", ['"v=spf1 -all"']),
    ("d77.test", "MX", ["5 special.test."]),
    ("only-a.test", "A", ["127.0.11.1", "127.0.11.2"]),
    ("only-a.test", "AAAA", ["::1"]),
    ("null.test", "MX", ["0 ."]),
    ("null.test", "SOA", ["ns.world.test. hostmaster.world.test. 1 3600 600 86400 60"]),
    ("mx2.post.test", "A", ["127.0.11.2", "127.0.12.2"]),
    ("2.11.0.127.in-addr.arpa", "PTR", ["mx2.post.test."]),
    ("9.5.0.127.in-addr.arpa", "PTR", ["out.from.test."]),
    ("a.b.star.test", "A", ["127.0.11.9"]),
    ("alias3.test", "CNAME", ["d3.test."]),
    ("alias3.test", "MX", ["10 mx1.post.test.", "23 backup.d3.test.", "d3.test."]),
    ("chain1.test", "A", ["127.0.11.1", "127.0.11.2", "chain2.test.", "only-a.test."]),
])
def test_records(world, name, kind, expected):
    answer = ask(world, name, kind)
    assert answer.rcode() == dns.rcode.NOERROR and answer.flags & dns.flags.AA
    assert texts(answer) == expected


@pytest.mark.parametrize("name, kind, rcode, soa_ttl", [
    ("d0.test", "MX", "NXDOMAIN", 60),
    ("d5001.test", "MX", "NXDOMAIN", 60),
    ("d01.test", "MX", "NXDOMAIN", 60),
    ("star.test", "A", "NXDOMAIN", 60),
    ("only-a.test", "MX", "NOERROR", 11),
    ("only-a.test", "SOA", "NOERROR", 11),
    ("d1.test", "A", "NOERROR", 60),
    ("dangling.test", "A", "NXDOMAIN", 60),
])
def test_nothing_there(world, name, kind, rcode, soa_ttl):
    answer = ask(world, name, kind)
    assert dns.rcode.to_text(answer.rcode()) == rcode
    (soa,) = answer.authority
    assert soa.rdtype == dns.rdatatype.SOA and soa.ttl == soa_ttl and soa[0].minimum == soa_ttl


def test_ttl(world):
    assert ask(world, "d77.test", "MX").answer[0].ttl == 7
    assert ask(world, "d78.test", "MX").answer[0].ttl == 300


def test_a_loop_of_aliases_ends(world):
    answer = ask(world, "loop1.test", "A")
    assert answer.rcode() == dns.rcode.NOERROR
    assert set(texts(answer)) == {"loop1.test.", "loop2.test."}


def test_a_long_text_is_in_strings(world):
    (rrset,) = ask(world, "long.test", "TXT", use_edns=0, payload=4096).answer
    assert [len(s) for s in rrset[0].strings] == [255, 255, 90]


def test_too_long_for_udp(world):
    answer = ask(world, "big.test", "MX")
    assert answer.flags & dns.flags.TC and not answer.answer
    assert len(texts(ask(world, "big.test", "MX", tcp=True))) == 30
    edns = ask(world, "big.test", "MX", use_edns=0, payload=4096)
    assert not edns.flags & dns.flags.TC and len(texts(edns)) == 30 and edns.edns == 0


def test_two_questions_in_one_tcp_stream(world):
    queries = [dns.message.make_query(f"d{n}.test", "MX") for n in (1, 2)]
    stream = b"".join(struct.pack("!H", len(q.to_wire())) + q.to_wire() for q in queries)
    with socket.create_connection((world.dns_address, world.dns_port), 3) as s:
        s.sendall(stream[:5])
        time.sleep(0.05)
        s.sendall(stream[5:])
        for query in queries:
            answer, _ = dns.query.receive_tcp(s, time.time() + 3)
            assert answer.id == query.id


def test_garbage_is_no_question(world):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for packet in (b"", b"x", b"\0" * 12, b"\0\1\0\0\0\1\0\0\0\0\0\0\x40", bytes(range(200)), b"\xff" * 64):
            s.sendto(packet, (world.dns_address, world.dns_port))
    assert texts(ask(world, "null.test", "MX")) == ["0 ."]


FAULTS = "domains:\n" + "".join(f"""
  - domain: "{fault}.test"
    mx: "10 mx.{fault}.test"
    fault: {fault}
""" for fault in ("servfail", "refused", "nxdomain", "formerr", "notimp", "timeout", "truncate", "wrong-id",
                  "short-data", "long-data", "name-loop", "name-self")) + """
  - domain: twice.test
    mx: "10 mx.twice.test"
    a: 127.0.0.1
    fault: servfail
    types: mx
    first: 2
  - domain: "late.test"
    delay: 300ms
    mx: "10 mx.late.test"
"""


@pytest.fixture
def faulty(start):
    return start(FAULTS)


@pytest.mark.parametrize("rcode", ["servfail", "refused", "nxdomain", "formerr", "notimp"])
def test_fault_with_a_code(faulty, rcode):
    answer = ask(faulty, f"{rcode}.test", "MX")
    assert dns.rcode.to_text(answer.rcode()) == rcode.upper() and not answer.answer


def test_fault_timeout(faulty):
    with pytest.raises(dns.exception.Timeout):
        ask(faulty, "timeout.test", "MX", timeout=0.3)


def test_fault_truncate(faulty):
    assert ask(faulty, "truncate.test", "MX").flags & dns.flags.TC
    assert texts(ask(faulty, "truncate.test", "MX", tcp=True)) == ["10 mx.truncate.test."]


def raw(world, name):
    query = dns.message.make_query(name, "MX")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.sendto(query.to_wire(), (world.dns_address, world.dns_port))
        return query, s.recv(65535)


def test_fault_wrong_id(faulty):
    query, packet = raw(faulty, "wrong-id.test")
    assert struct.unpack("!H", packet[:2])[0] == query.id ^ 1


@pytest.mark.parametrize("fault", ["short-data", "long-data", "name-loop", "name-self"])
def test_malformed_data_cannot_be_parsed(faulty, fault):
    _, packet = raw(faulty, f"{fault}.test")
    with pytest.raises(dns.exception.DNSException):
        dns.message.from_wire(packet)
    assert struct.unpack("!H", packet[6:8])[0] == 1
    rdata = packet[-1:] if fault == "short-data" else packet[-6:]
    here = len(packet) - 4
    pointers = struct.unpack("!HH", packet[-4:])
    if fault == "short-data":
        assert packet[-3:] == b"\0\1\0"
    if fault == "long-data":
        assert packet[-8] == 0x7F
    if fault == "name-loop":
        assert pointers == (0xC000 | here + 2, 0xC000 | here)
    if fault == "name-self":
        assert pointers[0] == 0xC000 | here
    assert rdata


def test_fault_only_the_first_times_and_for_one_type(faulty):
    assert texts(ask(faulty, "twice.test", "A")) == ["127.0.0.1"]
    codes = [ask(faulty, "twice.test", "MX").rcode() for _ in range(3)]
    assert codes == [dns.rcode.SERVFAIL, dns.rcode.SERVFAIL, dns.rcode.NOERROR]


@pytest.mark.parametrize("tcp", [False, True])
def test_delay(faulty, tcp):
    begin = time.monotonic()
    ask(faulty, "late.test", "MX", tcp=tcp)
    assert 0.29 < time.monotonic() - begin < 1.5


def test_names_unknown_can_be_refused(tmp_path):
    import worldlib

    with worldlib.World(tmp_path, "dns: {listen: '127.0.0.1:0', unknown: refused}\nsmtp: {port: 0}\n") as world:
        assert ask(world, "x.test", "MX").rcode() == dns.rcode.REFUSED


def test_keys_of_a_directory(tmp_path):
    import worldlib

    keys = tmp_path / "keys"
    keys.mkdir()
    (keys / "s1._domainkey.d1.test.txt").write_text("v=DKIM1; k=rsa; p=" + "A" * 300 + "\n")
    with worldlib.World(tmp_path, "dns: {listen: '127.0.0.1:0', dkim_dir: keys}\nsmtp: {port: 0}\n"
                        "domains: [{domain: '*.d3.test', txt: other}]\n") as world:
        (answer,) = ask(world, "S1._domainkey.d1.test", "TXT").answer
        assert b"".join(answer[0].strings).decode() == "v=DKIM1; k=rsa; p=" + "A" * 300
        assert ask(world, "s2._domainkey.d1.test", "TXT").rcode() == dns.rcode.NXDOMAIN
        (keys / "s2._domainkey.d1.test").write_text("v=DKIM1; p=late")
        assert texts(ask(world, "s2._domainkey.d1.test", "TXT")) == ['"v=DKIM1; p=late"']
        (tmp_path / "x._domainkey.d1.test").write_text("not in the directory")
        outside = ask(world, dns.name.Name(("../x", "_domainkey", "d1", "test", "")), "TXT")
        assert outside.rcode() == dns.rcode.NXDOMAIN


def test_questions_are_events(world):
    ask(world, "d1.test", "MX")
    ask(world, "nix.test", "A", tcp=True)
    world.stop()
    assert [(e["name"], e["type"], e["transport"], e["rcode"]) for e in world.events("dns")] == [
        ("d1.test", 15, "udp", 0), ("nix.test", 1, "tcp", 3)]
