"""penguinctl spool: the journal of a killed worker, and of one at work; copies, and what is wrong with them."""
import json
import os
import re
import shutil
import struct
import subprocess

import pytest
from ctllib import PROGRAM
from mtalib import WORLD, Stack

RULES = """
rules:
  - at: dot
    recipient: "think@*"
    accept: true
    delay: 60s
  - at: rcpt
    recipient: "rude@*"
    raw: "550 5.7.1 no \\e]0;owned\\a\\u202e\\r\\n"
"""
CONFIG = {"default_site": {"connections": 1}, "report": {"interval": "30s"}}
HEADER = 4096


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def spool(*words, code=0):
    done = subprocess.run([PROGRAM, "spool", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=60, env={k: v for k, v in os.environ.items() if k != "PENGUIN_DSN"})
    assert done.returncode == code, (words, done)
    return (done.stdout + done.stderr).decode()


def rows(*words, code=0):
    return [json.loads(line) for line in spool(*words, "--json", code=code).splitlines()]


@pytest.fixture(scope="module")
def killed(cluster, tmp_path_factory):
    """Three were taken, one refused in rude words, one had its dot and no answer; Postgres was told of none."""
    cluster.execute("CREATE DATABASE killed TEMPLATE migrated")
    with Stack(cluster.dsn("killed"), tmp_path_factory.mktemp("killed"), world=WORLD + RULES, config=CONFIG) as s:
        campaign = s.campaign()
        ids = s.enqueue(campaign, ["a@d1.test", "b@d1.test", "c@d1.test", "rude@d2.test", "think@d3.test"])
        s.start()
        s.wait(campaign, lambda _: len(s.world.ledger()) == 4 and len(results(s)) == 4)
        # It is at work: nothing of that disturbs it, and nothing is changed.
        before = {path: path.stat().st_mtime_ns for path in journal(s.directory).iterdir()}
        (row,) = rows("list", s.directory / "spool")
        assert (row["unreported"], row["doubts"], row["boot"], row["live"] >= 1) == (4, 1, "this", True)
        assert {path: path.stat().st_mtime_ns for path in journal(s.directory).iterdir()} == before
        assert s.mta.poll() is None
        s.kill()
        yield s, ids
    cluster.execute("DROP DATABASE killed WITH (FORCE)")


def journal(directory):
    (found,) = [path for path in (directory / "spool").iterdir() if path.is_dir()]
    return found


def results(s):
    return [row for row in rows("show", journal(s.directory)) if row["type"] == "result"]


@pytest.fixture
def copy(killed, tmp_path):
    """A copy of it, as somebody would make who wants to look elsewhere; and its first file."""
    s, _ = killed
    shutil.copytree(journal(s.directory), tmp_path / "copy")
    return tmp_path / "copy", sorted((tmp_path / "copy").glob("*.seg"))[0]


def test_what_postgres_was_not_told(killed):
    s, ids = killed
    for place in (s.directory / "spool", journal(s.directory)):
        (row,) = rows("list", place)
        assert (row["intent"], row["result"], row["withdrawn"], row["unknown"]) == (4, 4, 0, 0)
        assert (row["unreported"], row["doubts"], row["name"]) == (4, 1, "w0") and row["claimed"] >= 1
        assert row["first_us"] <= row["last_us"]
    text = spool(s.directory / "spool")
    assert "4 results, and 1 messages of unknown end" in text and "this boot" in text
    (doubt,) = rows("show", journal(s.directory), "--doubts")
    assert (doubt["type"], doubt["job_id"], doubt["recipient"]) == ("intent", ids[4], "think@d3.test")
    both = rows("show", journal(s.directory), "--job", ids[0])
    assert [row["type"] for row in both] == ["intent", "result"]
    assert both[1]["number"] == both[0]["seq"] and both[1]["code"] == 250 and both[1]["state"] == "delivered"
    spool("show", journal(s.directory), "--job", "nobody", code=64)
    assert len(spool("show", journal(s.directory)).splitlines()) == len(rows("show", journal(s.directory)))


def test_the_configuration_says_where(killed):
    s, _ = killed
    done = subprocess.run([PROGRAM, "-c", s.directory / "penguin-mta.yaml", "spool"], stdout=subprocess.PIPE, text=True,
                          check=True, timeout=60)
    assert "4 results, and 1 messages of unknown end" in done.stdout


def test_threat_C6_no_octet_of_a_reply_steers_the_terminal(killed):
    s, ids = killed
    text = spool("show", journal(s.directory), "--job", ids[3])
    assert "550" in text and "owned" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", text), text
    raw = spool("show", journal(s.directory), "--job", ids[3], "--json")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", raw), raw


def test_a_torn_end_is_no_damage(copy):
    directory, file = copy
    whole = rows("show", directory)
    last = whole[-1]
    data = bytearray(file.read_bytes())
    data[last["offset"] + 8] ^= 1
    file.write_bytes(data)
    listed = rows("list", directory)
    assert [(row["trouble"], row["offset"]) for row in listed if "trouble" in row] == [("torn", last["offset"])]
    assert rows("show", directory)[:-1] == whole[:-1]


def test_a_copy_that_was_cut_off_is_read_as_far_as_it_goes(copy):
    directory, file = copy
    whole = rows("show", directory)
    file.write_bytes(file.read_bytes()[:whole[-1]["offset"] + 10])
    kept = rows("show", directory)
    assert [row for row in kept if "type" in row] == whole[:-1]


@pytest.mark.parametrize("which", [0, 2])
def test_a_flipped_bit_is_damage_with_its_place_and_what_to_do(copy, which):
    directory, file = copy
    whole = rows("show", directory)
    data = bytearray(file.read_bytes())
    data[whole[which]["offset"] + 24] ^= 4
    file.write_bytes(data)
    (damage,) = [row for row in rows("list", directory, code=65) if "trouble" in row]
    assert (damage["trouble"], damage["file"], damage["offset"]) == ("damaged", str(file), whole[which]["offset"])
    text = spool("list", directory, code=65)
    assert f"damaged: {file} at offset {whole[which]['offset']}: " in text and "to do: " in text
    assert [row for row in rows("show", directory, code=65) if "type" in row] == whole[:which] + whole[which + 1:]
    spool("show", directory, "--doubts", code=65)


def test_a_header_that_is_damaged_foreign_or_newer(copy):
    directory, file = copy
    good = file.read_bytes()
    newer = bytearray(good[:HEADER])
    newer[8:12] = struct.pack("<I", 99)
    for header, trouble in ((b"\xff" + good[1:HEADER], "damaged"), (bytes(newer), "newer"),
                            (b"#!/bin/sh\n".ljust(HEADER, b"x"), "damaged")):
        file.write_bytes(header + good[HEADER:])
        (row,) = [row for row in rows("list", directory, code=65) if "trouble" in row]
        assert (row["trouble"], row["file"], row["offset"]) == (trouble, str(file), 0)
        spool("show", file, code=65)


def test_an_entry_of_a_newer_program_is_told(copy):
    """Whole by its sum, and with a word that is not known here."""
    directory, file = copy
    whole = rows("show", directory)
    at = next(row["offset"] for row in whole if row["type"] == "intent")
    data = bytearray(file.read_bytes())
    length = struct.unpack_from("<I", data, at + 4)[0]
    record = bytes(data[at + 4:at + 20 + length]).replace(b"retry", b"later", 1)
    data[at:at + 20 + length] = struct.pack("<I", crc32c(record)) + record
    file.write_bytes(data)
    (row,) = [row for row in rows("list", directory, code=65) if "trouble" in row]
    assert (row["trouble"], row["offset"] >= HEADER) == ("newer", True)


def test_empty_foreign_and_unreadable_files(copy, tmp_path):
    directory, file = copy
    (directory / "README").write_text("hello")
    (directory / "00000000000000ff.seg").write_bytes(b"")
    (directory / "zzzzzzzzzzzzzzzz.seg").write_bytes(b"foreign")
    assert not [row for row in rows("list", directory) if "trouble" in row]
    (directory / "0000000000000100.seg").mkdir()
    (row,) = [row for row in rows("list", directory, code=65) if "trouble" in row]
    assert row["trouble"] == "unreadable"
    (tmp_path / "empty").mkdir()
    assert "there is no journal in it" in spool("list", tmp_path / "empty", code=66)
    assert "No such file" in spool("list", tmp_path / "nowhere", code=66)
    assert "No such file" in spool("show", tmp_path / "nowhere", code=66)


def test_the_worker_that_refuses_a_damaged_journal_names_this_command(killed, tmp_path):
    s, _ = killed
    where = tmp_path / "spool"
    shutil.copytree(s.directory / "spool", where)
    file = sorted(next(path for path in where.iterdir() if path.is_dir()).glob("*.seg"))[0]
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    s.start(spool={"directory": str(where)})
    assert s.mta.wait(30) == 78
    s.log.close()
    assert f"penguinctl spool list {file.parent}" in s.log_text()
