"""The receivers, by name."""

from exim import Exim
from opensmtpd import OpenSmtpd
from postfix import Postfix

HOSTS = {kind.NAME: kind for kind in (Postfix, Exim, OpenSmtpd)}
