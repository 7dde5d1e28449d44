#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What coprocctl does beside asking: JSON, files, bench, reports, a terminal; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC
"""
import base64
import json
import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

from tap import DEADLINE, run_all, wait_until
from terminal import Terminal

COPROCD = os.environ["COPROCD"]
CTL = os.environ["COPROCCTL"]
FAKE = os.environ["FAKE_COPROC"]
WRAPPER = os.environ.get("COPROCD_WRAPPER", "").split()


class Daemon:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.plain = str(directory / "p")
        self.status = str(directory / "s")
        self.control = str(directory / "c")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        log = open(self.directory / "log", "ab")
        self.process = subprocess.Popen(
            [*WRAPPER, COPROCD, "--listen", self.plain, "--listen", f"{self.status},replies=status",
             "--control", self.control, "--restart-delay", "10ms", *options, "--", FAKE],
            stderr=log)
        log.close()
        wait_until("the sockets", lambda: all(
            os.path.exists(p) for p in (self.plain, self.status, self.control)))

    def stop(self) -> None:
        assert self.process
        self.process.terminate()
        self.process.wait(DEADLINE)


@contextmanager
def running(directory: Path, *options: str) -> Iterator[Daemon]:
    daemon = Daemon(directory)
    daemon.start(*options)
    try:
        yield daemon
    finally:
        daemon.stop()


def ctl(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([CTL, *words], input=stdin, capture_output=True, timeout=DEADLINE,
                          check=False)


def ok(*words: str, stdin: bytes = b"") -> bytes:
    done = ctl(*words, stdin=stdin)
    assert done.returncode == 0, (words, done)
    return done.stdout


# ---- ask ----

def test_json_has_one_object_for_each_request(directory: Path) -> None:
    with running(directory) as d:
        done = ctl("-s", d.status, "--status", "ask", "--json", "a", "!die 3", "", 'b"\\\t雲')
        objects = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 11 and done.stderr == b"", done
        assert [o["request"] for o in objects] == [1, 2, 3, 4]
        assert [o["code"] for o in objects] == ["ok", "crashed", "ok", "ok"]
        assert [o.get("reply") for o in objects] == [["a"], None, [""], ['b"\\\t雲']]
        assert "status 3" in objects[1]["text"]


def test_json_of_what_is_no_utf8_is_exact_in_base64(directory: Path) -> None:
    with running(directory) as d:
        for request in (b"\xff", b"a\xc3\x28b", "雲".encode()[:2], b"xy\xff\xfe"):
            line = ok("-s", d.status, "--status", "--json", "ask", stdin=request + b"\n")
            answer = json.loads(line)
            assert base64.b64decode(answer["base64"]) == request + b"\n", answer
            assert "\ufffd" in answer["reply"][0]


def test_json_on_a_plain_listener(directory: Path) -> None:
    with running(directory, "--max-request", "5") as d:
        done = ctl("-s", d.plain, "ask", "--json", "toolong", "fits")
        first, second = map(json.loads, done.stdout.splitlines())
        assert (first["code"], second["reply"], done.returncode) == ("too-long", ["fits"], 14)


def test_requests_from_a_file(directory: Path) -> None:
    text = b"".join(b"%d\n" % n for n in range(20000)) + b"last without newline"
    (directory / "in").write_bytes(text)
    with running(directory) as d:
        done = ctl("-s", d.plain, "ask", "--file", str(directory / "in"))
        assert done.returncode == 0 and done.stderr == b""
        assert done.stdout == text + b"\n"
        assert ok("-s", d.plain, f"--file={directory}/in", "ask") == text + b"\n"


def test_a_file_that_is_not_there_is_told(directory: Path) -> None:
    done = ctl("ask", "--file", str(directory / "none"))
    assert done.returncode == 74 and b"none: No such file" in done.stderr, done
    done = ctl("ask", "--file", str(directory / "none"), "x")
    assert done.returncode == 64 and b"not both" in done.stderr, done


def test_behind_two_dashes_every_word_is_a_line(directory: Path) -> None:
    with running(directory) as d:
        assert ok("-s", d.plain, "ask", "--", "--json", "--") == b"--json\n--\n"
        assert ok("-s", d.plain, "ask", "x", "--json") == b"x\n--json\n"
        assert ok("-s", d.plain, "ask", "--else") == b"--else\n"
        assert ok("-s", d.status, "ask", "--status", "--", "--status") == b"--status\n"


def test_a_file_shows_its_progress_on_a_terminal(directory: Path) -> None:
    (directory / "in").write_text("!sleep 3 x\n" * 200)
    out = directory / "out"
    with running(directory) as d, open(out, "wb") as stdout:
        with Terminal([CTL, "-s", d.plain, "ask", "--file", str(directory / "in")],
                      stdout=stdout.fileno()) as terminal:
            terminal.expect(r"\[#*\.+\] +\d+% \d+/200, \d+/s, \d+ s left")
            terminal.expect(r"\[#+\] 100% 200/200, \d+/s")
            assert terminal.finish() == 0
            assert terminal.text().endswith("\r"), repr(terminal.seen)
    assert out.read_text() == "x\n" * 200


def test_progress_on_a_narrow_terminal_has_no_bar(directory: Path) -> None:
    (directory / "in").write_text("!sleep 3 x\n" * 50)
    with running(directory) as d, open(os.devnull, "wb") as stdout:
        with Terminal([CTL, "-s", d.plain, "ask", "--file", str(directory / "in")], columns=30,
                      stdout=stdout.fileno()) as terminal:
            terminal.expect(r"\r *\d+% \d+/50")
            assert terminal.finish() == 0
            assert "[#" not in terminal.text()


# ---- bench ----

def test_bench_counts_and_measures(directory: Path) -> None:
    with running(directory) as d:
        text = ok("-s", d.status, "--status", "bench", "--clients", "3", "--depth", "2", "--time",
                  "300ms", "a", "b").decode()
        assert re.fullmatch(r"3 clients, depth 2, 0\.\d s\nreplies +\d+, \d+/s\nerrors   0\n"
                            r"latency  p50 .* ms, p90 .*, p99 .*, p99\.9 .*, max .* ms\n",
                            text), text
        result = json.loads(ok("-s", d.plain, "--json", "bench", "--time", "300ms",
                               "!sleep 20 x"))
        assert 3 <= result["replies"] <= 16, result
        assert result["errors"] == 0 and 18 < result["latency_ms"]["p50"] < 250, result
        assert result["latency_ms"]["p50"] <= result["latency_ms"]["p99"] <= \
            result["latency_ms"]["max"]
        status = json.loads(ok("-s", d.control, "status", "--json"))
        assert status["accepted"] == status["answered"] > result["replies"]


def test_bench_tells_errors_and_a_lost_daemon(directory: Path) -> None:
    with running(directory, "--max-request", "3") as d:
        done = ctl("-s", d.plain, "bench", "--time", "100ms", "abc", "toolong")
        assert done.returncode == 14 and b"too-long " in done.stdout, done
        assert d.process
        with subprocess.Popen([CTL, "-s", d.plain, "bench", "--time", "30s", "abc"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as bench:
            wait_until("the load", lambda: json.loads(
                ok("-s", d.control, "status", "--json"))["clients"] == 1)
            d.process.kill()
            out, err = bench.communicate(timeout=DEADLINE)
            assert bench.returncode == 4 and b"closed the connection" in err, (out, err)
    done = ctl("bench")
    assert done.returncode == 64 and b"needs a LINE" in done.stderr
    done = ctl("bench", "--clients", "0", "x")
    assert done.returncode == 64 and b"1 to 10000" in done.stderr


# ---- reports ----

def status_of(d: Daemon) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(ok("-s", d.control, "status", "--json"))
    return result


def test_status_as_json_counts_by_cause(directory: Path) -> None:
    with running(directory, "--hang-timeout", "200ms") as d:
        ctl("-s", d.plain, "ask", "a", "!die 3")
        wait_until("a process", lambda: status_of(d)["ready"] == 1)
        ctl("-s", d.plain, "ask", "!twice x")
        wait_until("a process", lambda: status_of(d)["ready"] == 1)
        ctl("-s", d.plain, "ask", "!hang")
        wait_until("a process", lambda: status_of(d)["ready"] == 1)
        ok("-s", d.control, "restart")
        status = status_of(d)
        assert status["causes"] == {"exited": 1, "start_failed": 0, "desync": 1, "hung": 1,
                                    "recycled": 0, "replaced": 1}, status
        assert status["state"] == "ready" and status["pid"] > 0 and status["clients"] == 0
        text = ok("-s", d.control, "status").decode()
        assert "ends by cause: exited 1, start failed 0, desync 1, hung 1" in text


def test_status_as_json_holds_any_last_failure(directory: Path) -> None:
    with running(directory) as d:
        ctl("-s", d.plain, "ask", '!stderr a "quote" \\ 雲 \x01', "!die 3")
        wait_until("the failure", lambda: status_of(d)["last_failure"] != "")


def test_clients_are_listed(directory: Path) -> None:
    with running(directory) as d, \
            subprocess.Popen([CTL, "-s", d.plain, "ask"], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL) as one:
        wait_until("the client", lambda: status_of(d)["clients"] == 1)
        listed = json.loads(ok("-s", d.control, "clients", "--json"))
        assert listed["more"] == 0 and len(listed["clients"]) == 1, listed
        client = listed["clients"][0]
        assert client["pid"] == one.pid and client["uid"] == os.getuid(), client
        lines = ok("-s", d.control, "clients").decode().splitlines()
        assert lines[0].split() == ["ID", "UID", "PID", "UNFINISHED", "UNSENT"]
        assert lines[1].split()[1:3] == [str(os.getuid()), str(one.pid)]
        one.communicate(b"")


def test_an_option_of_another_command_is_refused(directory: Path) -> None:
    for words in (["--depth", "3", "status"], ["restart", "--json"], ["--file", "x", "repl"],
                  ["top", "--clients", "2"]):
        done = ctl(*words)
        assert done.returncode == 64 and b"is not for" in done.stderr, (words, done)
    done = ctl("status", "now")
    assert done.returncode == 64 and b'takes no "now"' in done.stderr, done
    done = ctl("top", "-s", str(directory / "none"))
    assert done.returncode == 64 and b"terminal" in done.stderr, done


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
        wait_until("the request", lambda: status_of(d)["in_flight"] == 1)
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
            terminal.expect_screen(rf"\|\n+ +CLIENT +UID +PID.*\n +\d+ +\d+ +{bench.pid} +\d")
        terminal.expect_screen(r"^ queue +waiting 0, bytes 0, in flight 0, clients 0$")
        ctl("-s", d.plain, "ask", "!die 3")
        terminal.expect_screen(r"^ restarts +exited 1, .*\n last failure +exited with status 3")
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


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
