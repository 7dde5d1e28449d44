#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The Python client for asyncio, against the real daemon; TAP.

environment: see python_rig.py
"""
import asyncio
import random
import socket
import sys
import time
from pathlib import Path

from python_rig import SLOW, Daemon, running
from tap import run_all

import coproc  # pylint: disable=wrong-import-order


def test_500_tasks_get_their_own_replies_while_others_are_cancelled(directory: Path) -> None:
    async def main(path: Path) -> None:
        chance = random.Random(1)
        async with coproc.AsyncClient(path, timeout=60) as c:
            for _ in range(4):
                tasks = [asyncio.create_task(c.ask(f"!sleep 1 r{n}")) for n in range(500)]
                for _ in range(200):
                    await asyncio.sleep(0.001)
                    chance.choice(tasks).cancel()
                endings = await asyncio.gather(*tasks, return_exceptions=True)
                cancelled = sum(isinstance(e, asyncio.CancelledError) for e in endings)
                right = sum(e == f"r{n}" for n, e in enumerate(endings))
                assert cancelled > 20 and right == 500 - cancelled, (right, cancelled)
            assert await c.ask(b"bytes") == b"bytes"

    with running(directory) as d:
        asyncio.run(main(d.socket))


def test_time_outs_and_errors_are_each_callers_own(directory: Path) -> None:
    async def main(d: Daemon) -> None:
        async with coproc.AsyncClient(d.socket) as c:
            late = [c.ask(f"!sleep {20 * SLOW} l{n}", timeout=0.05 * SLOW) for n in range(20)]
            endings = await asyncio.gather(*late, *(c.ask(f"r{n}") for n in range(20)),
                                           return_exceptions=True)
            assert endings[20:] == [f"r{n}" for n in range(20)]
            out = [e for e in endings[:20] if isinstance(e, coproc.RequestTimeoutError)]
            right = [e for n, e in enumerate(endings[:20]) if e == f"l{n}"]
            assert len(out) + len(right) == 20 and len(out) >= 10, endings
            endings = await asyncio.gather(c.ask("a"), c.ask("!die 3"), c.ask("b"), c.ask("x\ny"),
                                           return_exceptions=True)
            assert (endings[0], endings[2]) == ("a", "b"), endings
            assert isinstance(endings[1], coproc.CrashedError)
            assert isinstance(endings[3], ValueError)
            big = await asyncio.gather(*(c.ask("x" * 60000) for _ in range(200)))
            assert set(big) == {"x" * 60000}
            assert await c.ask("!big 200000") == "x" * 200000

    with running(directory) as d:
        asyncio.run(main(d))


def test_time_outs_hold_up_nobody(directory: Path) -> None:
    async def main(d: Daemon) -> None:
        async with coproc.AsyncClient(d.socket, timeout=20) as c:
            slow = asyncio.create_task(c.ask(f"!sleep {2000 * SLOW} slow"))
            while not d.seen(f"!sleep {2000 * SLOW} slow"):
                await asyncio.sleep(0.01)
            began = time.monotonic()
            late = await asyncio.gather(c.ask(f"!sleep {900 * SLOW} late", timeout=0.05),
                                        return_exceptions=True)
            assert isinstance(late[0], coproc.RequestTimeoutError)
            # On the connection before it would come behind the slow one.
            assert await c.ask("next") == "next" and not slow.done()
            assert time.monotonic() - began < 2 * SLOW and await slow == "slow"

    with running(directory, "--workers", "2") as d:
        asyncio.run(main(d))


def test_survives_a_restart_of_the_daemon(directory: Path) -> None:
    async def main(d: Daemon) -> None:
        async with coproc.AsyncClient(d.socket) as c:
            for number in range(3):
                assert await c.ask(f"a{number}") == f"a{number}"
                d.stop()  # the loop stands still and does not see it
                d.start()
            hanging = [asyncio.create_task(c.ask(f"!hang {n}")) for n in range(5)]
            while not d.seen("!hang 0"):
                await asyncio.sleep(0.01)
            d.kill()
            endings = await asyncio.gather(*hanging, return_exceptions=True)
            assert all(isinstance(e, coproc.ConnectionLostError) for e in endings), endings
            try:
                raise AssertionError(await c.ask("x"))
            except coproc.ConnectError as error:
                assert error.errno == 2
            d.start()
            assert await c.ask("again") == "again"
            assert [d.seen(f"!hang {n}") for n in range(5)] == [1, 0, 0, 0, 0]
        try:
            raise AssertionError(await c.ask("x"))
        except coproc.ConnectionLostError as error:
            assert "closed" in error.text

    with running(directory) as d:
        asyncio.run(main(d))


def test_bounds_what_is_unsent(directory: Path) -> None:
    """A listener that reads nothing: time-outs strike, and a cancelled task is not sent."""
    async def main(path: Path) -> None:
        c = coproc.AsyncClient(path, timeout=0.3)
        endings = await asyncio.gather(*(c.ask("x" * 100000) for _ in range(50)),
                                       return_exceptions=True)
        assert all(isinstance(e, coproc.RequestTimeoutError) for e in endings), endings
        assert any("takes no requests" in str(e) for e in endings)
        await c.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(directory / "s"))
        listener.listen()
        asyncio.run(main(directory / "s"))


if __name__ == "__main__":
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
