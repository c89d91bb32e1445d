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
MAINTAIN = BUILD / "packaging" / "penguin-maintain.service"

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here: apt install systemd")


def service():
    text = configparser.RawConfigParser(strict=False)
    text.optionxform = str
    text.read_string(UNIT.read_text().replace("ExecReload=kill", "ExecReload2=kill"))
    return text["Service"]


def seconds(text):
    return sum(int(n) * {"s": 1, "m": 60, "min": 60, "h": 3600}[unit] for n, unit in re.findall(r"(\d+)(s|min|m|h)", text))


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, MAINTAIN, MAINTAIN.with_suffix(".timer")], ids=lambda unit: unit.name)
def test_systemd_understands_the_unit(tmp_path, unit):
    programs = BUILD / "src" / "main"
    for each in (unit, MAINTAIN):  # a timer needs its service
        text = re.sub(r"=\S+/(penguin-mta -c|penguinctl )", rf"={programs}/\1", each.read_text())
        (tmp_path / each.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True, check=False)
    own = [line for line in (done.stdout + done.stderr).splitlines() if "penguin-" in line]
    assert done.returncode == 0 and not own, done.stdout + done.stderr


@needs_systemd
@pytest.mark.parametrize("unit", [UNIT, MAINTAIN], ids=lambda unit: unit.name)
def test_sup_U1_the_unit_is_closed(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], capture_output=True, text=True,
                          check=True)
    score = re.search(r"Overall exposure level for \S+ ([\d.]+)", done.stdout)[1]
    assert float(score) <= 1.5, done.stdout


def test_sup_U2_a_stop_has_the_time_that_a_drain_takes(tmp_path):
    program = BUILD / "src" / "main" / "penguin-mta"
    schema = subprocess.run([program, "--dump-schema"], capture_output=True, text=True, check=True).stdout
    defaults = {line.split("\t")[0]: line.split("\t")[4] for line in schema.splitlines()}
    assert seconds(service()["TimeoutStopSec"]) >= seconds(defaults["drain_timeout"]) + 10
    assert seconds(defaults["drain_timeout"]) > seconds(defaults["timeouts.final_dot"])


def test_sup_U3_a_reload_checks_first():
    assert service()["ExecReload"].endswith("--check-config") and service()["ExecReload2"] == "kill -HUP $MAINPID"
    assert service()["Type"] == "notify" and service()["KillMode"] == "mixed"
    assert service()["OOMPolicy"] == "continue", "the kernel ends one worker, and systemd would end all"


def install(directory):
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", directory], check=True)


def one(directory, pattern):
    (path,) = directory.rglob(pattern)
    return path


def test_an_install_leaves_what_an_operator_wrote(tmp_path):
    """An upgrade is an install over the last one."""
    install(tmp_path)
    for name in ("penguin-mta.yaml", "providers.yaml"):
        path = one(tmp_path, f"etc/penguin-mta/{name}")
        shipped = path.read_text()
        path.write_text("# ours\n")
        path.chmod(0o640)
        install(tmp_path)
        assert path.read_text() == "# ours\n" and path.stat().st_mode & 0o777 == 0o640
        assert one(tmp_path, f"doc/penguin-mta/examples/{name}").read_text() == shipped


def test_what_is_installed_fits_together(tmp_path):
    """The unit, the directories and the program mean the same configuration and the same user."""
    install(tmp_path)
    unit = one(tmp_path, "penguin-mta.service").read_text()
    program, config = re.search(r"^ExecStart=(\S+) -c (\S+)$", unit, re.M).groups()
    assert (tmp_path / program[1:]).stat().st_mode & 0o111
    assert (tmp_path / config[1:]).exists()
    daily = one(tmp_path, "penguin-maintain.service").read_text()
    assert (tmp_path / re.search(r"^ExecStart=/(\S+) maintain$", daily, re.M)[1]).stat().st_mode & 0o111
    assert re.search(r"^EnvironmentFile=(\S+)/maintain.env$", daily, re.M)[1] == str(pathlib.Path(config).parent)
    directories = one(tmp_path, "tmpfiles.d/penguin-mta.conf").read_text()
    assert f"d {pathlib.Path(config).parent} 0750 root penguin-mta\n" in directories
    assert one(tmp_path, "sysusers.d/penguin-mta.conf").read_text().splitlines()[-1].startswith("u penguin-mta ")
    done = subprocess.run([tmp_path / program[1:], "-c", tmp_path / config[1:], "--check-config"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
