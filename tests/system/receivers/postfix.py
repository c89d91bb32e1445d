"""Postfix with its master, its queue and virtual(8), which writes a Maildir."""

from mailhost import MailHost, first_field

MAIN = """
compatibility_level = 3.6
maillog_file = /dev/stdout
myhostname = {host}
mydestination =
inet_interfaces = loopback-only
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = {domains}
virtual_mailbox_base = /srv/box
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{uid}
smtpd_tls_security_level = may
smtpd_tls_cert_file = /srv/host.pem
smtpd_tls_key_file = /srv/host.key
smtpd_tls_received_header = yes
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtp_dns_support_level = disabled
{more}
"""

MASTER = """
{address}:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
tlsmgr    unix - - n 1000? 1 tlsmgr
virtual   unix - n n - - virtual
lmtp      unix - - n - - lmtp
anvil     unix - - n - 1 anvil
postlog   unix-dgram n - n - 1 postlogd
error     unix - - n - - error
retry     unix - - n - - error
"""


class Postfix(MailHost):
    NAME = "postfix"
    TLS_WORD = "using TLS"
    NUMBER = 11
    PACKAGES = ("postfix",)
    USERS = ("postfix", "postdrop", "boxes")
    MORE = ""

    def start(self):
        box = self.jail.folder("/srv/box", "boxes")
        values = {"host": self.host, "address": self.address, "port": self.port, "domains": " ".join(self.domains),
                  "uid": box.stat().st_uid, "more": self.MORE}
        self.jail.write("/etc/postfix/main.cf", MAIN.format(**values))
        self.jail.write("/etc/postfix/master.cf", MASTER.format(**values))
        self.jail.start("sh", "-c", "chown postfix /var/lib/postfix && postfix start-fg")

    def recipient(self, message):
        return first_field(message, "Delivered-To")

    def waiting(self):
        return self.jail.count_files(*[f"/var/spool/postfix/{queue}" for queue in
                                       ("maildrop", "incoming", "active", "deferred", "hold", "corrupt")])
