"""A network namespace of its own for a test: every address is there and nothing leaves it.

    with private_network():
        ...   # programs started here live in it too

Loopback is up and takes all routes, so a SYN to any address goes out, where the kernel counts
it, and meets nobody.  Unix sockets (Postgres) reach through.  Needs root.
"""
import contextlib
import ctypes
import os
import pathlib
import re
import subprocess

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def private_network():
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    checked(LIBC.unshare(CLONE_NEWNET))
    try:
        for command in ("link set lo up", "route add default dev lo", "-6 route add default dev lo"):
            subprocess.run(["ip", *command.split()], check=True)
        yield
    finally:
        checked(LIBC.setns(home, CLONE_NEWNET))
        os.close(home)


def connections_begun():
    """TCP connections that were begun here, answered or not: a SYN each."""
    names, values = (line.split()[1:] for line in pathlib.Path("/proc/thread-self/net/snmp").read_text().splitlines()
                     if line.startswith("Tcp:"))
    return int(dict(zip(names, values))["ActiveOpens"])


class Loss:
    """Packets that match, of those so many percent, go nowhere; needs nft(8)."""

    def __init__(self, match, percent=100):
        chance = f"numgen random mod 100 < {percent}" if percent < 100 else ""
        self.nft("add table inet loss; add chain inet loss out { type filter hook output priority 0; }; "
                 f"add rule inet loss out {match} {chance} counter drop")

    @staticmethod
    def nft(command):
        return subprocess.run(["nft", command], check=True, stdout=subprocess.PIPE, text=True).stdout

    def count(self):
        """How many were lost by now."""
        return int(re.search(r"counter packets (\d+)", self.nft("list chain inet loss out"))[1])

    def end(self):
        self.nft("delete table inet loss")
