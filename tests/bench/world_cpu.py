#!/usr/bin/python3
"""What penguin-world itself costs: user and system CPU for each 10 KB message.

    tests/bench/world_cpu.py [--messages N] [--clients N] [--json]

Several clients deliver over reused plain connections, once command by command and
once with PIPELINING.  The world's own getrusage() is what counts (--stats).  Fails
when a message costs more than the bound of 100 us.  PENGUIN_BUILD names the build,
which should be an optimised one without sanitizers.
"""

import argparse
import json
import multiprocessing
import pathlib
import socket
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

import worldlib  # noqa: E402

BOUND_US = 100
HOSTS = worldlib.PORTS + """
hosts:
  - host: "mx[1-4].post.test"
    address: 127.0.10.{1}
"""
BODY = b"Message-ID: <%s@from.test>\r\nSubject: bench\r\n\r\n" + (b"x" * 76 + b"\r\n") * 128


def deliver(port, number, count, pipelining):
    s = socket.create_connection((f"127.0.10.{number % 4 + 1}", port), source_address=(f"127.0.5.{number + 1}", 0))
    reader = s.makefile("rb")

    def ask(data, replies=1):
        s.sendall(data)
        for _ in range(replies):
            while reader.readline()[3:4] == b"-":
                pass

    reader.readline()
    ask(b"EHLO bench.test\r\n")
    envelope = [b"MAIL FROM:<bounce@from.test> SIZE=10240\r\n", b"RCPT TO:<user@d1.test>\r\n", b"DATA\r\n"]
    for n in range(count):
        if pipelining:
            ask(b"".join(envelope), 3)
        else:
            for command in envelope:
                ask(command)
        job = b"%08x-%04x-7000-8000-%012x" % (n, number, n)
        ask(BODY % job + b".\r\n")
    ask(b"QUIT\r\n")


def measure(messages, clients, pipelining):
    with tempfile.TemporaryDirectory() as directory:
        world = worldlib.World(directory, HOSTS)
        world.events_path = None
        with world:
            running = [multiprocessing.Process(target=deliver, args=(world.smtp_port, n, messages // clients, pipelining))
                       for n in range(clients)]
            for process in running:
                process.start()
            for process in running:
                process.join()
            lines = len(world.ledger())
        stats = world.stats
    assert stats["messages"] == lines == messages // clients * clients, "messages were lost"
    return {"pipelining": pipelining, "messages": lines, "bytes": stats["bytes"] // lines,
            "cpu_us_per_message": stats["cpu_us_per_message"], "user_s": stats["user_s"],
            "system_s": stats["system_s"], "clients": clients}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=20000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = [measure(options.messages, options.clients, pipelining) for pipelining in (False, True)]
    if options.json:
        print(json.dumps(results))
    else:
        print("pipelining  messages  octets each  user s  system s  us per message")
        for r in results:
            print(f"{r['pipelining']!s:10}  {r['messages']:8}  {r['bytes']:11}  {r['user_s']:6.3f}  {r['system_s']:8.3f}"
                  f"  {r['cpu_us_per_message']:14.1f}")
    return 0 if all(r["cpu_us_per_message"] <= BOUND_US for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
