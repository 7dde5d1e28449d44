#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""coprocctl probe: what it says of a program is so, and the configuration that it
prints serves that program through the real daemon; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC (paths), COPROCD_WRAPPER
"""
import os
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

from probe_programs import OTHERS, PROGRAMS, Program, prepare
from tap import DEADLINE, need, run_all, wait_until

COPROCD = os.environ["COPROCD"]
CTL = os.environ["COPROCCTL"]
FAKE = os.environ["FAKE_COPROC"]
WRAPPER = os.environ.get("COPROCD_WRAPPER", "").split()
PROBE_SECONDS = 120
PARALLEL = 3

os.environ["PATH"] += ":/usr/games"


@dataclass
class Probed:
    code: int
    config: str
    words: str

    def line(self, what: str) -> str:
        """What the findings say under a heading."""
        lines = [line for line in self.words.splitlines() if line.startswith(f"  {what} ")]
        assert lines, f"nothing about {what}: {self.words}"
        return lines[0][len(what) + 2:].strip()

    def value(self, key: str) -> str | None:
        lines = [line for line in self.config.splitlines() if line.startswith(f"{key} = ")]
        return lines[0].partition(" = ")[2] if lines else None


def probe(directory: Path, *command: str, options: tuple[str, ...] = ()) -> Probed:
    done = subprocess.run([CTL, "probe", *options, "--", *command], capture_output=True,
                          timeout=PROBE_SECONDS, check=False, cwd=directory)
    return Probed(done.returncode, done.stdout.decode(errors="surrogateescape"),
                  done.stderr.decode(errors="surrogateescape"))


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


@contextmanager
def serving(directory: Path, probed: Probed) -> Iterator[Path]:
    """The daemon with the printed configuration, but for its socket."""
    config, path = directory / "config", directory / "s"
    config.write_text(probed.config, errors="surrogateescape")
    listen = probed.value("listen")
    assert listen is not None, probed.words
    details = listen.partition(",")[2]
    check = subprocess.run([COPROCD, "--config", str(config), "--check-config"],
                           capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert check.returncode == 0, check.stderr
    argv = [*WRAPPER, COPROCD, "--config", str(config), "--listen",
            f"{path},{details}" if details else str(path)]
    with open(directory / "log", "wb") as log, subprocess.Popen(argv, stderr=log) as process:
        try:
            wait_until("the socket", lambda: is_listening(path))
            yield path
        except BaseException as error:
            error.add_note((directory / "log").read_text(errors="replace")[-2000:])
            raise
        finally:
            process.terminate()
            process.wait(DEADLINE)


def ask(path: Path, request: str) -> str:
    """All that comes for one request."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(str(path))
        client.sendall(request.encode())
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b"")).decode(errors="replace")


def check_served(directory: Path, program: Program, probed: Probed) -> None:
    for key, value in program.options.items():
        assert probed.value(key) == value, (key, probed.value(key), probed.config)
    with serving(directory, probed) as path:
        for request, reply in program.dialogue * 2:
            got = ask(path, request)
            assert (reply in got if program.loose else reply == got), (request, reply, got)


def check_program(directory: Path, program: Program) -> None:
    directory.mkdir()
    prepare(directory)
    probed = probe(directory, *program.command)
    assert probed.code == 0, probed.words
    check_served(directory, program, probed)


def check_all(directory: Path, programs: list[Program]) -> None:
    """Several at a time, as a probe mostly waits."""
    with ThreadPoolExecutor(PARALLEL) as pool:
        jobs = [(program, pool.submit(check_program, directory / str(n), program))
                for n, program in enumerate(programs)]
    faults = [(program.command, job.exception()) for program, job in jobs if job.exception()]
    for command, error in faults:
        print(f"# {' '.join(command)}: {error!r} {getattr(error, '__notes__', '')}")
    assert not faults, f"{len(faults)} of {len(jobs)} programs"


def test_the_printed_configuration_serves_each_program(directory: Path) -> None:
    for program in PROGRAMS:
        need(program.command[0])
    check_all(directory, PROGRAMS)


def test_so_it_does_for_every_other_known_program_that_is_installed(directory: Path) -> None:
    present = [program for program in OTHERS if shutil.which(program.command[0])]
    missing = [program.command[0] for program in OTHERS if program not in present]
    print(f"# {len(present)} programs; not installed: {missing or 'none'}")
    check_all(directory, present)


def test_a_banner_and_a_slow_start_are_served(directory: Path) -> None:
    command = (FAKE, "--banner", "welcome", "--startup-ms", "700")
    probed = probe(directory, *command)
    assert probed.line("banner") == '"welcome\\n"'
    assert probed.value("banner") == "lines:1"
    assert probed.value("ready") == "probe:hello=>hello"
    check_served(directory, Program(command, [("a\n", "a\n"), ("b\n", "b\n")]), probed)


def test_a_program_that_wants_to_be_greeted_is_served(directory: Path) -> None:
    (directory / "polite.py").write_text(
        "import sys\n"
        "assert sys.stdin.readline() == 'HELO\\t1\\n'\n"
        "print('OK\\tready', flush=True)\n"
        "for line in sys.stdin:\n"
        "    print('FAIL' if line == 'bad\\n' else f'DATA {line}END', flush=True)\n")
    options = ("--hello", "HELO\t1", *(word for request in ("a", "b", "bad")
                                       for word in ("--request", request)))
    probed = probe(directory, "python3", "polite.py", options=options)
    assert probed.line("greeted") == '"HELO\\t1" -> "OK\\tready"', probed.words
    assert probed.value("ready") == "probe:HELO\\t1=>OK\\tready"
    assert probed.value("reply") == "until-match:^(END|FAIL)$"
    assert (probed.value("listen") or "").startswith("/run/coprocd/polite.sock")
    dialogue = [("a\n", "DATA a\nEND\n"), ("bad\n", "FAIL\n")]
    check_served(directory, Program(("python3",), dialogue), probed)


