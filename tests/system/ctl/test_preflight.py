"""Preflight against a zone where all is well, then zones with one thing that is not.

Each broken zone must fail exactly its check, the campaign must not start, nobody may get mail,
and publishing the words that preflight gives must mend it.
"""
import email
import json
import re
import time

import pytest
from ctllib import Ctl
from mtalib import CONTENT, DOMAIN, Stack
from worldlib import World
from zonelib import GOOD, world_with

CHECKS = ("pool", "spf_pass_for_all_pool_ips", "dkim_key_match", "dmarc_record", "dmarc_aligned", "mx_of_from",
          "mx_of_bounce", "not_null_mx", "soa", "ptr", "fcrdns", "ehlo_matches", "tracking_host", "list_unsub_headers")
SOURCES = {f"s{n}": {"ipv4": f"127.0.5.{n}", "ehlo": f"s{n}.shop.test"} for n in (1, 2)}


class Scene:
    """A stack whose tenant has a draft with one job, and penguinctl with its configuration."""

    def __init__(self, dsn, directory, zone, content=None, **config):
        self.stack = Stack(dsn, directory, world=world_with(zone), content=content,
                           config={"sources": SOURCES, "pools": {"default": {"sources": ["s1", "s2"]}}, **config})

    def __enter__(self):
        s = self.stack.__enter__()
        self.campaign = s.shop.campaign(start=False)
        s.enqueue(self.campaign, ["ann@d1.test"])
        self.ctl = Ctl(s.dsn, s.directory)
        self.config = s.write_config()
        return self

    def __exit__(self, *what):
        self.stack.__exit__(*what)

    def run(self, *words, **options):
        return self.ctl.run("-c", self.config, "-d", self.stack.dsn, *words, **options)

    def publish(self, zone):
        """The world again, with this zone."""
        s = self.stack
        s.world.stop()
        s.world = World(s.directory, world_with(zone), *s.world.options)
        s.world.__enter__()
        self.config = s.write_config()

    def report(self, code, *words):
        return json.loads(self.run("preflight", *(words or [self.campaign]), "--json", code=code))

    def start(self, *words, **options):
        return self.run("campaign", "start", self.campaign, *words, **options)

    def sends(self):
        """What the world got, once a worker had the time to send whatever is running."""
        self.stack.start()
        if self.state() == "running":
            self.stack.check(self.campaign)
        else:
            time.sleep(1)
        self.stack.stop()
        return len(self.stack.world.ledger())

    def state(self):
        return self.stack.shop.session.value("SELECT state FROM penguin.campaigns WHERE id = %s", self.campaign)


def failed(report):
    """The names of what is not as it should be."""
    wrong = [name for name in CHECKS if report[name] is False]
    return wrong + (["ptr_generic"] if report["ptr_generic"] else [])


def mended(zone, report):
    """The zone with the records that preflight says to publish, read as a zone file is."""
    zone = {name: dict(records) for name, records in zone.items() if records}
    for finding in report["findings"]:
        for line in (finding["remedy"] or "").splitlines():
            m = re.match(r"(?:and without: )?(\S+)\. IN (TXT|MX|A|PTR|CNAME|SOA) (.*)$", line)
            if not m or line.startswith("and without"):
                continue
            name, kind, value = m.groups()
            entry = zone.setdefault(name, {})
            if kind == "TXT":
                text = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', value))
                entry["txt"] = [text]
            elif kind == "SOA":
                entry["soa"] = True
            elif kind == "CNAME":
                entry["cname"] = value.rstrip(".")
            else:
                entry[kind.lower()] = [value.rstrip(".")]
    return zone


def but(name, **records):
    """The good zone with other records for one name; without any it is not there."""
    return {**GOOD, name: records}


def check_refused(scene, check):
    """Exactly this check fails, hard, and nothing starts; returns the report."""
    report = scene.report(78)
    assert failed(report) == [check] and report["verdict"] == "fail", report
    findings = [f for f in report["findings"] if f["verdict"] == "fail"]
    assert {f["check"] for f in findings} == {check}
    assert all(f["severity"] == "hard" and f["reason"] and f["remedy"] for f in findings)
    text = scene.start(code=78)
    assert check in text and "--force" in text
    assert all("=> " + line in text for f in findings for line in f["remedy"].splitlines())
    assert scene.state() == "draft" and scene.sends() == 0
    return report


