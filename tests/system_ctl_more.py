#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coprocctl ask in JSON and from files, and bench; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC
"""
import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from ctl_rig import CTL, ctl, ok, running, wait_status
from tap import DEADLINE, run_all
from terminal import Terminal


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
            wait_status(d, "clients", 1)
            d.process.kill()
            out, err = bench.communicate(timeout=DEADLINE)
            assert bench.returncode == 4 and b"closed the connection" in err, (out, err)
    done = ctl("bench")
    assert done.returncode == 64 and b"needs a LINE" in done.stderr
    done = ctl("bench", "--clients", "0", "x")
    assert done.returncode == 64 and b"1 to 10000" in done.stderr


# ---- the command line ----

def test_an_option_of_another_command_is_refused(directory: Path) -> None:
    for words in (["--depth", "3", "status"], ["restart", "--json"], ["--file", "x", "repl"],
                  ["top", "--clients", "2"]):
        done = ctl(*words)
        assert done.returncode == 64 and b"is not for" in done.stderr, (words, done)
    done = ctl("status", "now")
    assert done.returncode == 64 and b'takes no "now"' in done.stderr, done
    done = ctl("top", "-s", str(directory / "none"))
    assert done.returncode == 64 and b"terminal" in done.stderr, done


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
