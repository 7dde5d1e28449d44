#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Position by numbered probes: 10,000 requests of which some have no reply, some two lines, and
some time out, and each reply is right, by one process that is never replaced."""
import argparse
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

from recipes_base import RECIPES_DIR
from recipes_rig import Crew, Daemon, Tally
from tap import need, run_all

REQUESTS = 10_000
KIND = 20  # one request in so many has no reply, one has two lines, one times out
TIMEOUT = 0.06


@dataclass(frozen=True)
class Speech:
    """How a program is asked: for one line with a number in it, for two, for none."""
    recipe: str
    program: str
    one: Callable[[int], bytes]
    two: Callable[[int], bytes]
    none: Callable[[int], bytes]


SPEECHES = (
    Speech("sqlite3", "sqlite3", lambda n: b"select %d" % n,
           lambda n: b"select %d; select -%d" % (n, n), lambda n: b"select %d where 0" % n),
    Speech("bc", "bc", lambda n: b"%d" % n, lambda n: b"%d; -%d" % (n, n), lambda n: b"x = %d" % n))


class Talk:
    """One client that asks one thing after the other, with the process frozen for some."""

    def __init__(self, daemon: Daemon, speech: Speech) -> None:
        self.daemon = daemon
        self.speech = speech
        self.tally = Tally()
        self.late = Tally()
        self.crew = Crew(daemon)
        self.client = self.crew.join(1, self.tally)[0]
        self.pid = 0

    def ask(self, request: bytes, reply: bytes) -> None:
        done = self.client.ended + 1
        self.client.ask(request, reply)
        assert self.crew.pump(20, lambda: self.client.ended == done), f"no ending of {request!r}"

    def time_out(self, number: int) -> None:
        """The process stands still until the time is over: its answer comes late."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            self.ask(self.speech.one(number), "timeout")
        finally:
            os.kill(self.pid, signal.SIGCONT)

    def run(self) -> None:
        self.ask(self.speech.one(0), b"0\n")
        self.pid = self.daemon.stats()[0]
        for n in range(1, REQUESTS):
            if n % KIND == 3:
                self.ask(self.speech.none(n), b"")
            elif n % KIND == 7:
                self.ask(self.speech.two(n), b"%d\n-%d\n" % (n, n))
            elif n % KIND == 11:
                self.time_out(n)
            else:
                self.ask(self.speech.one(n), b"%d\n" % n)


def check(speech: Speech, coprocd: str, directory: Path) -> None:
    need(speech.program)
    daemon = Daemon(coprocd, RECIPES_DIR / f"{speech.recipe}.conf", directory, [],
                    {"request-timeout": f"{int(TIMEOUT * 1000)}ms", "hang-timeout": "60s",
                     "log-level": "info"})
    try:
        talk = Talk(daemon, speech)
        talk.run()
        starts = daemon.stats()[1]
        tally = talk.tally
        print(f"# {speech.recipe}: {REQUESTS} requests, {REQUESTS // KIND} each without reply, "
              f"with two lines, made to time out: {tally.text()}, {starts} starts")
        assert not tally.wrong and not tally.lost, "\n".join(tally.examples)
        # A busy machine may make others late, but each of them says so.
        assert set(tally.errors) <= {"timeout"} and tally.errors["timeout"] <= REQUESTS // 50, \
            "\n".join(tally.examples)
        assert starts == 1, f"{starts} starts\n{daemon.log()[-2000:]}"
        talk.crew.finish(1)
    finally:
        daemon.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--coprocd", required=True, help="the daemon")
    coprocd = parser.parse_args().coprocd
    tests = []
    for speech in SPEECHES:
        test = partial(check, speech, coprocd)
        setattr(test, "__name__", f"{speech.recipe}: the position is never lost")
        tests.append(test)
    return run_all(tests)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
