"""The receivers, by name."""

from aio import AioSmtpd
from dovecot import Dovecot
from exim import Exim
from opensmtpd import OpenSmtpd
from postfix import Postfix

HOSTS = {kind.NAME: kind for kind in (Postfix, Exim, OpenSmtpd, AioSmtpd, Dovecot)}
