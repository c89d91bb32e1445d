"""The disk that forgets: what it keeps, what it forgets, and what it refuses to judge."""
import os
import random
import signal
import subprocess

import pytest

from powercut import Disk

BEGIN = """
import mmap, os, sys
os.chdir(sys.argv[1])
def make(name, data=b"", sync=False):
    fd = os.open(name, os.O_CREAT | os.O_RDWR, 0o600)
    if data:
        os.pwrite(fd, data, 0)
    if sync:
        os.fdatasync(fd)
    return fd
def sync_names(path="."):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(fd)
    os.close(fd)
"""


@pytest.fixture
def disk(tmp_path):
    return Disk(tmp_path / "disk", tmp_path / "shadow", exempt="cell")


def run(disk, program):
    """The program in the disk's directory; it is killed at its end, so nothing is tidied up."""
    ended = "\nos.kill(os.getpid(), 9)\n"
    return subprocess.run(["/usr/bin/python3", "-S", "-c", BEGIN + program + ended, disk.directory], stderr=subprocess.PIPE,
                          env=disk.environment(), text=True, check=False)


def after(disk, program, chance=None):
    """What is there when the power is back."""
    done = run(disk, program)
    assert done.returncode == -signal.SIGKILL, done.stderr
    disk.cut(chance)
    return {str(p.relative_to(disk.directory)): p.read_bytes() for p in sorted(disk.directory.rglob("*")) if p.is_file()}


