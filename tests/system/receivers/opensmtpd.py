"""OpenSMTPD with its queue and its own mail.maildir."""

from jail import NETWORK
from mailhost import MailHost, first_field

CONFIG = """
pki {host} cert "/srv/host.pem"
pki {host} key "/srv/host.key"
listen on {address} port {port} tls pki {host} hostname {host}
table domains {{ {domains} }}
table people {{ "@" = boxes }}
action box maildir "/srv/box/all" virtual <people>
match from any for domain <domains> action box
"""


class OpenSmtpd(MailHost):
    NAME = "opensmtpd"
    TLS_WORD = "with ESMTPS"
    TLS_WORKS = False  # 6.8 cannot sign with OpenSSL 3: https://github.com/OpenSMTPD/OpenSMTPD/issues/1171
    NUMBER = 13
    PACKAGES = ("opensmtpd",)
    USERS = ("opensmtpd", "opensmtpq", "boxes")

    def start(self):
        self.jail.folder("/srv/box", "boxes")
        self.jail.write("/etc/resolv.conf", f"nameserver {NETWORK}.53\n")
        self.jail.write("/srv/smtpd.conf", CONFIG.format(host=self.host, address=self.address, port=self.port,
                                                         domains=", ".join(self.domains)))
        self.jail.start("smtpd", "-d", "-f", "/srv/smtpd.conf")

    def recipient(self, message):
        return first_field(message, "Delivered-To")

    def waiting(self):
        return self.jail.count_files("/var/spool/smtpd/queue", "/var/spool/smtpd/incoming")
