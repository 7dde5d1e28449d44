# SPDX-License-Identifier: MIT
"""Stands for a program with a big model: SECONDS to load, MEGABYTES in memory, then quick.

Its reply to a line is the line, its CRC-32, and what the model says of that.
"""
import sys
import time
import zlib

MEGABYTE = 1 << 20


def load(seconds: float, megabytes: int) -> "list[bytes]":
    """All pages are written to, so that they are there."""
    start = time.monotonic()
    model = []
    for number in range(megabytes):
        model.append(bytes(range(256)) * (MEGABYTE // 256))
        time.sleep(max(0.0, start + seconds * (number + 1) / megabytes - time.monotonic()))
    return model


def main() -> None:
    if len(sys.argv) != 3:
        sys.exit("usage: slow-start.py SECONDS MEGABYTES")
    model = load(float(sys.argv[1]), int(sys.argv[2]))
    for line in sys.stdin.buffer:
        line = line.rstrip(b"\n")
        crc = zlib.crc32(line)
        value = model[crc % len(model)][crc % MEGABYTE]
        sys.stdout.buffer.write(b"%s %08x %d\n" % (line, crc, value))
        sys.stdout.buffer.flush()


main()
