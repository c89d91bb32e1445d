"""The receivers, by name, and those that turn mail away at first."""

from aio import AioSmtpd
from dovecot import Dovecot
from exim import Exim
from opensmtpd import OpenSmtpd
from postfix import Postfix
from postgrey import Greylisting

HOSTS = {kind.NAME: kind for kind in (Postfix, Exim, OpenSmtpd, AioSmtpd, Dovecot)}
ALL = dict(HOSTS, grey=Greylisting)