def test_given_requests_are_asked(directory: Path) -> None:
    probed = probe(directory, FAKE, options=("--request", "!sleep 1 yes", "--request", "!big 2"))
    assert '"!sleep 1 yes" -> "yes\\n"' in probed.words
    assert '"!big 2" -> "xx\\n"' in probed.words
    assert "hello" not in probed.words


def test_a_request_that_ends_the_program_is_told_and_left_out(directory: Path) -> None:
    probed = probe(directory, FAKE, options=("--request", "!die 3", "--request", "fine"))
    assert probed.code == 0
    assert '"!die 3" -> it ends (exit status 3)' in probed.words
    assert probed.value("reply") == "line"


def test_what_odd_requests_do_is_told(directory: Path) -> None:
    """A program that splits at 2000 bytes, dies of bytes over 0x7f, ignores empty lines."""
    (directory / "odd.py").write_text(
        "import sys\n"
        "for line in sys.stdin.buffer:\n"
        "    if any(byte > 127 for byte in line): sys.exit(5)\n"
        "    if line == b'\\n': continue\n"
        "    print('x\\n' * (1 + len(line) // 2001), end='', flush=True)\n")
    probed = probe(directory, "python3", "odd.py")
    assert probed.line("empty line") == "no reply"
    assert probed.line("not UTF-8") == "ends the program (exit status 5)"
    assert "is split: 2 replies" in probed.line("long line")
    assert probed.value("no-reply") == "^$"
    assert probed.value("request-bytes") == "utf8"
    assert 1900 <= int(probed.value("max-request") or 0) <= 2000
    check_served(directory, Program(("python3",), [("a\n", "x\n"), ("b\n", "x\n")]), probed)


def test_a_program_is_known_behind_env_too(directory: Path) -> None:
    probed = probe(directory, "env", "LC_ALL=C", "stdbuf", "-o0", "bc", "-lq")
    assert probed.value("reply") == 'probe:\\n":%n:\\n"=>:%n:', probed.words
    assert (probed.value("listen") or "").startswith("/run/coprocd/bc.sock")


def test_requests_without_a_reply_are_warned_of(directory: Path) -> None:
    probed = probe(directory, "grep", "--line-buffered", "hello")
    assert '"1 2 3" -> no reply' in probed.words
    assert "but not always" in probed.words
    assert "waits for request-timeout" in probed.config
    assert probed.value("max-request") is None


def test_a_reply_that_comes_one_request_late_is_noticed(directory: Path) -> None:
    (directory / "late.py").write_text(
        "import sys\n"
        "held = ''\n"
        "for line in sys.stdin:\n"
        "    print(held, end='', flush=True)\n"
        "    held = line\n"
        "print(held, end='')\n")
    probed = probe(directory, "python3", "late.py")
    assert probed.code == 1
    assert probed.line("stdout").startswith("late by one")
    assert "line-buffered = yes does not cure it" in probed.words
    assert "pty = yes does not cure it" in probed.words
    assert probed.config == ""


def test_a_program_that_waits_for_the_end_of_its_input_cannot_be_served(directory: Path) -> None:
    probed = probe(directory, "sort")
    assert probed.code == 1
    assert probed.line("stdout").startswith("block-buffered")
    assert "no configuration serves this program" in probed.words


def test_a_program_that_never_stops_talking_cannot_be_served(directory: Path) -> None:
    probed = probe(directory, "yes")
    assert (probed.code, probed.config) == (1, "")
    assert "does not stop talking" in probed.line("stdout")


def test_a_program_that_does_not_read_is_told_from_a_silent_one(directory: Path) -> None:
    deaf = probe(directory, "sleep", "60", options=("--time-limit", "1s"))
    mute = probe(directory, "sh", "-c", "while read line; do :; done")
    assert "did not take the request" in deaf.line("stdin"), deaf.words
    assert mute.line("stdout").startswith("silent"), mute.words
    assert (deaf.code, mute.code) == (1, 1)


def test_how_a_program_ends_is_told(directory: Path) -> None:
    stays = probe(directory, FAKE, "--ignore-eof", "--ignore-term")
    goes = probe(directory, FAKE)
    assert stays.line("ends") == "not when its input ends; SIGTERM does not end it either"
    assert stays.value("stop-timeout") == "500ms"
    assert goes.line("ends") == "when its input ends (exit status 0), and at SIGTERM"


def test_what_cannot_be_started_is_told(directory: Path) -> None:
    def words(*command: str) -> str:
        probed = probe(directory, *command)
        assert (probed.code, probed.config) == (1, "")
        return probed.words

    assert words("no-such-program") == \
        "coprocctl: no-such-program: exec: No such file or directory\n"
    assert words("false") == "coprocctl: false ends over its first request (exit status 1)\n"
    assert words("sh", "-c", "echo no luck >&2; exit 3") == \
        "coprocctl: sh ends over its first request (exit status 3): no luck\n"
    assert "ends after one reply" in words("head", "-1")


def test_wrong_usage_is_refused(directory: Path) -> None:
    def refused(*words: str) -> str:
        done = subprocess.run([CTL, "probe", *words], capture_output=True, text=True,
                              timeout=DEADLINE, check=False, cwd=directory)
        assert (done.returncode, done.stdout) == (64, ""), words
        return done.stderr

    assert "no COMMAND" in refused()
    assert '"5" is no duration' in refused("--time-limit", "5", "--", "cat")
    assert '"0" is no duration' in refused("--time-limit", "0", "--", "cat")
    assert "usage:" in refused("--nonsense", "cat")


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
