"""What all receivers have in common: an address, a name, a certificate, a Maildir, and what is in it.

A receiver NAME is the host mx.NAME.test, and takes mail for plain.NAME.test and tls.NAME.test: what
tells them apart is the sender's configuration (`sender`), not the receiver.
"""

import dataclasses
import pathlib
import subprocess

from jail import NETWORK, Jail

KINDS = ("plain", "tls")


@dataclasses.dataclass
class Letter:
    """A message as its recipient has it, with CRLF."""
    recipient: str
    data: bytes


def make_authority(directory, hosts):
    """ca.pem, and host.pem and host.key that are good for all these names."""
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    fresh = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    at = pathlib.Path(directory)
    subprocess.run(["openssl", "req", "-x509", *fresh, "-subj", "/CN=Receivers' authority", "-days", "2",
                    "-keyout", at / "ca.key", "-out", at / "ca.pem"], **quiet)
    (at / "names").write_text("subjectAltName=" + ",".join(f"DNS:{host}" for host in hosts) + "\n")
    subprocess.run(["openssl", "req", "-new", *fresh, "-subj", f"/CN={hosts[0]}",
                    "-keyout", at / "host.key", "-out", at / "host.csr"], **quiet)
    subprocess.run(["openssl", "x509", "-req", "-in", at / "host.csr", "-CA", at / "ca.pem", "-CAkey", at / "ca.key",
                    "-set_serial", "2", "-days", "2", "-extfile", at / "names", "-out", at / "host.pem"], **quiet)
    return at


class MailHost:
    """A receiver in a jail; what is in capitals and what raises here is its own."""

    NAME = ""
    TLS_WORD = ""  # in a Received field of what came inside TLS
    TLS_WORKS = True
    NUMBER = 0
    PACKAGES = ()
    USERS = ()

    def __init__(self, directory, authority, port):
        self.host = f"mx.{self.NAME}.test"
        self.address = f"{NETWORK}.{self.NUMBER}"
        self.port = port
        self.domains = [f"{kind}.{self.NAME}.test" for kind in KINDS]
        self.authority = pathlib.Path(authority)
        self.jail = Jail(directory, self.PACKAGES, self.USERS)
        self.seen = set()

    def __enter__(self):
        self.jail.__enter__()
        for name, mode in (("host.pem", 0o644), ("host.key", 0o600)):
            self.jail.write(f"/srv/{name}", (self.authority / name).read_text(), mode)
        try:
            self.start()
            self.jail.wait_port(self.address, self.port)
        except BaseException:
            self.jail.stop()
            raise
        return self

    def __exit__(self, *how):
        self.jail.__exit__(*how)

    def start(self):
        raise NotImplementedError

    def recipient(self, message):
        """Whom a stored message is for, by what the receiver wrote on top of it."""
        raise NotImplementedError

    def own_verdict(self, message):
        """What it says of the signatures itself, as a list of selectors; None when it says nothing."""

    def handshakes(self):
        """Whether openssl gets through STARTTLS here."""
        done = subprocess.run(["openssl", "s_client", "-starttls", "smtp", "-connect", f"{self.address}:{self.port}",
                               "-verify_return_error", "-CAfile", self.authority / "ca.pem"],
                              input=b"QUIT\r\n", check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def waiting(self):
        """How many messages are still in its queue."""
        raise NotImplementedError

    @property
    def boxes(self):
        """Where its Maildirs are."""
        return self.jail.directory / "box"

    def collect(self, count):
        """The letters that came since the last time, when all are there and the queue is empty."""
        def fresh():
            return [path for path in self.boxes.rglob("new/*") if path not in self.seen]

        self.jail.wait(lambda: len(fresh()) >= count and self.waiting() == 0,
                       f"{self.NAME} has {len(fresh())} of {count} letters")
        letters = []
        for path in fresh():
            self.seen.add(path)
            data = path.read_bytes()
            assert b"\r" not in data, f"{path} has a CR"
            data = data.replace(b"\n", b"\r\n")
            letters.append(Letter(self.recipient(data), data))
        return letters


def first_field(data, name):
    """The value of the topmost field of this name, unfolded; its own reader, for the top of a message only."""
    for line in data.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.lower() == name.lower().encode():
            return value.strip().decode()
    raise AssertionError(f"no {name} field in {data[:2000]}")


def world(*hosts):
    """A penguin-world that is DNS to mail for these receivers, and nothing else."""
    domains = "".join(f"  - domain: {host.host}\n    a: [{host.address}]\n"
                      f"  - domain: '*.{host.NAME}.test'\n    mx: ['10 {host.host}']\n" for host in hosts)
    return f"""
dns:
  listen: {NETWORK}.53:53
  dkim_dir: dkim
smtp:
  port: 0
hosts:
  - host: mx.post.test
    address: {NETWORK}.1
domains:
{domains}"""


def sender(authority, *hosts, tls="verified"):
    """The configuration of a penguin-mta that sends to these receivers: in clear, or with this TLS, by the domain."""
    return {
        "tls": {"ca_file": str(authority / "ca.pem")},
        "delivery": {"port": hosts[0].port},
        "default_site": {"messages_per_connection": 10},
        "providers": {kind: {"domains": [f"{kind}.{host.NAME}.test" for host in hosts], "tls": tls, "connections": 20,
                             "connections_per_site": 2}
                      for kind, tls in zip(KINDS, ("none", tls))},
    }
