"""Runs a program on a terminal of its own, and says what an operator's terminal would have obeyed."""
import os
import pty
import subprocess
import time
import tty

# Directions of writing, and ends of lines that are none in ASCII.
STEERING = {0x61C, 0x200E, 0x200F, 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)}


def steers(point):
    """Whether a character does something instead of being seen."""
    return point < 0x20 or 0x7F <= point <= 0x9F or point in STEERING


def clean(data):
    """The text of octets that are UTF-8 and steer nothing; ends of lines are all that is let through."""
    text = data.decode("utf-8")
    found = sorted({f"U+{ord(c):04X}" for c in text if steers(ord(c)) and c != "\n"})
    assert not found, (found, text[:2000])
    return text


def shown(octets):
    """What our manuals promise for the words of a stranger: each octet of what is no text as \\xNN."""
    out, at = "", 0
    while at < len(octets):
        for n in (1, 2, 3, 4):
            try:
                character = octets[at:at + n].decode("utf-8")
            except UnicodeDecodeError:
                continue
            if len(character) == 1 and (character == "\t" or not steers(ord(character))):
                out += character
                at += n
                break
        else:
            out += f"\\x{octets[at]:02x}"
            at += 1
    return out


def terminal(words, environment, until=None, timeout=60):
    """What a program writes to its terminal, to both outputs; `until` octets of it are enough to end it."""
    ours, theirs = pty.openpty()
    tty.setraw(theirs)  # what it writes is what is read
    process = subprocess.Popen([str(w) for w in words], env=environment, stdin=subprocess.DEVNULL, stdout=theirs,
                               stderr=theirs)
    os.close(theirs)
    data, end = b"", time.monotonic() + timeout
    try:
        while until is None or until not in data:
            assert time.monotonic() < end, (words, data[-2000:])
            try:
                more = os.read(ours, 65536)
            except OSError:  # EIO: its last end is closed
                break
            if not more:
                break
            data += more
    finally:
        if until is not None:
            process.kill()
        code = process.wait(timeout)
        os.close(ours)
    return data, code