KEPT = {
    "nothing was synced": ('make("a", b"x")', {}),
    "the bytes, but not the name": ('make("a", b"x", True)', {}),
    "the name, but not the bytes": ('make("a", b"x"); sync_names()', {"a": b""}),
    "both": ('make("a", b"x", True); sync_names()', {"a": b"x"}),
    "in the other order": ('fd = make("a", b"x"); sync_names(); os.fsync(fd)', {"a": b"x"}),
    "only the first write": ('fd = make("a", b"xx", True); sync_names(); os.pwrite(fd, b"y", 1)', {"a": b"xx"}),
    "the second as well": ('fd = make("a", b"xx", True); sync_names(); os.pwrite(fd, b"y", 1); os.fdatasync(fd)', {"a": b"xy"}),
    "write moves on": ('fd = make("a"); sync_names(); os.write(fd, b"ab"); os.write(fd, b"c"); os.fdatasync(fd)', {"a": b"abc"}),
    "appended": ('make("a", b"x"); fd = os.open("a", os.O_WRONLY | os.O_APPEND); os.write(fd, b"y"); os.fsync(fd); sync_names()',
                 {"a": b"xy"}),
    "room is zeros": ('fd = make("a"); os.posix_fallocate(fd, 0, 3); os.pwrite(fd, b"z", 1); os.fdatasync(fd); sync_names()',
                      {"a": b"\0z\0"}),
    "cut short, not synced": ('fd = make("a", b"xyz", True); sync_names(); os.ftruncate(fd, 1)', {"a": b"xyz"}),
    "cut short": ('fd = make("a", b"xyz", True); sync_names(); os.ftruncate(fd, 1); os.fsync(fd)', {"a": b"x"}),
    "emptied at the opening": ('make("a", b"xyz", True); sync_names(); os.fsync(os.open("a", os.O_WRONLY | os.O_TRUNC))', {"a": b""}),
    "renamed, not synced": ('make("a", b"x", True); sync_names(); os.rename("a", "b")', {"a": b"x"}),
    "renamed": ('make("a", b"x", True); sync_names(); os.rename("a", "b"); sync_names()', {"b": b"x"}),
    "written after it was renamed": ('fd = make("a", b"x", True); sync_names(); os.rename("a", "b"); os.pwrite(fd, b"y", 0);'
                                     'os.fsync(fd)', {"a": b"y"}),
    "removed, not synced": ('make("a", b"x", True); sync_names(); os.unlink("a"); make("b", b"y", True)', {"a": b"x"}),
    "removed": ('make("a", b"x", True); sync_names(); os.unlink("a"); sync_names()', {}),
    "another in its place": ('make("a", b"x", True); sync_names(); os.unlink("a"); make("a", b"y", True)', {"a": b"x"}),
    "a directory's own name is missing": ('os.mkdir("d"); make("d/a", b"x", True); sync_names("d")', {}),
    "a directory's names are missing": ('os.mkdir("d"); make("d/a", b"x", True); sync_names()', {}),
    "a directory": ('os.mkdir("d"); make("d/a", b"x", True); sync_names("d"); sync_names()', {"d/a": b"x"}),
    "through another descriptor": ('make("a", b"x"); fd = os.open("a", os.O_RDONLY); os.fdatasync(fd); sync_names()', {"a": b"x"}),
    "an exempt file is empty": ('fd = make("cell", b"x" * 4096, True); sync_names();'
                                'mmap.mmap(fd, 4096)[0] = 7', {"cell": b""}),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_a_power_cut_leaves(disk, name):
    program, left = KEPT[name]
    assert after(disk, program) == left


def test_what_is_left_is_durable_and_the_next_process_goes_on(disk):
    assert after(disk, 'make("a", b"one", True); sync_names()') == {"a": b"one"}
    assert after(disk, 'fd = make("a"); os.pwrite(fd, b"two", 0); make("b", b"x", True)') == {"a": b"one"}
    assert after(disk, 'fd = make("a"); os.pwrite(fd, b"2", 2); os.fdatasync(fd)') == {"a": b"on2"}


def test_what_an_earlier_process_wrote_is_durable_when_a_later_one_syncs_it(disk):
    run(disk, 'make("a", b"one"); sync_names()')
    assert after(disk, 'os.fdatasync(make("a"))') == {"a": b"one"}


def test_a_sector_may_be_there_without_a_sync_but_never_half_of_it(disk):
    left = after(disk, 'fd = make("a", b"-" * 51200, True); sync_names(); os.pwrite(fd, b"+" * 51200, 0)', random.Random(1))["a"]
    sectors = {left[at:at + 512] for at in range(0, 51200, 512)}
    assert sectors == {b"-" * 512, b"+" * 512}


def test_what_is_written_while_a_sync_goes_on_is_the_next_ones(disk):
    disk.slow_ms = 400
    program = """
import threading, time
fd = make("a", b"old", True)
sync_names()
os.pwrite(fd, b"n", 0)
syncing = threading.Thread(target=os.fdatasync, args=(fd,))
syncing.start()
time.sleep(0.1)
os.pwrite(fd, b"!", 2)
syncing.join()
"""
    assert after(disk, program) == {"a": b"nld"}


def test_a_sync_that_has_not_returned_has_done_nothing(disk):
    disk.slow_ms = 5000
    program = 'import threading, time; fd = make("a", b"x"); sync_names(); ' \
        'threading.Thread(target=os.fdatasync, args=(fd,)).start(); time.sleep(0.2)'
    assert after(disk, program) == {"a": b""}


REFUSED = {
    "mmap": 'mmap.mmap(make("a", b"x" * 4096), 4096)',
    "writev": 'os.writev(make("a"), [b"x"])',
    "pwritev": 'os.pwritev(make("a"), [b"x"], 0)',
    "dup": 'os.dup2(make("a"), 77)',
    "sendfile": 'os.sendfile(make("a"), os.open("/etc/passwd", os.O_RDONLY), 0, 10)',
    "copy_file_range": 'os.copy_file_range(os.open("/etc/passwd", os.O_RDONLY), make("a"), 10)',
    "splice": 'r, w = os.pipe(); os.write(w, b"x"); os.splice(r, make("a"), 1)',
    "truncate": 'make("a"); os.truncate("a", 0)',
    "dsync": 'os.open("a", os.O_CREAT | os.O_WRONLY | os.O_DSYNC)',
    "symbolic link": 'os.symlink("a", "b"); sync_names()',
    "moved in": 'open("../outside", "w").close(); os.rename("../outside", "a"); sync_names()',
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_modelled_aborts(disk, name):
    done = run(disk, REFUSED[name])
    assert done.returncode == -signal.SIGABRT, done.stderr
    assert "powercut: not modelled: " in done.stderr


def test_files_elsewhere_are_left_alone(disk, tmp_path):
    program = f'os.chdir("{tmp_path}"); fd = make("a", b"x" * 4096); mmap.mmap(fd, 4096); os.writev(fd, [b"y"]); os.dup(fd)'
    assert run(disk, program).returncode == -signal.SIGKILL
    assert not list(disk.shadow.glob("*.data")) and os.listdir(disk.directory) == []
