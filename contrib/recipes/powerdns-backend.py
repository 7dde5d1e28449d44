# SPDX-License-Identifier: MIT
"""A backend for the pipe protocol of PowerDNS, abi-version 1: example.com, made of arithmetic."""
import re
import sys

TTL = 300


def records(name: str) -> "list[tuple[str, str]]":
    """Type and content of all that is known of a name."""
    if name == "example.com":
        return [("SOA", "ns.example.com hostmaster.example.com 1 1800 900 604800 300"),
                ("NS", "ns.example.com")]
    if name == "www.example.com":
        return [("A", "192.0.2.80"), ("AAAA", "2001:db8::50")]
    host = re.fullmatch(r"host-([0-9]{1,7})\.example\.com", name)
    return [("A", "10.{}.{}.{}".format(*int(host[1]).to_bytes(3, "big")))] if host else []


def main() -> None:
    greeting = sys.stdin.buffer.readline()
    if greeting != b"HELO\t1\n":
        print("FAIL")
        sys.exit(f"powerdns-backend.py: greeted by {greeting!r} instead of HELO 1")
    print("OK\tAn example of a backend")
    for line in sys.stdin.buffer:
        fields = line.decode(errors="backslashreplace").rstrip("\n").split("\t")
        if len(fields) != 6 or fields[0] != "Q":
            print("LOG\tthis is no question")
            print("FAIL")
            continue
        _, name, _, wanted, number, _ = fields
        for kind, content in records(name.lower()):
            if wanted in ("ANY", kind):
                print("DATA", name, "IN", kind, TTL, number, content, sep="\t")
        print("END")


main()
