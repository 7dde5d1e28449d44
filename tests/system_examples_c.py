#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The examples in C, built as their first comments say against what is installed; TAP.

environment: BUILD_ROOT, SOURCE_ROOT, CC, COPROCD, FAKE_COPROC
"""
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from tap import DEADLINE, need, run_all, wait_until

BUILD = Path(os.environ["BUILD_ROOT"])
EXAMPLES = Path(os.environ["SOURCE_ROOT"]) / "contrib" / "examples"
COPROCD = os.environ["COPROCD"]
FAKE = os.environ["FAKE_COPROC"]
WARNINGS = ["-Wall", "-Wextra", "-Wno-unused-parameter", "-Werror"]


def run(argv: list[str], env: dict[str, str] | None = None, stdin: str = "",
        cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, cwd=cwd,
                          timeout=4 * DEADLINE, env={**os.environ, **(env or {})})


def checked(argv: list[str], env: dict[str, str] | None = None, stdin: str = "",
            cwd: Path | None = None) -> str:
    done = run(argv, env, stdin, cwd)
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def build(directory: Path, name: str) -> tuple[str, dict[str, str]]:
    """Install into @directory, compile the example; the program and its environment."""
    stage = directory / "stage"
    checked([need("meson"), "install", "--no-rebuild", "-C", str(BUILD), "--destdir", str(stage)])
    pc = next(stage.rglob("libcoproc.pc")).parent
    library = next(stage.rglob("libcoproc.so")).parent
    need("pkg-config")
    line = re.search(r"^ \* cc (.*)$", (EXAMPLES / f"{name}.c").read_text(), re.M)
    assert line, f"{name}.c does not say how it is built"
    command = line.group(1).replace(f"{name}.c", str(EXAMPLES / f"{name}.c"), 1)
    checked(["sh", "-ec", " ".join([os.environ["CC"], *WARNINGS, command])], cwd=directory,
            env={"PKG_CONFIG_PATH": str(pc), "PKG_CONFIG_SYSROOT_DIR": str(stage)})
    return str(directory / name), {"LD_LIBRARY_PATH": str(library)}


@contextmanager
def daemon(directory: Path) -> Iterator[str]:
    socket = directory / "s"
    with subprocess.Popen([COPROCD, "--listen", f"{socket},replies=status", "--max-request", "50",
                           "--", FAKE], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until("the socket", socket.exists)
            yield str(socket)
        finally:
            process.terminate()


def test_the_client_asks_and_prints(directory: Path) -> None:
    program, env = build(directory, "client")
    with daemon(directory) as socket:
        out = checked([program, socket, "one", "x" * 51, "two"], env)
        assert re.fullmatch(r"one\nno reply: too-long: .*\ntwo\n", out), out
    assert run([program, str(directory / "none"), "x"], env).returncode == 1


def test_the_client_on_libevent_asks_all_at_once(directory: Path) -> None:
    program, env = build(directory, "client_event")
    with daemon(directory) as socket:
        out = checked([program, socket, "!sleep 50 one", "x" * 51, "three"], env)
        assert re.fullmatch(r"1: one\n2: no reply: too-long: .*\n3: three\n", out), out


def test_the_engine_inside_another_program(directory: Path) -> None:
    program, env = build(directory, "embed")
    out = checked([program, FAKE], env, "one\n!die 3\ntwo\n")
    assert re.fullmatch(r"one\nno reply: crashed: .*\ntwo\n", out), out
    assert run([program, "/nonexistent"], env).returncode == 1


def test_the_engine_in_a_few_lines(directory: Path) -> None:
    program, env = build(directory, "embed_one")
    assert checked([program, FAKE], env) == "ok: hello\n"
    assert run([program], env).returncode == 64


CPLUSPLUS = """
#include <coproc.h>
#include <coproc_client.h>
#include <cstdio>

static void on_stopped(void *) {}

int main(int argc, char **argv)
{
	char name[] = "true", error[200];
	char *command[] = {name, nullptr};
	struct coproc_options options;
	struct coproc_ops ops = {};
	struct coproc *engine = nullptr;
	struct coproc_client *client = nullptr;
	struct coproc_answer answer;

	coproc_options_init(&options);
	options.argv = command;
	ops.on_stopped = on_stopped;
	if (argc < 2)  /* linked, and not to be run: there is no event base */
		return coproc_new(&options, nullptr, &ops, nullptr, &engine, error, sizeof(error));
	if (coproc_client_open(argv[1], nullptr, &client) < 0 ||
	    coproc_client_ask(client, "from C++", 8, 20000, &answer) < 0)
		return 1;
	std::fputs(answer.bytes, stdout);
	coproc_client_free(client);
	return 0;
}
"""


def test_both_headers_serve_a_program_in_cplusplus(directory: Path) -> None:
    _, env = build(directory, "client")  # what is installed, and found
    (directory / "plus.cc").write_text(CPLUSPLUS)
    stage = directory / "stage"
    pc = next(stage.rglob("libcoproc.pc")).parent
    line = f"{need('g++')} {' '.join(WARNINGS)} -pedantic plus.cc -o plus " \
        "$(pkg-config --cflags --libs libcoproc)"
    checked(["sh", "-ec", line], cwd=directory,
            env={"PKG_CONFIG_PATH": str(pc), "PKG_CONFIG_SYSROOT_DIR": str(stage)})
    with daemon(directory) as socket:
        assert checked([str(directory / "plus"), socket], env) == "from C++\n"


if __name__ == "__main__":
    sys.exit(run_all([
        test_the_client_asks_and_prints,
        test_the_client_on_libevent_asks_all_at_once,
        test_the_engine_inside_another_program,
        test_the_engine_in_a_few_lines,
        test_both_headers_serve_a_program_in_cplusplus,
    ]))
