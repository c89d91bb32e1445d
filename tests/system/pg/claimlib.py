"""What the claim and report tests share: claim-cli as a process."""
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]

MIGRATIONS = sorted((ROOT / "src" / "sql" / "migrations").glob("*.sql"))


def claim_jobs(lines):
    return [line["job"] for line in lines if line["event"] == "job"]


def claim_cli():
    build = pathlib.Path(os.environ.get("PENGUIN_BUILD", ROOT / "build"))
    return build / "tests" / "tools" / "claim-cli"


class Cli:
    """A running claim-cli.  It prints to files: a full pipe would hold it up."""

    def __init__(self, dsn, **settings):
        self.out = tempfile.TemporaryFile("w+")
        self.err = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [claim_cli(), dsn] + [f"{k}={v}" for k, v in settings.items()],
            stdout=self.out, stderr=self.err,
        )

    def lines(self):
        """What it has printed up to now."""
        self.out.seek(0)
        return [json.loads(line) for line in self.out.read().splitlines() if line.endswith("}")]

    def finish(self, timeout=120, code=0):
        """Waits for its end; returns what it printed."""
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"claim-cli did not end: {self.lines()[-5:]}") from None
        self.err.seek(0)
        self.log = self.err.read()
        assert self.process.returncode == code, self.log[-2000:]
        return self.lines()
