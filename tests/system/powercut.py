"""A disk that forgets what was not synced: tests/tools/powercut.c says what is modelled.

    disk = Disk(directory, shadow)
    program = Popen(..., env=disk.environment())
    program.kill()
    disk.cut()          # the power was away: what was not durable is gone

Nothing of `directory` may be there that was made before the disk was.
"""
import os
import pathlib
import shutil

from worldlib import BUILD

SHIM = BUILD / "tests" / "tools" / "powercut.so"
SECTOR = 512
CELL = "at-hand"  # of a journal: shared memory that need not outlive a power cut


class Disk:
    def __init__(self, directory, shadow, exempt=CELL, slow_ms=0):
        self.directory = pathlib.Path(directory).resolve()
        self.shadow = pathlib.Path(shadow).resolve()
        self.exempt = exempt  # the name of a file that may be mapped, and is empty after a cut
        self.slow_ms = slow_ms
        self.directory.mkdir()
        self.shadow.mkdir()

    def environment(self, base=None):
        return dict(os.environ if base is None else base, LD_PRELOAD=str(SHIM), POWERCUT_DIR=str(self.directory),
                    POWERCUT_SHADOW=str(self.shadow), POWERCUT_EXEMPT=self.exempt, POWERCUT_SLOW_MS=str(self.slow_ms),
                    ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")

    def cut(self, chance=None):
        """The directory becomes what is durable.  With `chance` (a random.Random) some sectors that
        were written and not synced are there as well: a disk may write whatever it wants to."""
        new = self.directory.with_name(self.directory.name + ".new")
        self.restore(self.directory.stat().st_ino, new, chance)
        shutil.rmtree(self.directory)
        new.rename(self.directory)
        shutil.rmtree(self.shadow)
        self.shadow.mkdir()
        self.adopt(self.directory)

    def restore(self, inode, new, chance):
        new.mkdir(mode=0o700)
        names = self.shadow / f"{inode}.names"
        for line in names.read_text().splitlines() if names.exists() else ():
            kind, number, name = line.split(" ", 2)
            if kind == "d":
                self.restore(int(number), new / name, chance)
            else:
                (new / name).write_bytes(self.survives(number, name, chance))

    def survives(self, inode, name, chance):
        path = self.shadow / f"{inode}.data"
        durable = path.read_bytes() if path.exists() and name != self.exempt else b""
        if chance is None or name == self.exempt:
            return durable
        written = (self.shadow / f"{inode}.pin").read_bytes()
        parts = []
        for at in range(0, len(durable), SECTOR):
            old, new = durable[at:at + SECTOR], written[at:at + SECTOR]
            parts.append(new if old != new and len(old) == len(new) and chance.random() < 0.5 else old)
        return b"".join(parts)

    def adopt(self, directory):
        """What is there after the cut is durable."""
        names = []
        for path in sorted(directory.iterdir()):
            inode = path.stat().st_ino
            if path.is_dir():
                self.adopt(path)
                names.append(f"d {inode} {path.name}\n")
            else:
                os.link(path, self.shadow / f"{inode}.pin")
                shutil.copyfile(path, self.shadow / f"{inode}.data")
                names.append(f"f {inode} {path.name}\n")
        (self.shadow / f"{directory.stat().st_ino}.names").write_text("".join(names))
