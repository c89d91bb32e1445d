"""Runs penguinctl for tests."""
import os
import subprocess

from mtalib import BUILD

PROGRAM = BUILD / "src" / "main" / "penguinctl"


class Ctl:
    def __init__(self, dsn, directory):
        self.environment = dict(os.environ, PENGUIN_DSN=dsn, NO_COLOR="1")
        self.directory = directory

    def run(self, *words, code=0, stdin=None):
        answer = subprocess.run([PROGRAM, *map(str, words)], env=self.environment, cwd=self.directory, input=stdin,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
        assert answer.returncode == code, (words, answer.returncode, answer.stdout, answer.stderr)
        return answer.stdout + answer.stderr
