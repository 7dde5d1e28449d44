#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coprocctl repl and top, and the daemon itself, on a pseudo-terminal; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC
"""
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from ctl_rig import CTL, Daemon, ctl, ok, running, wait_status
from tap import run_all, wait_until
from terminal import Terminal


# ---- repl ----

def repl(d: Daemon, *options: str) -> Terminal:
    return Terminal([CTL, "-s", d.status, "--status", *options, "repl"],
                    env={"XDG_STATE_HOME": str(d.directory / "state")})


def say(terminal: Terminal, text: str) -> None:
    """Type once it is asked for: what comes earlier is the terminal's, not the editor's."""
    terminal.expect("> ")
    wait_until("the editor", terminal.is_raw)
    terminal.type(text)


def test_repl_answers_each_line_with_its_latency(directory: Path) -> None:
    with running(directory) as d, repl(d) as terminal:
        say(terminal, "hello\n")
        terminal.expect(r"hello\r\nhello\r\n  \(\d+\.\d\d ms\)\r\n")
        say(terminal, "云梯 Alisa\n")
        terminal.expect(r"\r\n云梯 Alisa\r\n  \(")
        say(terminal, "!die 3\n")
        terminal.expect(r"! crashed: exited with status 3")
        say(terminal, "\n")
        terminal.expect(r"\r\n\r\n  \(")
        say(terminal, "\x04")
        assert terminal.finish() == 0


def test_repl_lines_are_edited_and_remembered(directory: Path) -> None:
    with running(directory) as d:
        with repl(d) as terminal:
            say(terminal, "helo\x02l\n")  # back by one, insert
            terminal.expect(r"\r\nhello\r\n  \(")
            say(terminal, " secret\n")
            terminal.expect(r"\r\n secret\r\n  \(")
            say(terminal, "\x04")
            assert terminal.finish() == 0
        history = directory / "state" / "coprocctl" / "history"
        assert "hello" in history.read_text() and "secret" not in history.read_text()
        assert history.stat().st_mode & 0o077 == 0
        assert history.parent.stat().st_mode & 0o077 == 0
        with repl(d) as terminal:
            say(terminal, "\x10\x01Oh \n")  # the line before, from its start
            terminal.expect(r"\r\nOh hello\r\n  \(")
            say(terminal, "\x04")
            assert terminal.finish() == 0


def test_repl_interrupted_drops_the_late_reply(directory: Path) -> None:
    with running(directory) as d, repl(d) as terminal:
        say(terminal, "!sleep 1500 late\n")
        wait_status(d, "in_flight", 1)
        terminal.type("\x03")
        terminal.expect("given up")
        say(terminal, "next\n")
        terminal.expect(r"\r\nnext\r\n  \(")
        assert "late\r\n" not in terminal.text()
        say(terminal, "half a line\x03")
        say(terminal, "whole\n")
        terminal.expect(r"\r\nwhole\r\n  \(")
        say(terminal, "\x04")
        assert terminal.finish() == 0


def test_repl_gives_up_after_its_time_out(directory: Path) -> None:
    with running(directory) as d, repl(d, "-t", "100ms") as terminal:
        say(terminal, "!sleep 400 late\n")
        terminal.expect("! no reply in 100 ms")
        say(terminal, "\x04")
        assert terminal.finish() == 0


def test_repl_connects_again_when_the_daemon_is_back(directory: Path) -> None:
    with running(directory) as d, repl(d) as terminal:
        say(terminal, "one\n")
        terminal.expect(r"\r\none\r\n  \(")
        d.stop()
        say(terminal, "two\n")
        terminal.expect("coprocctl: .*(No such file|refused)")
        d.start()
        say(terminal, "three\n")
        terminal.expect(r"\r\nthree\r\n  \(")
        say(terminal, "\x04")
        assert terminal.finish() == 0


def test_repl_without_a_terminal_prints_replies_alone(directory: Path) -> None:
    with running(directory) as d:
        out = ok("-s", d.status, "--status", "repl", stdin=b"a\nb\n").decode()
        assert "a\n" in out and "b\n" in out and "ms)" not in out, out
    done = ctl("-s", str(directory / "none"), "repl")
    assert done.returncode == 3 and b"No such file" in done.stderr


# ---- top ----

def top(d: Daemon, rows: int = 40, columns: int = 110) -> Terminal:
    return Terminal([CTL, "-s", d.control, "top", "--interval", "100ms"], env={"TERM": "vt52"},
                    rows=rows, columns=columns)


def test_top_shows_what_happens_and_quits(directory: Path) -> None:
    with running(directory) as d, top(d) as terminal:
        terminal.expect_screen(r"^ coprocd .*/c +q: quit$")
        terminal.expect_screen(r"^ state +ready, pid \d+, ready for \d+s, 1 of 1 processes$")
        with subprocess.Popen([CTL, "-s", d.plain, "bench", "--time", "2s", "x"],
                              stdout=subprocess.DEVNULL) as bench:
            terminal.expect_screen(r"^ throughput  +\d+\.\d/s accepted, [1-9]\d*\.\d/s answered")
            terminal.expect_screen(r"^answered, up to \d+|^ answered, up to [1-9]\d+")
            terminal.expect_screen(r"^ latency +p50 < \d+ [um]s, p90 < \d+ [um]s, p99 < \d+ [um]s$")
            terminal.expect_screen(r"^ +< \d+ [um]s +[1-9]\d* #{20,}$")
            terminal.expect_screen(rf"\n+ +CLIENT +UID +PID.*\n +\d+ +\d+ +{bench.pid} +\d")
        terminal.expect_screen(r"^ queue +waiting 0, bytes 0, in flight 0, clients 0$")
        ctl("-s", d.plain, "ask", "!die 3")
        terminal.expect_screen(r"^ restarts +exited 1, .*\n last failure +exited with status 3")
        terminal.type("q")
        assert terminal.finish() == 0


def test_top_leaves_room_for_the_clients(directory: Path) -> None:
    with running(directory) as d, top(d, 24, 80) as terminal:
        ctl("-s", d.plain, "ask", *(f"!sleep {ms} x" for ms in (1, 2, 4, 8, 16, 32, 64)))
        with subprocess.Popen([CTL, "-s", d.plain, "ask"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as one:
            terminal.expect_screen(rf"\n +CLIENT +UID +PID.*\n +\d+ +\d+ +{one.pid} +\d")
            one.communicate(b"")
        terminal.type("q")
        assert terminal.finish() == 0


def test_top_fits_a_terminal_of_any_size(directory: Path) -> None:
    with running(directory) as d:
        for rows, columns in ((24, 80), (5, 20), (2, 5), (1, 1)):
            with top(d, rows, columns) as terminal:
                terminal.read(1)
                terminal.resize(3, 30)
                terminal.process.send_signal(signal.SIGWINCH)
                terminal.read(1)
                terminal.type("q")
                assert terminal.finish() == 0, (rows, columns)


def test_top_survives_the_daemon(directory: Path) -> None:
    with running(directory) as d, top(d) as terminal:
        terminal.expect_screen("ready, pid")
        d.stop()
        terminal.expect_screen("^ state +no connection")
        d.start()
        terminal.expect_screen("ready, pid")
        terminal.type("q")
        assert terminal.finish() == 0


# ---- coprocd ----

def test_a_daemon_on_a_terminal_keeps_it_from_its_process(directory: Path) -> None:
    path = directory / "s"
    argv = [os.environ["COPROCD"], "--listen", str(path), "--", os.environ["FAKE_COPROC"]]
    with Terminal(argv) as terminal, socket.socket(socket.AF_UNIX) as client:
        terminal.expect("ready after")
        client.connect(str(path))
        client.sendall(b"!id\n")
        reply = client.recv(4096).decode()
        assert "ctty=no" in reply, reply
        terminal.type("\x03")  # to the daemon alone
        terminal.expect("stopping")
        assert terminal.finish() == 0


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
