"""The receivers, by name."""

from postfix import Postfix

HOSTS = {kind.NAME: kind for kind in (Postfix,)}
