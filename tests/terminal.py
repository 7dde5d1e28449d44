# SPDX-License-Identifier: MIT
"""A program on a pseudo-terminal: typing, and reading what it shows."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from types import TracebackType

from tap import DEADLINE

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[()][0-9A-Za-z]|\x1b[=>78]|[\x0e\x0f]")


class Vt52:
    """The screen of a vt52, the simplest terminal that curses can draw on."""

    def __init__(self, rows: int, columns: int) -> None:
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0

    def _escape(self, code: str, text: str) -> int:
        """Do what an escape sequence says; the length of its argument."""
        row = self.cells[self.row]
        if code == "Y" and len(text) >= 2:
            self.row = min(ord(text[0]) - 32, len(self.cells) - 1)
            self.column = min(ord(text[1]) - 32, len(row) - 1)
            return 2
        if code in "KJ":
            row[self.column:] = [" "] * (len(row) - self.column)
        if code == "J":
            for other in self.cells[self.row + 1:]:
                other[:] = [" "] * len(other)
        if code == "H":
            self.row = self.column = 0
        self.row += {"A": -1, "B": 1}.get(code, 0)
        self.column += {"C": 1, "D": -1}.get(code, 0)
        return 0

    def _put(self, char: str) -> None:
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row = min(self.row + 1, len(self.cells) - 1)
        elif char == "\b":
            self.column -= 1
        elif char >= " ":
            self.cells[self.row][min(self.column, len(self.cells[0]) - 1)] = char
            self.column = min(self.column + 1, len(self.cells[0]) - 1)

    def show(self, text: str) -> str:
        """The screen after this output, from its start."""
        at = 0
        while at < len(text):
            if text[at] == "\x1b" and at + 1 < len(text):
                at += 2 + self._escape(text[at + 1], text[at + 2:at + 4])
            else:
                self._put(text[at])
                at += 1
        return "\n".join("".join(row).rstrip() for row in self.cells)


class Terminal:
    """The process has the terminal as stdin, stdout and stderr, but for what is given."""

    def __init__(self, argv: list[str], env: dict[str, str] | None = None, rows: int = 40,
                 columns: int = 110, stdout: int | None = None) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.size = (rows, columns)
        self.seen = ""
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave if stdout is None else stdout, stderr=slave,
            env={**os.environ, "TERM": "xterm", "LC_ALL": "C.UTF-8", **(env or {})},
            preexec_fn=self._own_terminal, close_fds=True)
        os.close(slave)

    @staticmethod
    def _own_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None:
            print(f"# on the terminal: {self.seen[-2000:]!r}")
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, seconds: float) -> bool:
        """Take in what is there; False at the end of the program's output."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)

    def text(self) -> str:
        """What was shown, without the sequences that move and colour."""
        return ESCAPES.sub("", self.seen)

    def is_raw(self) -> bool:
        """Whether the program gets each key as it is typed."""
        return not termios.tcgetattr(self.master)[3] & termios.ICANON

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until the pattern has been shown, and forget all up to its end."""
        end = time.monotonic() + DEADLINE
        while True:
            text = self.text()
            match = re.search(pattern, text)
            if match:
                self.seen = text[match.end():]
                return match
            if time.monotonic() > end or not self.read(0.1):
                raise AssertionError(f"not shown: {pattern!r}; but: {text[-1500:]!r}")

    def expect_screen(self, pattern: str) -> re.Match[str]:
        """Wait until the screen of a program that draws, with TERM=vt52, shows the pattern."""
        end = time.monotonic() + DEADLINE
        while True:
            screen = Vt52(*self.size).show(self.seen)
            match = re.search(pattern, screen, re.M)
            if match:
                return match
            if time.monotonic() > end or not self.read(0.1):
                raise AssertionError(f"not shown: {pattern!r}; but:\n{screen}")

    def finish(self) -> int:
        """Read to the end; the exit status."""
        end = time.monotonic() + DEADLINE
        while self.read(0.1) and self.process.poll() is None:
            assert time.monotonic() < end, f"does not end: {self.text()[-500:]!r}"
        while self.read(0.05) and select.select([self.master], [], [], 0)[0]:
            pass
        return self.process.wait(DEADLINE)
