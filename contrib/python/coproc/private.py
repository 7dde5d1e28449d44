# SPDX-License-Identifier: MIT
"""A coprocd of our own around one program, in a private directory."""
from __future__ import annotations

import os
import queue
import select
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Optional, Union

from . import launch
from .connection import try_connect
from .errors import ConnectError

START_SECONDS = 30.0
STOP_SECONDS = 2  # from closing the program's stdin to SIGTERM, and again to SIGKILL
MAX_STDERR = 1 << 20
MAX_LOG = 64 << 10
MAX_LINE = 1000
MAX_DIRECTORY = 80  # of the 107 bytes that a socket's path may have


class Tail:
    """The last bytes of a stream, which one thread adds and others take."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._bytes = bytearray()
        self._recent = b""  # of what has come, taken or not
        self._came = threading.Condition()

    def add(self, data: bytes) -> None:
        with self._came:
            self._bytes += data
            del self._bytes[:-self._size]
            self._recent = (self._recent + data[-MAX_LINE:])[-MAX_LINE:]
            self._came.notify_all()

    def take(self, wait: float) -> bytes:
        """All that is there; waits so many seconds for something."""
        with self._came:
            self._came.wait_for(lambda: self._bytes, wait)
            data = bytes(self._bytes)
            self._bytes.clear()
            return data

    def text(self) -> str:
        with self._came:
            return self._bytes.decode("utf-8", "replace")

    def last_line(self) -> str:
        with self._came:
            return self._recent.rstrip().rpartition(b"\n")[2].decode("utf-8", "replace").strip()


class PrivateDaemon:
    """Runs until stop(), or until this process has died, of whatever.

    The kernel tells the guard of the death of the thread that has started it, so that is
    done by the thread that reads stderr, which lasts as long as the daemon.
    """

    def __init__(self, args: Union[launch.Arg, Sequence[launch.Arg]],
                 env: Optional[launch.Environment], options: Sequence[str]) -> None:
        command, environment = launch.command_of(args), launch.environment_of(env)
        launch.check_program(command[0], environment)
        coprocd = launch.find_coprocd()
        self._pid = os.getpid()
        place = tempfile.gettempdir()
        self._directory = tempfile.mkdtemp(
            prefix="coproc-", dir=place if len(os.fsencode(place)) < MAX_DIRECTORY else "/tmp")
        self.path = f"{self._directory}/socket"
        self.stderr = Tail(MAX_STDERR)
        self.log = Tail(MAX_LOG)
        self._stopping = False
        self._reading = threading.Lock()
        self._log_ended = threading.Event()  # as the guard and coprocd have
        self._wake = os.pipe2(os.O_CLOEXEC)
        try:
            script = self._write_files(command, environment)
            self.process = self._start([
                coprocd, "--config", f"{self._directory}/coprocd.conf", "--listen",
                f"{self.path},mode=0600,replies=status", *options, "--", "/bin/sh", script])
        except BaseException:
            self._remove()
            raise
        try:
            self._wait_for_socket()
        except BaseException:
            self.stop()
            raise

    def _write_files(self, command: list[bytes], env: dict[bytes, bytes]) -> str:
        stderr, script = f"{self._directory}/stderr", f"{self._directory}/program"
        os.mkfifo(stderr, 0o600)
        # Open for writing too, so that it has no end between two lives of the program.
        self._fifo = os.open(stderr, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(script, "wb") as file:
            file.write(launch.program_script(command, env, stderr))
        with open(f"{self._directory}/coprocd.conf", "w", encoding="ascii") as text:
            text.write(launch.config_text(STOP_SECONDS))
        with open(f"{self._directory}/guard", "w", encoding="ascii") as text:
            text.write(launch.GUARD)
        return script

    def _start(self, daemon: list[str]) -> subprocess.Popen[bytes]:
        started: queue.Queue[Union[subprocess.Popen[bytes], BaseException]] = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(daemon, started), daemon=True,
                                        name="coproc stderr")
        self._thread.start()
        result = started.get()
        if isinstance(result, BaseException):
            raise result
        return result

    def _run(self, daemon: list[str], started: queue.Queue[
            Union[subprocess.Popen[bytes], BaseException]]) -> None:
        try:
            # pylint: disable-next=consider-using-with
            process = subprocess.Popen(launch.guard_command(self._directory, daemon),
                                       env=launch.coprocd_environment(), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                       start_new_session=True)
        except BaseException as error:  # pylint: disable=broad-except
            started.put(error)
            return
        started.put(process)
        assert process.stderr is not None
        with process.stderr as log:
            self._relay({self._fifo: self.stderr, log.fileno(): self.log})

    def _relay(self, tails: dict[int, Tail]) -> None:
        poll = select.poll()
        for fd in (*tails, self._wake[0]):
            poll.register(fd, select.POLLIN)
        while not self._stopping:
            for fd, _ in poll.poll():
                if fd in tails and self._read(fd, tails[fd]) == b"":
                    poll.unregister(fd)
                    self._log_ended.set()

    def _read(self, fd: int, tail: Tail) -> Optional[bytes]:
        """A piece of what is there, which is now in the tail; None if nothing is there."""
        with self._reading:
            if self._stopping:
                return None
            try:
                data = os.read(fd, 64 << 10)
            except BlockingIOError:
                return None
            tail.add(data)
            return data

    def catch_up(self) -> None:
        """Put what the program has written to stderr until now where it can be found."""
        for _ in range(MAX_STDERR >> 16):
            if self._pid != os.getpid() or not self._read(self._fifo, self.stderr):
                break

    def _wait_for_socket(self) -> None:
        end = time.monotonic() + START_SECONDS
        while True:
            try:
                sock = try_connect(self.path)
            except ConnectError:
                sock = None
            if sock is not None:
                sock.close()
                return
            if self.process.poll() is not None:
                self._log_ended.wait(1)
                raise ConnectError(f"coprocd exited with status {self.process.returncode}: "
                                   f"{self.log.text().strip()}")
            if time.monotonic() > end:
                raise ConnectError(f"coprocd did not start: {self.log.text().strip()}")
            time.sleep(0.002)

    def stop(self) -> None:
        """End the program and coprocd; nothing is left when this returns. In a forked
        child it does nothing, as they are the parent's."""
        if self._stopping or os.getpid() != self._pid:
            return
        self.process.terminate()
        try:
            self.process.wait(2 * STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        with self._reading:
            self._stopping = True
        os.write(self._wake[1], b"\n")
        if threading.current_thread() is not self._thread:
            self._thread.join()
        self._remove()

    def _remove(self) -> None:
        for fd in (*self._wake, getattr(self, "_fifo", None)):
            if fd is not None:
                os.close(fd)
        shutil.rmtree(self._directory, ignore_errors=True)
