"""What systemd is given: it understands the unit, which is as closed as it can be, and reloads by checking first."""
import configparser
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from worldlib import BUILD  # noqa: E402

UNIT = BUILD / "packaging" / "penguin-mta.service"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: apt install systemd")


def service():
    text = configparser.RawConfigParser(strict=False)
    text.optionxform = str
    text.read_string(UNIT.read_text().replace("ExecReload=kill", "ExecReload2=kill"))
    return text["Service"]


def seconds(text):
    return sum(int(n) * {"s": 1, "m": 60, "min": 60, "h": 3600}[unit] for n, unit in re.findall(r"(\d+)(s|min|m|h)", text))


@needs_systemd
def test_systemd_understands_the_unit(tmp_path):
    copy = tmp_path / "penguin-mta.service"
    program = BUILD / "src" / "main" / "penguin-mta"
    copy.write_text(re.sub(r"=\S+/penguin-mta -c", f"={program} -c", UNIT.read_text()))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False)
    own = [line for line in (done.stdout + done.stderr).splitlines() if "penguin-mta" in line]
    assert done.returncode == 0 and not own, done.stdout + done.stderr


@needs_systemd
def test_the_unit_is_closed():
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", UNIT], capture_output=True, text=True,
                          check=True)
    score = re.search(r"Overall exposure level for \S+ ([\d.]+)", done.stdout)[1]
    assert float(score) <= 1.5, done.stdout


def test_a_stop_has_the_time_that_a_drain_takes(tmp_path):
    program = BUILD / "src" / "main" / "penguin-mta"
    schema = subprocess.run([program, "--dump-schema"], capture_output=True, text=True, check=True).stdout
    defaults = {line.split("\t")[0]: line.split("\t")[4] for line in schema.splitlines()}
    assert seconds(service()["TimeoutStopSec"]) >= seconds(defaults["drain_timeout"]) + 10
    assert seconds(defaults["drain_timeout"]) > seconds(defaults["timeouts.final_dot"])


def test_a_reload_checks_first():
    assert service()["ExecReload"].endswith("--check-config") and service()["ExecReload2"] == "kill -HUP $MAINPID"
    assert service()["Type"] == "notify" and service()["KillMode"] == "mixed"
