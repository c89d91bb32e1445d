"""postgrey as the policy server of a Postfix: an address of client, sender and recipient is turned away at first."""

import contextlib

from jail import NETWORK, Jail, free_port
from postfix import Postfix


class Greylisting(Postfix):
    NAME = "grey"
    NUMBER = 17
    POLICY = f"{NETWORK}.18"
    DELAY = 2

    def __init__(self, directory, authority, port):
        super().__init__(directory, authority, port)
        self.policy_port = free_port(self.POLICY)
        self.MORE = (f"smtpd_recipient_restrictions = check_policy_service inet:{self.POLICY}:{self.policy_port}\n"
                     "smtpd_error_sleep_time = 0")
        self.policy = Jail(f"{directory}-policy", ["postgrey"], ["postgrey"])

    def __enter__(self):
        with contextlib.ExitStack() as undo:
            undo.enter_context(self.policy)
            self.policy.start(
                "sh", "-c", "install -d -o postgrey -g postgrey /var/lib/postgrey && exec postgrey"
                f" --inet={self.POLICY}:{self.policy_port} --delay={self.DELAY} --lookup-by-host --auto-whitelist-clients=0")
            self.policy.wait_port(self.POLICY, self.policy_port)
            super().__enter__()
            undo.pop_all()
        return self

    def __exit__(self, *how):
        super().__exit__(*how)
        self.policy.__exit__(*how)
