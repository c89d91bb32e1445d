"""aiosmtpd, with a handler that writes a Maildir."""

import pathlib

from mailhost import MailHost, first_field


class AioSmtpd(MailHost):
    NAME = "aiosmtpd"
    TLS_WORD = "with TLS"
    NUMBER = 14
    PACKAGES = ("python3-aiosmtpd",)

    def start(self):
        self.jail.write("/srv/server.py", pathlib.Path(__file__).with_name("aioserver.py").read_text())
        self.jail.start("/usr/bin/python3", "/srv/server.py", self.address, str(self.port), self.host)

    def recipient(self, message):
        return first_field(message, "Delivered-To")

    def waiting(self):
        return 0
