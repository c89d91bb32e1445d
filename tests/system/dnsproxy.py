"""A name server between the sender and the world that can be ill while the world's mail hosts are well.

    proxy = DnsProxy(world.dns_port)
    proxy.mode = "drop"        # or "servfail", or "pass"
"""
import socket
import threading
import time


class DnsProxy:
    def __init__(self, upstream, address="127.0.0.1"):
        self.mode = "pass"
        self.asked = []  # when, and the name as it stood on the wire
        self.upstream = (address, upstream)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.settimeout(0.2)
        self.port = self.socket.getsockname()[1]
        self.running = True
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.settimeout(2)
            while self.running:
                try:
                    query, client = self.socket.recvfrom(4096)
                except TimeoutError:
                    continue
                self.asked.append((time.monotonic(), query[12:query.index(b"\0", 12)]))
                if self.mode == "servfail":
                    self.socket.sendto(query[:2] + b"\x81\x82" + query[4:6] + bytes(4) + query[10:], client)
                elif self.mode == "pass":
                    out.sendto(query, self.upstream)
                    self.socket.sendto(out.recv(4096), client)

    def close(self):
        self.running = False
        self.thread.join()
        self.socket.close()

    def asked_since(self, moment):
        return [name for at, name in list(self.asked) if at >= moment]
