"""A control group of its own, to be short of memory in, as under systemd's MemoryMax.

    with memory_group() as group:
        subprocess.Popen(..., preexec_fn=group.enter)
        group.limit(room=bytes)

Needs root, and a hierarchy (version 1 or 2) in which groups may be made; else PermissionError.
"""
import contextlib
import os
import pathlib
import re
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
NAMES = {1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.oom_control"),
         2: ("memory.max", "memory.current", "memory.events")}


class Group:
    def __init__(self, path, version):
        self.path = path
        self.limits, self.uses, self.counts = (path / name for name in NAMES[version])

    def enter(self):
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def limit(self, room):
        """So much more than is used now; version 1 refuses what is less when it comes to it."""
        while True:
            with contextlib.suppress(OSError):
                self.limits.write_text(str(int(self.uses.read_text()) + room))
                return

    def lift(self):
        self.limits.write_text("max" if self.limits.name == "memory.max" else "-1")

    def killed(self):
        """How many processes the kernel has ended for want of memory."""
        return int(re.search(r"^oom_kill (\d+)", self.counts.read_text(), re.M)[1])


def own_path(line):
    return pathlib.Path("/proc/self/cgroup").read_text().split(line, 1)[1].split("\n")[0].lstrip("/")


def places():
    """Where a group may be made: version 1 beside all, version 2 below the root."""
    if (ROOT / "memory").is_dir():
        yield ROOT / "memory", 1
    if (ROOT / "cgroup.controllers").exists():
        yield ROOT, 2
        yield ROOT / own_path("0::"), 2


def make():
    for place, version in places():
        path = place / f"penguin-test-{os.getpid()}"
        try:
            path.mkdir()
        except OSError:
            continue
        if (path / NAMES[version][0]).exists():
            return Group(path, version)
        path.rmdir()
    raise PermissionError("no control group with a limit of memory can be made here")


@contextlib.contextmanager
def memory_group():
    """Whoever entered it must have ended when it goes."""
    group = make()
    try:
        yield group
    finally:
        for _ in range(100):  # who ended a moment ago is still counted
            with contextlib.suppress(OSError):
                group.path.rmdir()
                break
            time.sleep(0.05)
