"""opendkim as a judge of files: its test mode runs the milter's code over messages."""

import re

from jail import Jail

# libunbound asks nobody but this server, and knows nothing of "test." by itself.
UNBOUND = """
server:
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "test." nodefault
  username: ""
  chroot: ""
forward-zone:
  name: "."
  forward-addr: {address}@{port}
"""

CONFIG = """
Mode v
Syslog no
UserID opendkim
ResolverConfiguration /srv/unbound.conf
"""


class OpenDkim:
    def __init__(self, directory, dns):
        self.jail = Jail(directory, ["opendkim"], ["opendkim"])
        self.address, self.port = dns

    def __enter__(self):
        self.jail.__enter__()
        self.jail.write("/srv/unbound.conf", UNBOUND.format(address=self.address, port=self.port))
        self.jail.write("/srv/opendkim.conf", CONFIG)
        return self

    def __exit__(self, *how):
        self.jail.__exit__(*how)

    def verdicts(self, messages):
        """Of each message: whether its signature is good."""
        folder = self.jail.directory / "messages"
        folder.mkdir(exist_ok=True)
        for number, data in enumerate(messages):
            (folder / f"{number}.eml").write_bytes(data)
        files = ",".join(f"/srv/messages/{number}.eml" for number in range(len(messages)))
        done = self.jail.run("opendkim", "-x", "/srv/opendkim.conf", "-t", files)
        text = done.stdout.decode()
        said = dict(re.findall(r"/(\d+)\.eml: verification \(s=[^)]*\) (succeeded|failed)", text))
        assert done.returncode == 0 and len(said) == len(messages), text + done.stderr.decode()
        return [said[str(number)] == "succeeded" for number in range(len(messages))]
