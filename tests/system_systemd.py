#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Socket activation by the real systemd-socket-activate, and Type=notify; TAP.

environment: COPROCD, FAKE_COPROC (paths); COPROCD_WRAPPER, words put before COPROCD
"""
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from tap import DEADLINE, ask, is_alive, need, run_all, wait_until

COPROCD = os.environ.get("COPROCD_WRAPPER", "").split() + [os.environ["COPROCD"]]
FAKE = os.environ["FAKE_COPROC"]


class Supervisor:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(DEADLINE)

    def next(self) -> dict[str, str]:
        lines = self.socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def pending(self) -> list[dict[str, str]]:
        """All that has been said by now."""
        said = []
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                said.append(self.next())
        self.socket.settimeout(DEADLINE)
        return said

    def next_with(self, key: str) -> dict[str, str]:
        """The next message that has the key, past status lines."""
        while True:
            message = self.next()
            if key in message:
                return message


@contextmanager
def running(argv: list[str], env: dict[str, str], directory: Path,
            code: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """The daemon; it has to end with @code, which memory checkers change."""
    with open(directory / "log", "wb") as log, \
            subprocess.Popen(argv, env=dict(os.environ, **env), stderr=log) as daemon:
        try:
            yield daemon
            daemon.terminate()
            assert daemon.wait(DEADLINE) == code, (directory / "log").read_text()
        finally:
            daemon.kill()


def is_listening(path: Path) -> bool:
    """Whether clients may come, which is a little later than the path is there."""
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines())
    return any(row[3] == "00010000" and row[-1] == str(path) for row in rows)


def test_the_first_client_starts_the_daemon_on_the_inherited_socket(directory: Path) -> None:
    path = directory / "s"
    argv = [need("systemd-socket-activate"), f"--listen={path}", "--fdname=web", *COPROCD,
            "--listen", "fd:web", "--", FAKE]
    with running(argv, {}, directory):
        wait_until("the socket", lambda: is_listening(path))
        assert ask(path, "hello") == "hello"
        assert ask(path, "again") == "again"


def test_an_inherited_socket_is_not_removed_on_exit(directory: Path) -> None:
    path = directory / "s"
    argv = [need("systemd-socket-activate"), f"--listen={path}", "--fdname=web", *COPROCD,
            "--listen", "fd:web", "--", FAKE]
    with running(argv, {}, directory) as daemon:
        wait_until("the socket", lambda: is_listening(path))
        assert ask(path, "hello") == "hello"
        daemon.terminate()
        assert daemon.wait(DEADLINE) == 0
        assert path.exists()


def test_a_name_that_was_not_inherited_is_an_error_with_73(directory: Path) -> None:
    done = subprocess.run([*COPROCD, "--listen", "fd:nowhere", "--", FAKE], capture_output=True,
                          text=True, timeout=DEADLINE, check=False)
    assert done.returncode == 73 and "fd:nowhere" in done.stderr, done


def test_ready_comes_with_the_process_and_stopping_at_the_end(directory: Path) -> None:
    supervisor = Supervisor(directory)
    path = directory / "s"
    argv = [*COPROCD, "--listen", str(path), "--", FAKE]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory) as daemon:
        assert supervisor.next_with("READY")["READY"] == "1"
        assert ask(path, "x") == "x"
        daemon.terminate()
        assert supervisor.next_with("STOPPING")["STOPPING"] == "1"
        assert daemon.wait(DEADLINE) == 0


def test_no_ready_before_the_process_is_ready(directory: Path) -> None:
    supervisor = Supervisor(directory)
    gate = directory / "gate"
    os.mkfifo(gate)
    argv = [*COPROCD, "--listen", str(directory / "s"), "--banner", "until:up", "--ready", "banner",
            "--", "sh", "-c", 'read -r line <"$1"; echo up; exec "$2"', "sh", str(gate), FAKE]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory):
        with open(gate, "w", encoding="ascii") as opened:  # when the process has it open, too
            assert not any("READY" in message for message in supervisor.pending())
            opened.write("go\n")
        assert supervisor.next_with("READY")["READY"] == "1"
        assert ask(directory / "s", "x") == "x"


def test_no_ready_without_a_process(directory: Path) -> None:
    supervisor = Supervisor(directory)
    argv = [*COPROCD, "--listen", str(directory / "s"), "--restart-limit", "2",
            "--exit-on-failure", "--", "/no/such/program"]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory, code=69) as daemon:
        assert daemon.wait(DEADLINE) == 69
    seen = supervisor.pending()
    assert seen and not any("READY" in message for message in seen), seen


def test_reload_says_reloading_with_its_time_and_ready_again(directory: Path) -> None:
    supervisor = Supervisor(directory)
    path = directory / "s"
    argv = [*COPROCD, "--listen", str(path), "--", FAKE]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory) as daemon:
        supervisor.next_with("READY")
        before = time.monotonic_ns() // 1000
        daemon.send_signal(signal.SIGHUP)
        reloading = supervisor.next_with("RELOADING")
        assert reloading["RELOADING"] == "1"
        # systemd compares it with its own clock, so it must be of this moment.
        assert before <= int(reloading["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        assert supervisor.next_with("READY")["READY"] == "1"
        assert ask(path, "x") == "x"


def reload_to(directory: Path, text: str) -> None:
    """Reload to a file with @text, which must change nothing but say ready again."""
    supervisor = Supervisor(directory)
    path = directory / "s"
    file = directory / "conf"
    file.write_text(f"command = {FAKE} --pid-reply\nlisten = {path}\n")
    argv = [*COPROCD, "--config", str(file)]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory) as daemon:
        supervisor.next_with("READY")
        reply = ask(path, "x")
        file.write_text(text)
        daemon.send_signal(signal.SIGHUP)
        supervisor.next_with("RELOADING")
        assert supervisor.next_with("READY")["READY"] == "1"
        assert ask(path, "x") == reply


def test_reload_of_a_broken_file_is_over_at_once(directory: Path) -> None:
    reload_to(directory, "command = x\nwindow = many\n")


def test_reload_to_a_program_that_does_not_start_leaves_the_old_one(directory: Path) -> None:
    reload_to(directory, f"command = /no/such/program\nlisten = {directory}/s\n")


def test_an_upgrade_keeps_the_number_and_says_ready_again(directory: Path) -> None:
    supervisor = Supervisor(directory)
    path = directory / "s"
    argv = [*COPROCD, "--listen", str(path), "--", FAKE]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory) as daemon:
        supervisor.next_with("READY")
        daemon.send_signal(signal.SIGUSR2)
        supervisor.next_with("RELOADING")
        assert supervisor.next_with("READY")["STATUS"] == "upgraded"
        assert is_alive(daemon.pid) and ask(path, "x") == "x"


def test_a_pause_is_in_the_status_whatever_the_process_does(directory: Path) -> None:
    supervisor = Supervisor(directory)
    control = directory / "c"
    argv = [*COPROCD, "--listen", str(directory / "s"), "--control", str(control), "--", FAKE]
    with running(argv, {"NOTIFY_SOCKET": str(supervisor.path)}, directory):
        supervisor.next_with("READY")
        paused = "paused, requests wait with their clients"
        ask(control, "pause")
        while supervisor.next_with("STATUS")["STATUS"] != paused:
            pass  # what was said of the start
        ask(control, "restart")
        assert {said["STATUS"] for said in supervisor.pending() if "STATUS" in said} == {paused}
        ask(control, "resume")
        assert supervisor.next_with("STATUS")["STATUS"] == "requests are taken"


if __name__ == "__main__":
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
