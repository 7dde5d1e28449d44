#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Recipes and time: a search that nobody waits for, a slow start, replies one too late; TAP.

environment: SLOW_START=SECONDS  of the slow program (3); the recipe's own are 20
"""
import argparse
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Iterator

from recipes_base import RECIPES_DIR
from recipes_two import model_reply
from tap import listens, need, run_all, wait_until

SLOW_SECONDS = float(os.environ.get("SLOW_START", "3"))
WAITING = 20  # requests that come while the slow program starts


@contextmanager
def daemon(coprocd: str, directory: Path, recipe: str, *words: str) -> Iterator[Path]:
    """The directory of its `socket` and `log`."""
    with (directory / "log").open("w", encoding="utf-8") as log, \
            subprocess.Popen([coprocd, "--config", str(RECIPES_DIR / recipe), *words],
                             stderr=log) as process:
        try:
            (directory / "pid").write_text(str(process.pid), encoding="ascii")
            wait_until("the socket", lambda: listens(directory / "socket"))
            yield directory
        finally:
            process.terminate()


def client(directory: Path, request: bytes) -> "subprocess.Popen[bytes]":
    """The real nc, which stays until its reply is there."""
    nc = subprocess.Popen([need("nc"), "-NU", str(directory / "socket")], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE)
    assert nc.stdin
    nc.stdin.write(request)
    nc.stdin.close()
    return nc


def reply(nc: "subprocess.Popen[bytes]") -> bytes:
    assert nc.stdout
    with nc:
        return nc.stdout.read()


def is_busy(directory: Path) -> bool:
    """Whether the process has a request, by the newest statistics; asks for newer ones."""
    pid = int((directory / "pid").read_text(encoding="ascii"))
    os.kill(pid, signal.SIGUSR1)
    found = re.findall(r"stats: .* in flight (\d+),", (directory / "log").read_text("utf-8"))
    return bool(found) and found[-1] == "1"


def test_a_search_that_nobody_waits_for_is_stopped(coprocd: str, directory: Path) -> None:
    need("/usr/games/stockfish")
    with daemon(coprocd, directory, "stockfish.conf", "--listen",
                f"{directory}/socket,request=until:", "--request-timeout", "30s") as where:
        leaving = client(where, b"go infinite\n\n")
        wait_until("the search", lambda: is_busy(where))
        leaving.kill()
        reply(leaving)
        answer = reply(client(where, b"position startpos\ngo depth 1 searchmoves a2a3\n\n"))
        assert re.fullmatch(rb"(info .*\n)*bestmove a2a3.*\n", answer), answer
        log = (where / "log").read_text(encoding="utf-8")
        assert log.count("started:") == 1, log


def test_a_search_is_stopped_when_its_time_is_over(coprocd: str, directory: Path) -> None:
    with daemon(coprocd, directory, "stockfish.conf", "--listen",
                f"{directory}/socket,request=until:", "--request-timeout", "2s") as where:
        wait_until("the first reply",
                   lambda: reply(client(where, b"isready\n\n")) == b"readyok\n")
        answer = reply(client(where, b"go infinite\n\n"))
        assert answer.startswith(b"coprocd: error: timeout"), answer
        answer = reply(client(where, b"position startpos\ngo depth 1 searchmoves b2b3\n\n"))
        assert re.fullmatch(rb"(info .*\n)*bestmove b2b3.*\n", answer), answer
        log = (where / "log").read_text(encoding="utf-8")
        assert log.count("started:") == 1, log


def test_requests_wait_for_a_program_that_is_slow_to_start(coprocd: str, directory: Path) -> None:
    script = RECIPES_DIR / "slow-start.py"
    began = time.monotonic()
    with daemon(coprocd, directory, "slow-start.conf", "--listen", f"{directory}/socket", "--",
                "python3", str(script), str(SLOW_SECONDS), "50") as where:
        waiting = [client(where, b"word %d\n" % n) for n in range(WAITING)]
        for number, nc in enumerate(waiting):
            assert reply(nc) == model_reply(b"word %d" % number)
        assert time.monotonic() - began >= SLOW_SECONDS
        log = (where / "log").read_text(encoding="utf-8")
        ready = re.findall(r"ready after (\d+) ms", log)
        assert log.count("started:") == 1 and int(ready[0]) >= 1000 * SLOW_SECONDS, log


def test_replies_that_come_one_too_late_are_found_at_the_start(coprocd: str,
                                                               directory: Path) -> None:
    recipe = (RECIPES_DIR / "link-parser.conf").read_text(encoding="utf-8")
    assert "\nline-buffered = yes\n" in recipe
    late = directory / "late.conf"
    late.write_text(recipe.replace("\nline-buffered = yes\n", "\n"), encoding="utf-8")
    with daemon(coprocd, directory, str(late), "--listen", f"{directory}/socket",
                "--start-timeout", "2s", "--request-timeout", "4s") as where:
        answer = reply(client(where, b"the cat sat\n"))
        assert answer.startswith(b"coprocd: error: unavailable"), answer
        log = (where / "log").read_text(encoding="utf-8")
        assert "(start-timeout) (stdout may be block-buffered: try line-buffered = yes)" in log, log


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coprocd", required=True, help="the daemon")
    coprocd = parser.parse_args().coprocd
    tests = []
    for test in (test_a_search_that_nobody_waits_for_is_stopped,
                 test_a_search_is_stopped_when_its_time_is_over,
                 test_requests_wait_for_a_program_that_is_slow_to_start,
                 test_replies_that_come_one_too_late_are_found_at_the_start):
        bound = partial(test, coprocd)
        bound.__name__ = test.__name__  # type: ignore[attr-defined]
        tests.append(bound)
    return run_all(tests)


if __name__ == "__main__":
    sys.exit(main())
