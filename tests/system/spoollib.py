"""What lies in a journal's directory, read by hand: the form is in include/spool/segment.h."""
import dataclasses
import struct

MAGIC = b"PENGUIN\x1a"
HEADER, RECORD = 4096, 20
CLAIMED, INTENT, WITHDRAWN, RESULT, REPORTED = 1, 2, 3, 4, 5


@dataclasses.dataclass
class Left:
    """What one incarnation of a worker left in files that are not done."""
    intents: set = dataclasses.field(default_factory=set)  # without an end
    results: set = dataclasses.field(default_factory=set)
    reported: int = 0  # Postgres has all up to this one

    def unreported(self):
        return sum(seq > self.reported for seq in self.results)


def records(data):
    """(sequence number, type, payload) of one file, up to where it was written."""
    seq, = struct.unpack_from("<Q", data, 20)
    at = HEADER
    while at + RECORD <= len(data):
        _, length, number, kind, _ = struct.unpack_from("<IIQHH", data, at)
        if length == 0 or number != seq or at + RECORD + length > len(data):
            return
        yield seq, kind, data[at + RECORD:at + RECORD + length]
        seq += 1
        at += (RECORD + length + 3) // 4 * 4


def left_in(spool):
    """By incarnation: all that the journals below a directory have and Postgres may not."""
    found = {}
    for path in sorted(spool.rglob("*.seg")):
        data = path.read_bytes()
        if data[:8] != MAGIC:
            continue  # made ahead, nothing written yet
        left = found.setdefault(data[28:44].hex(), Left())
        for seq, kind, payload in records(data):
            if kind == INTENT:
                left.intents.add(seq)
            elif kind == WITHDRAWN:
                left.intents.discard(*struct.unpack("<Q", payload))
            elif kind == RESULT:
                left.intents.discard(*struct.unpack_from("<Q", payload))
                left.results.add(seq)
            elif kind == REPORTED:
                left.reported, = struct.unpack("<Q", payload)
    return found


def open_intents(spool):
    return sum(len(left.intents) for left in left_in(spool).values())


def unreported(spool):
    return sum(left.unreported() for left in left_in(spool).values())
