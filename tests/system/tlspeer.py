"""An SMTP server with STARTTLS that ends as it is told: without close_notify, which penguin-world never does."""
import socket
import ssl
import subprocess
import threading

STAGES = ("ehlo", "mail", "rcpt", "data", "dot", "answered")


class TlsPeer:
    """Serves one connection after the other; each ends with FIN and no alert once `stage` has come.

    ehlo, mail, rcpt, data, dot: in place of the reply; answered: behind the 250 to the dot.
    """

    def __init__(self, directory, address, version, stage):
        certificate, key = directory / "peer.pem", directory / "peer.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "1", "-subj", "/CN=mx.test", "-out", certificate, "-keyout", key],
                       check=True, stderr=subprocess.DEVNULL)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.minimum_version = self.context.maximum_version = version
        self.stage = stage
        self.taken = 0
        self.listener = socket.create_server((address, 0))
        self.smtp_port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            try:
                self.talk(plain)
            except (OSError, EOFError):
                pass
            plain.close()

    def close(self):
        self.listener.close()

    def line(self, stream):
        line = stream.readline()
        if not line:
            raise EOFError
        return line

    def talk(self, plain):
        with plain.makefile("rb") as stream:
            plain.sendall(b"220 mx.test\r\n")
            self.line(stream)
            plain.sendall(b"250-mx.test\r\n250 STARTTLS\r\n")
            self.line(stream)
            plain.sendall(b"220 go\r\n")
        # What wraps the socket must be closed without unwrap(): that is the point.
        with self.context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=True) as tls, \
                tls.makefile("rb") as stream:
            self.inside(tls, stream)

    def inside(self, tls, stream):
        replies = {"ehlo": b"250 mx.test\r\n", "mail": b"250 a\r\n", "rcpt": b"250 b\r\n", "data": b"354 go\r\n"}
        for stage, reply in replies.items():
            self.line(stream)
            if stage == self.stage:
                return
            tls.sendall(reply)
        while self.line(stream) != b".\r\n":
            pass
        if self.stage != "dot":
            self.taken += 1
            tls.sendall(b"250 taken\r\n")
