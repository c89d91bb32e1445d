"""Exim, which also judges DKIM itself and writes its verdict on top, one field a signature."""

import re

from jail import NETWORK
from mailhost import MailHost, first_field

CONFIG = """
primary_hostname = {host}
domainlist ours = {domains}
local_interfaces = {address}
daemon_smtp_ports = {port}
disable_ipv6
host_lookup =
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = /srv/host.pem
tls_privatekey = /srv/host.key
smtp_accept_max = 100
smtp_accept_queue_per_connection = 0
log_file_path = /var/log/exim4/%slog
dns_dnssec_ok = 0
acl_smtp_rcpt = recipient
acl_smtp_dkim = signature

begin acl

recipient:
  accept domains = +ours
  deny message = not here

signature:
  accept add_header = :at_start:X-Signature: $dkim_selector $dkim_verify_status $dkim_verify_reason

begin routers

ours:
  driver = accept
  domains = +ours
  transport = box

begin transports

box:
  driver = appendfile
  directory = /srv/box/all
  create_directory
  maildir_format
  user = boxes
  group = boxes
  envelope_to_add
  return_path_add
"""


class Exim(MailHost):
    NAME = "exim"
    TLS_WORD = "with esmtps"
    NUMBER = 12
    PACKAGES = ("exim4-daemon-light",)
    USERS = ("Debian-exim", "boxes")

    def start(self):
        self.jail.folder("/srv/box", "boxes")
        self.jail.give("/srv/host.key", "Debian-exim", 0o600)
        self.jail.write("/etc/resolv.conf", f"nameserver {NETWORK}.53\n")
        self.jail.write("/etc/exim4/exim4.conf", CONFIG.format(
            host=self.host, address=self.address, port=self.port, domains=" : ".join(self.domains)))
        self.jail.start("sh", "-c", "install -d -o Debian-exim -g Debian-exim /var/spool/exim4 /var/log/exim4 &&"
                        " exim4 -bdf -q1m")

    def recipient(self, message):
        return first_field(message, "Envelope-To")

    def own_verdict(self, message):
        return sorted(found.decode() for found in re.findall(rb"^X-Signature: (\w+) pass *\r$", message, re.M))

    def waiting(self):
        return self.jail.count_files("/var/spool/exim4/input")