def check_zone(dsn, directory, zone, check):
    """A zone that fails at one check, until what preflight said was published."""
    with Scene(dsn, directory, zone) as scene:
        report = check_refused(scene, check)
        scene.publish(mended(zone, report))
        assert scene.start() == "running\n"
        assert scene.sends() == 1


def test_a_good_zone_passes_and_the_campaign_starts(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        report = scene.report(0)
        assert failed(report) == [] and report["verdict"] == "pass", report
        assert all(report[name] is True for name in CHECKS if name != "pool")
        assert report["dkim_bits"] == 2048 and report["selectors"] == "r1" and 1000 < report["header_bytes"] < 16384
        assert 0 < report["ttl"] <= 300 and report["pool_name"] == "default" and report["checked_at"].startswith("20")
        text = scene.run("preflight", scene.campaign)
        assert "news.shop.test" in text.splitlines()[0] and "=>" not in text and text.count("\npass ") >= 13
        assert scene.report(0, DOMAIN)["list_unsub_headers"] is None  # a domain has no content
        assert scene.start() == "running\n"
        assert scene.sends() == 1
        shown = json.loads(scene.run("campaign", "show", scene.campaign, "--json"))
        assert shown["preflight"]["verdict"] == "pass" and "forced" not in shown["preflight"]
        assert "forced" not in scene.run("campaign", "show", scene.campaign)


def test_sender_P1_an_address_without_spf(database, tmp_path):
    check_zone(database, tmp_path, but("bounce.shop.test", mx=["10 mail.shop.test"], txt=["v=spf1 ip4:127.0.5.1 ~all"]),
               "spf_pass_for_all_pool_ips")


def test_sender_P1_of_two_spf_records_nobodys_terms_are_lost(database, tmp_path):
    """Together they are none; what is to be published has what each let send."""
    records = ["v=spf1 include:_spf.other.test ~all", "v=spf1 ip4:127.0.5.0/24 ip4:198.51.100.7 -all"]
    zone = but("bounce.shop.test", mx=["10 mail.shop.test"], txt=records)
    with Scene(database, tmp_path, zone) as scene:
        report = check_refused(scene, "spf_pass_for_all_pool_ips")
        (finding,) = [f for f in report["findings"] if f["verdict"] == "fail"]
        assert "one in place of the 2 that begin with v=spf1" in finding["remedy"]
        (text,) = mended(zone, report)["bounce.shop.test"]["txt"]
        terms = text.split()
        assert {"include:_spf.other.test", "ip4:127.0.5.0/24", "ip4:198.51.100.7"} < set(terms) and terms[-1] == "-all"
        scene.publish(mended(zone, report))
        assert scene.start() == "running\n"
        assert scene.sends() == 1


def test_sender_P3_of_two_dmarc_records_the_strictest_words_stay(database, tmp_path):
    records = ["v=DMARC1; p=none; rua=mailto:a@shop.test", "v=DMARC1; p=reject; rua=mailto:b@shop.test"]
    zone = but("_dmarc.shop.test", txt=records)
    with Scene(database, tmp_path, zone) as scene:
        report = check_refused(scene, "dmarc_record")
        assert mended(zone, report)["_dmarc.shop.test"]["txt"] == [
            "v=DMARC1; p=reject; rua=mailto:a@shop.test,mailto:b@shop.test"]


def test_sender_P2_gen_G14_another_key_is_published(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        record = scene.stack.add_key("r2", publish=False)
        scene.stack.publish("r2", re.sub("p=.*", "p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA", record))
        report = check_refused(scene, "dkim_key_match")
        (remedy,) = [f["remedy"] for f in report["findings"] if f["verdict"] == "fail"]
        assert "".join(re.findall('"([^"]*)"', remedy)) == record
        scene.stack.publish("r2", record)
        assert scene.start() == "running\n"
        assert scene.sends() == 1


def test_sender_P2_a_second_record_at_the_selector_is_a_warning(database, tmp_path):
    """Which of them counts is not defined: preflight and the sender's own check say so, and mail goes out."""
    with Scene(database, tmp_path, GOOD) as scene:
        name = f"r1._domainkey.{DOMAIN}"
        own = (scene.stack.directory / "dkim" / name).read_text()
        scene.publish({**GOOD, name: {"txt": ["v=DKIM1; p=AAAA", own]}})
        report = scene.report(0)
        finding = finding_of(report, "dkim_key_match")
        assert finding["verdict"] == "warning" and "the name has 2 TXT records" in finding["says"]
        assert "take away the other" in finding["remedy"] and own in "".join(re.findall('"([^"]*)"', finding["remedy"]))
        scene.start()
        assert scene.sends() == 1
        assert f"dkim_record_not_alone name={name} records=2" in scene.stack.log_text()


@pytest.mark.parametrize("records", [{}, {"txt": ["v=DMARC1; rua=mailto:a@shop.test"]}, {"txt": ["v=spf1 -all"]},
                                     {"txt": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}])
def test_sender_P3_no_dmarc_record_that_counts(database, tmp_path, records):
    check_zone(database, tmp_path, but("_dmarc.shop.test", **records), "dmarc_record")


def test_sender_P4_nothing_is_aligned(database, tmp_path):
    with Scene(database, tmp_path, but("_dmarc.shop.test", txt=["v=DMARC1; p=none; adkim=s; aspf=s"])) as scene:
        keys = scene.stack.directory / "keys" / scene.stack.shop.tenant
        scene.stack.add_key("org", domain="shop.test")
        (keys / DOMAIN / "r1.pem").unlink()
        report = check_refused(scene, "dmarc_aligned")
        (remedy,) = [f["remedy"] for f in report["findings"] if f["verdict"] == "fail"]
        assert remedy == f"penguinctl key add {scene.stack.shop.tenant} {DOMAIN} k1"
        record = scene.run(*remedy.split()[1:], "--directory", keys.parent)
        scene.stack.publish("k1", "".join(re.findall('"([^"]*)"', record)))
        assert scene.start().endswith("running\n")  # a warning is left: the return path
        assert scene.sends() == 1


def test_sender_P4_one_of_the_two_is_a_warning(database, tmp_path):
    with Scene(database, tmp_path, but("_dmarc.shop.test", txt=["v=DMARC1; p=none; aspf=s"])) as scene:
        report = scene.report(0)
        assert report["verdict"] == "warning" and report["dmarc_aligned"] is True
        (finding,) = [f for f in report["findings"] if f["verdict"] != "pass"]
        assert "bounce.shop.test is not aligned (aspf=s)" in finding["says"]
        assert scene.start().endswith("running\n")


def test_sender_P5_sender_MS5_no_ptr(database, tmp_path):
    check_zone(database, tmp_path, but("2.5.0.127.in-addr.arpa"), "ptr")


def test_sender_P5_dns_D12_a_ptr_that_does_not_lead_back(database, tmp_path):
    check_zone(database, tmp_path, {**but("2.5.0.127.in-addr.arpa", ptr=["old.shop.test"]),
                                    "old.shop.test": {"a": ["127.0.5.9"]}}, "fcrdns")


def test_sender_Y4_sender_MS5_a_ptr_that_looks_like_a_line(database, tmp_path):
    check_zone(database, tmp_path, {**but("2.5.0.127.in-addr.arpa", ptr=["host-127-0-5-2.isp.test"]),
                                    "host-127-0-5-2.isp.test": {"a": ["127.0.5.2"]}}, "ptr_generic")


def test_smtp_S5_dns_D12_an_ehlo_name_that_leads_elsewhere(database, tmp_path):
    sources = {**SOURCES, "s2": {"ipv4": "127.0.5.2", "ehlo": "s1.shop.test"}}
    with Scene(database, tmp_path, GOOD, sources=sources) as scene:
        report = check_refused(scene, "ehlo_matches")
        (remedy,) = [f["remedy"] for f in report["findings"] if f["verdict"] == "fail"]
        assert remedy == ("s1.shop.test. IN A 127.0.5.2\n"
                          "or penguin-mta.yaml: sources: {s2: {ehlo: s2.shop.test}}")
        scene.config = scene.stack.write_config(sources={"s2": {"ehlo": "s2.shop.test"}})
        assert scene.start() == "running\n"
        assert scene.sends() == 1
        assert {line["ehlo"] for line in scene.stack.world.ledger()} <= {"s1.shop.test", "s2.shop.test"}


def test_sender_MS2_a_from_that_cannot_receive(database, tmp_path):
    check_zone(database, tmp_path, but(DOMAIN, txt=["nothing to see"]), "mx_of_from")


def test_a_return_path_that_cannot_receive(database, tmp_path):
    check_zone(database, tmp_path, but("bounce.shop.test", txt=["v=spf1 ip4:127.0.5.0/24 -all"]), "mx_of_bounce")


@pytest.mark.parametrize("name, records", [
    (DOMAIN, {"mx": ["0 ."]}), ("bounce.shop.test", {"mx": ["0 ."], "txt": ["v=spf1 ip4:127.0.5.0/24 -all"]})])
def test_sender_Y5_dns_D7_a_null_mx(database, tmp_path, name, records):
    check_zone(database, tmp_path, but(name, **records), "not_null_mx")


def test_sender_Y5_a_domain_in_no_zone(database, tmp_path):
    check_zone(database, tmp_path, but("shop.test", mx=["10 mail.shop.test"]), "soa")


def test_a_tracking_host_that_is_not_there(database, tmp_path):
    check_zone(database, tmp_path, but("t.shop.test"), "tracking_host")


def test_sender_P14_sender_Y2_marketing_without_one_click(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        scene.stack.shop.session.query("UPDATE penguin.tenants SET settings = settings - 'tracking_domain'")
        report = check_refused(scene, "list_unsub_headers")
        (remedy,) = [f["remedy"] for f in report["findings"] if f["verdict"] == "fail"]
        sql, content = remedy.splitlines()
        assert '"unsubscribe": {"url": "https://' in content
        scene.stack.set_content(dict(CONTENT, kind="transactional"))  # is not asked for it
        assert failed(scene.report(0)) == []
        scene.stack.set_content(CONTENT)
        scene.stack.shop.session.query(sql.removeprefix("SQL: ").replace("%", "%%"))
        scene.publish({**GOOD, f"t.{DOMAIN}": {"a": ["127.0.9.2"]}})
        assert scene.start() == "running\n"
        assert scene.sends() == 1


def test_gen_G8_sender_P14_the_words_for_the_content_make_a_link_of_the_jobs_own(database, tmp_path):
    """The other half of that remedy: what a receiver gets leads to this job, in the header and in the text."""
    with Scene(database, tmp_path, GOOD) as scene:
        scene.stack.shop.session.query("UPDATE penguin.tenants SET settings = settings - 'tracking_domain'")
        (remedy,) = [f["remedy"] for f in scene.report(78)["findings"] if f["verdict"] == "fail"]
        word = re.search(r"in the content: (.*) \(of a raw", remedy)
        scene.stack.set_content(dict(CONTENT, text="Leave: {{penguin.unsubscribe_url}}\n", html=None,
                                     **json.loads("{" + word.group(1) + "}")))
        assert scene.start() == "running\n"
        assert scene.sends() == 1
        (line,) = scene.stack.world.ledger()
        (data,) = scene.stack.letters().values()
        message = email.message_from_bytes(data)
        link = f"https://{DOMAIN}/unsubscribe/{line['job']}"
        assert message["List-Unsubscribe"].startswith(f"<{link}>, <mailto:")
        assert message.get_payload(decode=True).decode() == f"Leave: {link}\r\n"


@pytest.mark.parametrize("what, check", [("spf", "spf_pass_for_all_pool_ips"), ("dkim", "dkim_key_match"),
                                         ("dmarc", "dmarc_record")])
def test_sender_Y1_sender_MS1_all_three_are_needed(database, tmp_path, what, check):
    name = {"spf": "bounce.shop.test", "dmarc": "_dmarc.shop.test"}.get(what, "none.test")
    zone = but(name, **({"mx": ["10 mail.shop.test"]} if what == "spf" else {}))
    with Scene(database, tmp_path, zone) as scene:
        if what == "dkim":
            (scene.stack.directory / "dkim" / f"r1._domainkey.{DOMAIN}").unlink()
        check_refused(scene, check)


def test_sender_A1_all_that_is_wrong_is_told_at_once(database, tmp_path):
    with Scene(database, tmp_path, {"shop.test": GOOD["shop.test"]}) as scene:
        (scene.stack.directory / "dkim" / f"r1._domainkey.{DOMAIN}").unlink()
        scene.stack.shop.session.query("UPDATE penguin.tenants SET settings = settings - 'tracking_domain'")
        assert failed(scene.report(78)) == [
            "spf_pass_for_all_pool_ips", "dkim_key_match", "dmarc_record", "mx_of_from", "mx_of_bounce", "ptr",
            "ehlo_matches", "list_unsub_headers"]
        assert scene.start(code=78).count("\nfail ") >= 8 and scene.state() == "draft" and scene.sends() == 0


def test_sender_P11_sender_Y8_a_header_that_is_too_large(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        scene.stack.set_content(dict(CONTENT, headers={f"X-Long-{n}": "word " * 600 for n in range(5)}))
        report = scene.report(78)
        (finding,) = [f for f in report["findings"] if f["verdict"] == "fail"]
        assert finding["check"] == "header_bytes" and finding["remedy"]
        assert "header_bytes" in scene.start(code=78) and scene.state() == "draft" and scene.sends() == 0


def requeue(scene, recipients, values=None):
    """These jobs and no others, each in a batch of its own, in this order."""
    s = scene.stack
    s.shop.session.query("DELETE FROM penguin.batches")
    s.shop.session.query("DELETE FROM penguin.jobs")
    return [s.enqueue(scene.campaign, [recipient], [values[i]] if values else None)[0]
            for i, recipient in enumerate(recipients)]


def finding_of(report, check):
    (finding,) = [f for f in report["findings"] if f["check"] == check]
    return finding


@pytest.mark.parametrize("bad, value, fault", [
    ("not an address", "x", "recipient: "), ("ann@[127.0.0.1]", "x", "recipient: address literals"),
    ("ann@d1.test", "x\x01y", "Subject: "), ("ann@d1.test", "x\r\nBcc: y", "Subject: ")])
def test_a_job_that_cannot_be_composed_holds_no_campaign_up(database, tmp_path, bad, value, fault):
    """It is named, whichever of the samples it is; the others are sent."""
    with Scene(database, tmp_path, GOOD) as scene:
        good = [f"good{i}@d1.test" for i in range(5)]
        ids = requeue(scene, [bad, *good], [{"name": value}] + [{"name": "x"}] * 5)
        report = scene.report(0)
        finding = finding_of(report, "composes")
        assert failed(report) == [] and finding["verdict"] == "warning" and finding["severity"] == "hard"
        assert f"1 of 6 jobs cannot be composed; {ids[0]}: {fault}" in finding["says"], finding
        assert "will end as failed, the others are sent" in finding["remedy"]
        assert finding_of(report, "header_bytes")["verdict"] == "pass"
        assert scene.start().endswith("running\n")
        assert scene.sends() == 5
        assert scene.stack.account(scene.campaign) == {"delivered": 5, "failed": 1}


def test_where_no_job_can_be_composed_it_is_still_not_the_content(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        requeue(scene, ["nobody", "ann@d1.test"], [{}, {"name": "x\x01y"}])
        report = scene.report(0)
        finding = finding_of(report, "composes")
        assert "2 of 2 jobs cannot be composed" in finding["says"] and finding["verdict"] == "warning"
        assert 1000 < report["header_bytes"] < 16384 and report["composes"] is True


def test_samples_are_of_the_whole_campaign(database, tmp_path):
    """Of a batch the first, the middle and the last; with their own variants."""
    with Scene(database, tmp_path, GOOD) as scene:
        s = scene.stack
        requeue(scene, [])
        s.enqueue(scene.campaign, ["nobody", *(f"good{i}@d1.test" for i in range(9))])
        assert finding_of(scene.report(0), "composes")["says"].startswith("1 of 3 jobs cannot be composed")
        requeue(scene, [f"good{i}@d1.test" for i in range(12)])
        assert finding_of(scene.report(0), "composes")["says"] == "8 of the jobs that wait were tried"


def test_a_content_that_fails_for_all_is_the_contents_fault(database, tmp_path):
    """Not for its size, and no job is blamed alone."""
    with Scene(database, tmp_path, GOOD) as scene:
        scene.stack.set_content(dict(CONTENT, text="{{>own}}", html=None))
        scene.stack.shop.session.query(
            "INSERT INTO penguin.contents (tenant_id, id, version, name, kind, body) VALUES (%s, %s, 1, 'own', 'template', %s)",
            scene.stack.shop.tenant, "01a20e7b-4642-7013-be18-3e72d3cf26eb", json.dumps({"text": "{{>own}}"}))
        scene.stack.shop.session.query("UPDATE penguin.contents SET created_at = now() + interval '1 s' WHERE name = 'letter'")
        report = scene.report(78)
        fails = [f for f in report["findings"] if f["verdict"] == "fail"]
        assert [f["check"] for f in fails] == ["composes"] and "nests" in fails[0]["says"]
        assert "penguinctl content add" in fails[0]["remedy"] and "cannot be composed" in fails[0]["reason"]
        assert report["header_bytes"] is None and report["composes"] is False
        assert "composes" in scene.start(code=78) and scene.state() == "draft" and scene.sends() == 0


def test_without_a_job_a_content_that_needs_values_only_warns(database, tmp_path):
    content = dict(CONTENT, unsubscribe={"url": "{{{leave}}}"})
    with Scene(database, tmp_path, GOOD, content=content) as scene:
        requeue(scene, [])
        finding = finding_of(scene.report(0), "composes")
        assert finding["verdict"] == "warning" and "no job waits" in finding["says"]
        assert "unsubscribe.url" in finding["says"] and "enqueue a job" in finding["remedy"]
        requeue(scene, ["ann@d1.test"], [{"leave": "https://shop.test/u/7"}])
        assert finding_of(scene.report(0), "composes")["verdict"] == "pass"


@pytest.mark.parametrize("setting, value, fault", [
    ("bounce_domain", "b_x.shop.test", "is not a host name"), ("bounce_domain", 7, "is not a host name"),
    ("tracking_domain", "t shop.test", "is not a host name"), ("sender_id", "abc", "must have 5 to 15")])
def test_a_setting_that_is_wrong_is_named_with_what_mends_it(database, tmp_path, setting, value, fault):
    with Scene(database, tmp_path, GOOD) as scene:
        query = scene.stack.shop.session.query
        query("UPDATE penguin.tenants SET settings = settings || %s", json.dumps({setting: value}))
        report = scene.report(78)
        fails = [f for f in report["findings"] if f["verdict"] == "fail"]
        assert [f["check"] for f in fails] == ["tenant_settings"], fails
        assert f"{setting} '{value}' {fault}" in fails[0]["says"] and report["tenant_settings"] is False
        assert "tenant_settings" in scene.start(code=78) and scene.state() == "draft" and scene.sends() == 0
        (sql,) = fails[0]["remedy"].splitlines()
        query(sql.removeprefix("SQL: ").replace("%", "%%"))
        scene.publish({**GOOD, f"t.{DOMAIN}": {"a": ["127.0.9.2"]}})
        assert scene.start() == "running\n"
        assert scene.sends() == 1


def test_force_is_kept_with_who_and_why(database, tmp_path):
    with Scene(database, tmp_path, but("_dmarc.shop.test")) as scene:
        scene.start("--force", " ", code=64)
        scene.start(code=78)
        text = scene.start("--force", "the customer's DNS is late", "--by", "eve")
        assert "dmarc_record" in text and text.endswith("running\n")
        shown = scene.run("campaign", "show", scene.campaign)
        assert "forced past preflight (fail) by eve@" in shown and "the customer's DNS is late" in shown
        note = json.loads(scene.run("campaign", "show", scene.campaign, "--json"))["preflight"]
        assert note["verdict"] == "fail" and note["forced"] == "the customer's DNS is late" and note["by"].startswith("eve@")
        assert scene.sends() == 1
        assert "is no draft" in scene.start(code=65)


def test_without_the_configuration_nothing_is_started(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        assert "-c CONFIG" in scene.ctl.run("campaign", "start", scene.campaign, code=78)
        assert "-c CONFIG" in scene.ctl.run("preflight", scene.campaign, code=78)
        assert scene.state() == "draft"
        scene.ctl.run("campaign", "start", scene.campaign, "--force", "checked on mta1")
        assert "forced past preflight (not checked)" in scene.ctl.run("campaign", "show", scene.campaign)


def test_a_dns_that_does_not_answer_is_no_failure(database, tmp_path):
    zone = but("_dmarc.shop.test", fault="servfail")
    with Scene(database, tmp_path, zone, dns={"timeout": "200ms", "attempts": 1}) as scene:
        report = scene.report(75)
        assert report["verdict"] == "unknown" and report["dmarc_record"] is None and failed(report) == []
        assert "try again" in scene.start(code=75) and scene.state() == "draft"


def test_pools_and_names_that_are_not_there(database, tmp_path):
    with Scene(database, tmp_path, GOOD) as scene:
        report = scene.report(78, DOMAIN, "--pool", "gold")
        assert failed(report) == ["pool"]
        (finding,) = [f for f in report["findings"] if f["verdict"] == "fail"]
        assert finding["remedy"] == "penguin-mta.yaml: pools: {gold: {sources: [s1, s2]}}"
        scene.run("preflight", "winter", code=65)
        scene.run("preflight", "-.test", code=64)
        scene.run("preflight", code=64)
        report = scene.report(78, "other.test")
        assert "penguinctl key add" in next(f["remedy"] for f in report["findings"] if f["check"] == "dkim_key_match")
