#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The control socket: reports as text and as JSON; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC
"""
import contextlib
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from ctl_rig import CTL, WRAPPER, connected, ctl, ok, running, status_of, wait_status
from tap import DEADLINE, run_all, wait_until


def test_status_as_json_counts_by_cause(directory: Path) -> None:
    with running(directory, "--hang-timeout", "200ms") as d:
        ctl("-s", d.plain, "ask", "a", "!die 3")
        wait_status(d, "ready", 1)
        ctl("-s", d.plain, "ask", "!twice x")
        wait_status(d, "ready", 1)
        ctl("-s", d.plain, "ask", "!hang")
        wait_status(d, "ready", 1)
        ok("-s", d.control, "restart")
        status = status_of(d)
        assert status["causes"] == {"exited": 1, "start_failed": 0, "desync": 1, "hung": 1,
                                    "recycled": 0, "replaced": 1}, status
        assert status["state"] == "ready" and status["pid"] > 0 and status["clients"] == 0
        text = ok("-s", d.control, "status").decode()
        assert "ends by cause: exited 1, start failed 0, desync 1, hung 1" in text


def test_status_tells_how_long_requests_took(directory: Path) -> None:
    with running(directory) as d:
        assert status_of(d)["latency_log2_us"] == [] and status_of(d)["window"] == 1
        ctl("-s", d.plain, "ask", "a", "b", "!sleep 70 c")
        counts = status_of(d)["latency_log2_us"]
        assert sum(counts) == 3 == status_of(d)["answered"], counts
        assert sum(counts[17:]) >= 1, counts  # 2^16 us are 66 ms
        text = ok("-s", d.control, "status").decode()
        assert "\nlatency: p50 < " in text and "latency: p50 < 1 us, p90 < 1 us" not in text, text


def test_status_as_json_holds_any_last_failure(directory: Path) -> None:
    with running(directory) as d:
        ctl("-s", d.plain, "ask", '!stderr a "quote" \\ 雲 \x01', "!die 3")
        wait_until("the failure", lambda: bool(status_of(d)["last_failure"]))


def test_clients_are_listed(directory: Path) -> None:
    with running(directory) as d, \
            subprocess.Popen([CTL, "-s", d.plain, "ask"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL) as one:
        wait_status(d, "clients", 1)
        listed = json.loads(ok("-s", d.control, "clients", "--json"))
        assert listed["more"] == 0 and len(listed["clients"]) == 1, listed
        client = listed["clients"][0]
        assert client["pid"] == one.pid and client["uid"] == os.getuid(), client
        lines = ok("-s", d.control, "clients").decode().splitlines()
        assert lines[0].split() == ["ID", "UID", "PID", "UNFINISHED", "UNSENT"]
        assert lines[1].split()[1:3] == [str(os.getuid()), str(one.pid)]
        one.communicate(b"")


def memory_kib(pid: int, key: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith(key)))


def test_commands_whose_answers_are_not_read_cost_no_memory(directory: Path) -> None:
    count = 20000
    with running(directory) as d, contextlib.ExitStack() as clients:
        assert d.process
        for _ in range(100):
            clients.enter_context(connected(d.plain))
        wait_status(d, "clients", 100)
        before = memory_kib(d.process.pid, "VmRSS")
        with connected(d.control) as control:
            sender = threading.Thread(
                target=control.sendall, args=(b"clients --json\n" * count,), daemon=True)
            sender.start()
            # What it does not take stays in the sender: that is when it has enough.
            sender.join(1)
            assert sender.is_alive()
            grown = memory_kib(d.process.pid, "VmRSS") - before
            if not WRAPPER and memory_kib(d.process.pid, "VmSize") < 1 << 30:
                assert grown < 4096, grown
            replies = 0
            while replies < count:
                bytes_read = control.recv(1 << 20)
                assert bytes_read, replies
                replies += bytes_read.count(b"\n")
            sender.join(DEADLINE)
            assert status_of(d)["state"] == "ready"


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
