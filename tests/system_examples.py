#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples that need no compiler, each as a client of the real daemon; TAP.

environment: see python_rig.py
"""
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from python_rig import PACKAGE, SAMPLES, SLOW, SOURCE, NORMALIZER, STOPWORDS, running
from tap import DEADLINE, need, run_all

# What runs them, and what stands before the socket on their command line.
EXAMPLES = {"client.py": (sys.executable, ()), "client.js": ("node", ()), "client.pl": ("perl", ()),
            "client.php": ("php", ()), "client.sh nc": ("sh", ("nc",)),
            "client.sh socat": ("sh", ("socat",))}


def run(example: str, socket: Path, *lines: str) -> "subprocess.CompletedProcess[str]":
    program, words = EXAMPLES[example]
    path = SOURCE / "contrib" / "examples" / example.split()[0]
    assert os.access(path, os.X_OK) and len(path.read_text().splitlines()) < 25
    return subprocess.run([need(program), str(path), *words, str(socket), *lines], check=False,
                          env=dict(os.environ, PYTHONPATH=str(PACKAGE), PYTHONIOENCODING="utf-8"),
                          capture_output=True, encoding="utf-8", timeout=DEADLINE * SLOW)


def check(example: str, socket: Path, replies: dict[str, str]) -> None:
    done = run(example, socket, *replies)
    out = done.stdout.splitlines()
    assert done.returncode == 0 and done.stderr == "", (example, done)
    assert len(out) == len(replies), (example, done)
    for (request, reply), line in zip(replies.items(), out):
        assert line == reply or (reply.endswith("...") and line.startswith(reply[:-3])), (
            example, request, line)


def check_example(directory: Path, example: str) -> None:
    status = example.split()[0] != "client.sh"
    with running(directory, "--max-request", "100") as d:
        check(example, d.socket if status else d.plain, {
            "one": "one", "在云端": "在云端", " with blanks ": " with blanks ", "+plus": "+plus",
            "-dash": "-dash", "!sleep 1500 slow": "slow", "!die 3": "no reply: crashed: exited...",
            "x" * 101: "no reply: too-long: ...", "!big 200000": "x" * 200000, "last": "last"})
    (directory / "samples").mkdir()
    with running(directory / "samples", command=(NORMALIZER, STOPWORDS)) as d:
        check(example, d.socket if status else d.plain, SAMPLES)
    if status:
        (directory / "two").mkdir()
        with running(directory / "two", "--reply", "lines:2") as d:
            done = run(example, d.socket, "!twice a", "!twice b")
            assert done.stdout == "a\na\nb\nb\n", done
    done = run(example, directory / "none", "x")
    assert done.returncode != 0 or "none" in done.stdout, done


def test_python(directory: Path) -> None:
    check_example(directory, "client.py")


def test_node(directory: Path) -> None:
    check_example(directory, "client.js")


def test_perl(directory: Path) -> None:
    check_example(directory, "client.pl")


def test_php(directory: Path) -> None:
    check_example(directory, "client.php")


def test_shell_with_nc(directory: Path) -> None:
    need("nc")
    check_example(directory, "client.sh nc")


def test_shell_with_socat(directory: Path) -> None:
    need("socat")
    check_example(directory, "client.sh socat")


def test_what_the_readme_of_the_python_client_shows(directory: Path) -> None:
    text = (PACKAGE / "README.md").read_text(encoding="utf-8")
    threads, tasks, _ = re.findall(r"```python\n(.*?)```", text, re.S)
    imports, calls = tasks.split("\n\n")
    tasks = f"import asyncio\n{imports}\nasync def main():\n{textwrap.indent(calls, '    ')}\n" \
        "asyncio.run(main())\n"
    with running(directory, command=(need("bc"), "-q")) as d:
        for code, printed in ((threads, r"42\n2\n18446744073709551616\ntimeout no reply .* None\n"),
                              (tasks, r"\['0', '1', '4', '9', .*, '249001'\]\n")):
            done = subprocess.run(
                [sys.executable, "-c", code.replace("/tmp/calc.sock", str(d.socket))], check=False,
                env=dict(os.environ, PYTHONPATH=str(PACKAGE)), capture_output=True, text=True,
                timeout=4 * DEADLINE)
            assert done.returncode == 0 and re.fullmatch(printed, done.stdout), done


if __name__ == "__main__":
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
