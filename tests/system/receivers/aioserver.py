"""Runs in aiosmtpd's jail: python3 aioserver.py ADDRESS PORT HOST.  Each message becomes a file of a Maildir."""
import asyncio
import itertools
import pathlib
import ssl
import sys

from aiosmtpd.smtp import SMTP

NUMBERS = itertools.count()
BOX = pathlib.Path("/srv/box/all/new")


class Maildir:
    async def handle_DATA(self, server, session, envelope):
        inside = "with TLS" if session.ssl else "in clear"
        for recipient in envelope.rcpt_tos:
            top = f"Delivered-To: {recipient}\nReceived: from {session.host_name} ({session.peer[0]}) {inside}\n"
            part = BOX.parent / f"{next(NUMBERS)}"
            part.write_bytes(top.encode() + envelope.content.replace(b"\r\n", b"\n"))
            part.rename(BOX / part.name)
        return "250 kept"


async def main(address, port, host):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("/srv/host.pem", "/srv/host.key")
    BOX.mkdir(parents=True)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Maildir(), hostname=host, tls_context=context, loop=loop), address, port)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
