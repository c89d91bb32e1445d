"""Dovecot's LMTP server behind Postfix: what Postfix took, Dovecot stores."""

import contextlib

from jail import NETWORK, Jail, free_port
from postfix import Postfix

CONFIG = """
base_dir = /run/dovecot
log_path = /dev/stderr
protocols = lmtp
ssl = no
hostname = {host}
mail_location = maildir:/srv/box/%d/%n
mail_uid = {uid}
mail_gid = {uid}
first_valid_uid = 1
default_internal_user = dovecot
default_login_user = dovenull
lda_mailbox_autocreate = yes
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={uid} home=/srv/box/%d/%n allow_all_users=yes
}}
service lmtp {{
  inet_listener lmtp {{
    address = {address}
    port = {port}
  }}
}}
"""


class Dovecot(Postfix):
    NAME = "dovecot"
    NUMBER = 15
    LMTP = f"{NETWORK}.16"

    def __init__(self, directory, authority, port):
        super().__init__(directory, authority, port)
        self.lmtp_port = free_port(self.LMTP)
        self.MORE = f"virtual_transport = lmtp:inet:[{self.LMTP}]:{self.lmtp_port}\nlmtp_host_lookup = native"
        self.store = Jail(f"{directory}-lmtp", ["dovecot-lmtpd"], ["dovecot", "dovenull", "boxes"])

    @property
    def boxes(self):
        return self.store.directory / "box"

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.enter_context(self.store)
            box = self.store.folder("/srv/box", "boxes")
            self.store.write("/srv/dovecot.conf", CONFIG.format(
                host=self.host, address=self.LMTP, port=self.lmtp_port, uid=box.stat().st_uid))
            self.store.start("dovecot", "-F", "-c", "/srv/dovecot.conf")
            self.store.wait_port(self.LMTP, self.lmtp_port)
            super().__enter__()
            undo.pop_all()
        return self

    def __exit__(self, *how):
        super().__exit__(*how)
        self.store.__exit__(*how)
