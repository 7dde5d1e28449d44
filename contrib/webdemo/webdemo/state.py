# SPDX-License-Identifier: MIT
"""The state of the process, from the control socket, for any number of pages.

The socket takes 32 connections, and hundreds of pages may look: one of them asks,
at most twice a second, and all see what it was told.
"""
from __future__ import annotations

import re
import socket
import threading
import time
from typing import Any, Optional

from .errors import AskError

FRESH_SECONDS = 0.5
TIMEOUT_SECONDS = 2.0
TITLES = {"ready": "Ready", "starting": "Starting", "failed": "Failed", "stopping": "Stopping",
          "unreachable": "Not reachable"}
# What is passed on, and what "status" calls it.
COUNTS = {"pid": "pid", "clients": "clients", "waiting": "waiting", "in_flight": "in flight",
          "served": "answered", "timeouts": "timeouts", "crashed": "crashed", "starts": "starts"}


def read_status(path: str) -> list[str]:
    """The lines that the command "status" is answered with."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(TIMEOUT_SECONDS)
        link.connect(path)
        link.sendall(b"status\n")
        with link.makefile("r", encoding="utf-8", errors="replace", newline="\n") as lines:
            head = lines.readline()
            if not head.startswith("*"):
                raise OSError(f"status was answered with: {head.strip() or 'nothing'}")
            return [lines.readline().rstrip("\n") for _ in range(int(head[1:]))]


def leading_number(text: str) -> int:
    found = re.match(r"-?\d+", text)
    return int(found.group()) if found else 0


def parse_status(lines: list[str]) -> dict[str, Any]:
    """The lines NAME: VALUE as what the page shows; names it does not know are passed over."""
    values = dict(line.split(": ", 1) for line in lines if ": " in line)
    result: dict[str, Any] = {key: leading_number(values.get(name, "0"))
                              for key, name in COUNTS.items()}
    warm = leading_number(values.get("ready for", "-1"))
    failure = values.get("last failure", "none")
    result["state"] = values.get("state", "unreachable")
    result["warm_ms"] = warm if warm >= 0 and result["state"] == "ready" else None
    result["last_failure"] = None if failure == "none" else failure
    return result


class StateWatch:
    """The latest known state; thread-safe."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.lock = threading.Lock()
        self.latest: Optional[dict[str, Any]] = None
        self.read_at = 0.0

    def get(self) -> dict[str, Any]:
        # Who finds another one looking takes what is there, unless there is nothing.
        if self.lock.acquire(blocking=self.latest is None):
            try:
                if self.latest is None or time.monotonic() - self.read_at > FRESH_SECONDS:
                    self.latest = self.look()
                    self.read_at = time.monotonic()
            finally:
                self.lock.release()
        assert self.latest is not None
        age = time.monotonic() - self.read_at
        state = dict(self.latest)
        if state["warm_ms"] is not None:
            state["warm_ms"] += int(age * 1000)
            state["warm_since"] = time.time() - state["warm_ms"] / 1000
        return state

    def look(self) -> dict[str, Any]:
        try:
            state = parse_status(read_status(self.path))
        except (OSError, ValueError) as error:
            state = parse_status([])
            state["error"] = AskError("unavailable", f"control socket: {error}").as_dict()
        state["title"] = TITLES.get(state["state"], state["state"])
        return state
