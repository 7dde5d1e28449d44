#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Greeting and readiness, control socket, upgrade in place, recycling, several
processes, access: the real daemon under verified load; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC, LOAD (paths), COPROCD_WRAPPER
"""
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from tap import DEADLINE, ask, need, run_all, listens, wait_until

COPROCD = os.environ["COPROCD"]
CTL = os.environ["COPROCCTL"]
FAKE = os.environ["FAKE_COPROC"]
LOAD = os.environ["LOAD"]
WRAPPER = os.environ.get("COPROCD_WRAPPER", "").split()


class Daemon:
    def __init__(self, directory: Path, process: subprocess.Popen[bytes]) -> None:
        self.directory = directory
        self.process = process
        self.socket = directory / "s"
        self.control = directory / "control"

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def starts(self) -> list[str]:
        path = self.directory / "count"
        return path.read_text().splitlines() if path.exists() else []

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([CTL, "-s", str(self.control), *words], capture_output=True,
                              text=True, timeout=DEADLINE, check=False)

    def status(self) -> dict[str, str]:
        lines = self.command("status").stdout.splitlines()
        return dict(line.split(": ", 1) for line in lines)

    def load(self, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen([LOAD, str(self.socket), "--no-errors", "--timeout", "90s",
                                 *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True)


@contextmanager
def running(directory: Path, *options: str, program: str = COPROCD,
            command: tuple[str, ...] = ()) -> Iterator[Daemon]:
    argv = [*WRAPPER, program, "--listen", f"{directory}/s,mode=0666", "--control",
            f"{directory}/control", *options, "--",
            *(command or (FAKE, "--count-file", f"{directory}/count"))]
    with open(directory / "log", "wb") as log, subprocess.Popen(argv, stderr=log) as process:
        daemon = Daemon(directory, process)
        try:
            wait_until("the socket", lambda: listens(daemon.socket) and daemon.control.exists())
            yield daemon
            process.terminate()
            assert process.wait(DEADLINE) == 0, daemon.log()
        except BaseException:
            for line in daemon.log().splitlines()[-15:]:
                print(f"# {line}")
            process.kill()
            raise


def finish(load: subprocess.Popen[str]) -> None:
    """The load has ended with every reply right."""
    text, _ = load.communicate(timeout=100)
    assert load.returncode == 0, text


def shell(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


# ---- greeting and readiness ----

def test_a_banner_is_skipped_and_requests_may_come_before_it(directory: Path) -> None:
    with running(directory, "--banner", "lines:2",
                 command=shell("sleep 0.3; echo hello; echo world; exec cat")) as d:
        assert ask(d.socket, "one") == "one"
        assert ask(d.socket, "two") == "two"


def test_ready_by_banner_waits_for_it(directory: Path) -> None:
    with running(directory, "--banner", "until:go", "--ready", "banner",
                 command=shell("sleep 0.3; echo hello; echo go; exec cat")) as d:
        assert d.status()["state"] == "starting"
        assert ask(d.socket, "one") == "one"
        assert d.status()["state"] == "ready"


def test_ready_by_probe_skips_what_comes_before_its_answer(directory: Path) -> None:
    with running(directory, "--ready", "probe:ping=>ping",
                 command=shell("sleep 0.2; echo noise; exec cat")) as d:
        assert ask(d.socket, "one") == "one"


def test_a_process_that_never_becomes_ready_is_named_in_error_log_and_status(directory: Path) -> None:
    with running(directory, "--ready", "probe:ping=>pong", "--start-timeout", "100ms",
                 "--restart-limit", "2", "--restart-delay", "1ms") as d:
        reply = ask(d.socket, "one")
        assert reply.startswith("coprocd: error: unavailable:") and "start-timeout" in reply, reply
        assert "retry after" in reply
        assert "start-timeout" in d.status()["last failure"] and d.status()["state"] == "failed"
        assert "not ready within 100 ms" in d.log()


def test_ways_not_to_start_are_told_apart(directory: Path) -> None:
    text = directory / "text"
    text.write_text("echo this is no program\n")
    script = directory / "script"
    script.write_text("echo no shell runs this\n")
    script.chmod(0o755)
    for name, command, word in (("none", ("/no/such/program",), "No such file or directory"),
                                ("missing", ("no-such-program",), "No such file or directory"),
                                ("denied", (str(text),), "Permission denied"),
                                ("format", (str(script),), "Exec format error"),
                                ("dies", shell("exit 7"), "exited with status 7")):
        place = directory / name
        place.mkdir()
        with running(place, "--restart-limit", "2", "--restart-delay", "1ms",
                     command=command) as d:
            wait_until("it is given up", lambda d=d: d.status()["state"] == "failed")
            assert word in d.status()["last failure"], d.status()
            assert word in ask(d.socket, "x")


def test_a_failed_one_is_revived_by_restart(directory: Path) -> None:
    marker = directory / "good"
    with running(directory, "--restart-limit", "2", "--restart-delay", "1ms",
                 command=shell(f"test -e {marker} && exec cat")) as d:
        wait_until("it is given up", lambda: d.status()["state"] == "failed")
        marker.touch()
        assert d.command("restart").returncode == 0
        assert ask(d.socket, "back") == "back"


# ---- control ----

def test_restart_waits_for_the_new_process(directory: Path) -> None:
    with running(directory) as d:
        assert ask(d.socket, "x") == "x"
        before = d.status()["pid"]
        done = d.command("restart")
        assert done.returncode == 0 and "has taken over" in done.stdout
        assert d.status()["pid"] != before and len(d.starts()) == 2


def test_a_restart_that_fails_says_why_and_the_old_one_stays(directory: Path) -> None:
    broken = directory / "broken"
    with running(directory, command=shell(f"test ! -e {broken} && exec cat"
                                          f" || exit 9"), *()) as d:
        assert ask(d.socket, "x") == "x"
    place = directory / "probe"
    place.mkdir()
    broken = place / "broken"
    with running(place, "--ready", "probe:a=>a",
                 command=shell(f"test ! -e {broken} || exit 9; exec cat")) as d:
        assert ask(d.socket, "x") == "x"
        before = d.status()["pid"]
        broken.touch()
        done = d.command("restart")
        assert done.returncode == 13 and "status 9" in done.stderr, done
        assert d.status()["pid"] == before and ask(d.socket, "y") == "y"


def test_unknown_commands_are_refused(directory: Path) -> None:
    with running(directory) as d:
        assert ask(d.control, "dance").startswith("-bad-request no such command")
        assert ask(d.control, "x" * 1000).startswith("-")
        assert ask(d.control, "status").startswith("*")


# ---- under load ----

def test_restarts_under_load_lose_nothing(directory: Path) -> None:
    with running(directory, "--window", "4") as d:
        load = d.load("--clients", "40", "--depth", "4", "--seconds", "3s")
        for _ in range(10):
            assert d.command("restart").returncode == 0
        finish(load)
        assert len(d.starts()) == 11


def upgrade_under_load(directory: Path, window: str, clients: str, depth: str) -> None:
    with running(directory, "--window", window) as d:
        load = d.load("--clients", clients, "--depth", depth, "--seconds", "8s", "--chop")
        for number in range(1, 101):
            d.process.send_signal(signal.SIGUSR2)
            wait_until("the upgrade", lambda n=number: d.log().count("goes on with") >= n)
        finish(load)
        assert len(d.starts()) == 1
        assert d.log().count("goes on with") == 100 and "refused" not in d.log()


def test_100_upgrades_under_load_lose_nothing_at_window_1(directory: Path) -> None:
    upgrade_under_load(directory, "1", "50", "8")


def test_100_upgrades_under_load_lose_nothing_at_window_64(directory: Path) -> None:
    upgrade_under_load(directory, "64", "50", "8")


def test_an_upgrade_keeps_half_a_request_a_running_one_and_waiting_ones(directory: Path) -> None:
    with running(directory) as d, socket.socket(socket.AF_UNIX) as client, \
            socket.socket(socket.AF_UNIX) as half_closed:
        client.connect(str(d.socket))
        half_closed.connect(str(d.socket))
        client.sendall(b"!sleep 700 slept\nwaiting\nhalf a ")
        wait_until("it runs", lambda: d.status()["in flight"] == "1")
        half_closed.sendall(b"unterminated")
        half_closed.shutdown(socket.SHUT_WR)
        wait_until("two wait", lambda: d.status()["waiting"].startswith("2 "))
        d.process.send_signal(signal.SIGUSR2)
        wait_until("the upgrade", lambda: "goes on with" in d.log())
        client.sendall(b"request\n")
        lines = client.makefile("rb")
        assert [lines.readline() for _ in range(3)] == [b"slept\n", b"waiting\n",
                                                        b"half a request\n"]
        assert half_closed.makefile("rb").read() == b"unterminated\n"
        assert len(d.starts()) == 1


def test_a_program_that_cannot_take_over_is_refused_and_the_old_one_goes_on(directory: Path) -> None:
    program = directory / "coprocd"
    shutil.copy(COPROCD, program)
    with running(directory, program=str(program)) as d:
        assert ask(d.socket, "x") == "x"
        for content in ("#!/bin/sh\necho 999\n", "#!/bin/sh\nexit 1\n", "garbage"):
            program.unlink()
            program.write_text(content)
            program.chmod(0o755)
            seen = d.log().count("upgrade refused")
            d.process.send_signal(signal.SIGUSR2)
            wait_until("the refusal", lambda n=seen: d.log().count("upgrade refused") > n)
            assert ask(d.socket, "still here") == "still here"
        program.unlink()
        d.process.send_signal(signal.SIGUSR2)
        wait_until("the refusal", lambda: d.log().count("upgrade refused") == 4)
        assert ask(d.socket, "still here") == "still here"
        shutil.copy(COPROCD, program)
        d.process.send_signal(signal.SIGUSR2)
        wait_until("the upgrade", lambda: "goes on with" in d.log())
        assert ask(d.socket, "and now") == "and now" and len(d.starts()) == 1


# ---- recycling and several processes ----

def test_recycling_by_requests_leaves_no_gap_and_counts_no_failure(directory: Path) -> None:
    with running(directory, "--max-requests", "1000") as d:
        finish(d.load("--clients", "10", "--depth", "4", "--requests", "1000"))
        status = d.status()
        assert int(status["recycled"]) >= 3 and status["failures"] == "0", status


def test_recycling_by_age(directory: Path) -> None:
    with running(directory, "--max-age", "200ms") as d:
        first = d.status()["pid"]
        wait_until("another process", lambda: d.status()["pid"] != first)
        assert d.status()["failures"] == "0"


def test_recycling_by_memory(directory: Path) -> None:
    with running(directory, "--max-rss", "1K") as d:
        ask(d.socket, "x")
        first = d.starts()[0]
        wait_until("another process", lambda: bool(ask(d.socket, "x")) and len(d.starts()) > 1)
        assert first and d.status()["failures"] == "0"


def test_four_processes_share_the_queue_in_each_clients_order(directory: Path) -> None:
    with running(directory, "--workers", "4", command=(FAKE, "--count-file", f"{directory}/count",
                                                       "--delay-ms", "2")) as d:
        began = time.monotonic()
        finish(d.load("--clients", "8", "--depth", "16", "--requests", "100"))
        assert len(d.starts()) == 4
        # 800 requests of 2 ms: one process would need 1.6 s.
        assert time.monotonic() - began < 1.5 or WRAPPER, "they do not work side by side"


def test_one_of_four_that_is_killed_is_started_again_once(directory: Path) -> None:
    with running(directory, "--workers", "4", "--retries", "1") as d:
        wait_until("four starts", lambda: len(d.starts()) == 4)
        load = d.load("--clients", "20", "--depth", "4", "--seconds", "2s")
        os.kill(int(d.starts()[1].split()[0]), signal.SIGKILL)
        wait_until("the fifth start", lambda: len(d.starts()) == 5)
        finish(load)
        assert len(d.starts()) == 5


# ---- access ----

def test_only_allowed_users_may_ask_and_others_are_logged(directory: Path) -> None:
    directory.chmod(0o755)
    argv = [*WRAPPER, COPROCD, "--listen", f"{directory}/s,mode=0666,allow-user=nobody", "--",
            "cat"]
    with open(directory / "log", "wb") as log, subprocess.Popen(argv, stderr=log) as process:
        try:
            wait_until("the socket", (directory / "s").exists)
            began = time.monotonic()
            # Again and again: what a client has sent unread must not cost it the answer.
            for _ in range(20 if WRAPPER else 100):
                reply = ask(directory / "s", "x")
                assert reply.startswith("coprocd: error: denied:"), reply
            allowed = subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups",
                                      need("nc"), "-NU", f"{directory}/s"], input="hello\n",
                                     text=True, capture_output=True, timeout=DEADLINE, check=False)
            assert allowed.stdout == "hello\n", allowed
            text = (directory / "log").read_text
            wait_until("the log", lambda: f"uid {os.getuid()}," in text())
            lines, seconds = text().count(" denied (allow-"), time.monotonic() - began
            assert lines <= seconds + 2, f"{lines} lines in {seconds} s"
        finally:
            process.terminate()


if __name__ == "__main__":
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
