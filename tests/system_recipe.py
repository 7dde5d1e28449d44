#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The drop-in for the recipe's class, in all that the recipe gets wrong; TAP.

environment: see python_rig.py
"""
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable

from python_rig import (COPROCD, FAKE, NORMALIZER, PACKAGE, SAMPLES, SLOW, STOPWORDS, WRAPPER,
                        in_threads)
from tap import DEADLINE, adopt_orphans, is_alive, run_all, wait_until

from coproc import (ConnectError, ConnectionLostError, CoprocError, CrashedError, NothingSentError,
                    RequestTimeoutError, Server, StoppingError, UnavailableError)

# The script of the recipe, but for the import.
SCRIPT = """\
import os
import sys
from coproc import Server

if __name__ == "__main__":
    env = os.environ.copy()
    env["LD_LIBRARY_PATH"] = "lib:" + env.get("LD_LIBRARY_PATH", "")
    server = Server(sys.argv[1:], server_env=env)
    for x in "在云端 云梯 摩萨德 Alisa iDB 阿里大数据".split():
        server.send(x)
        print(x, server.recv())
"""

# Makes its server in a thread that ends, and stays until it is told to do otherwise.
HOLDER = """\
import os, sys, threading
from coproc import Server
servers = []
thread = threading.Thread(target=lambda: servers.append(Server([sys.argv[1]])))
thread.start()
thread.join()
servers[0].send("!pid")
print(servers[0].process.pid, servers[0].recv(), servers[0]._daemon._directory, flush=True)
what = sys.stdin.readline().strip()
if what == "exit":
    sys.exit(0)
if what == "raise":
    raise SystemExit("unwell")
if what == "fork":
    if os.fork() == 0:
        servers[0].send("!pid")
        print("child", servers[0].recv(10), flush=True)
        sys.exit(0)  # does what is registered for the exit
    os.wait()
    def ask():  # on another connection
        servers[0].send("!pid")
        print("parent", servers[0].recv(10), flush=True)
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
"""


def start_python(script: str, *args: str) -> "subprocess.Popen[str]":
    env = dict(os.environ, PYTHONPATH=str(PACKAGE), PYTHONIOENCODING="utf-8")
    return subprocess.Popen([sys.executable, "-X", "dev", "-c", script, *args], env=env, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
                            stderr=subprocess.PIPE)


def raised(kind: type[Exception], call: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """The exception of this kind that the call raises."""
    try:
        result = call(*args, **options)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} but {result!r:.100}")


def test_the_recipes_script_runs_unchanged_but_for_its_import(_: Path) -> None:
    for delay in ("0", "1s"):
        with start_python(SCRIPT, NORMALIZER, "--startup-delay", delay, STOPWORDS) as script:
            out, err = script.communicate(timeout=DEADLINE * SLOW)
        expected = [f"{query} {reply}" for query, reply in SAMPLES.items()]
        assert out.splitlines() == expected and err == "", (out, err)


def test_a_reply_of_200000_bytes_is_whole(_: Path) -> None:
    with Server([FAKE]) as server:
        for size in (200_000, 3_000_000, 1):
            server.send(f"!big {size}")
            assert server.recv(t=10 * SLOW) == "x" * size
        server.send("!slowly 1000 " + "y" * 20000)
        assert server.recv(t=10 * SLOW) == "y" * 20000


def test_a_reply_slower_than_t_is_a_time_out_and_comes_to_nobody_else(_: Path) -> None:
    with Server([FAKE]) as server:
        server.send("warm")
        assert server.recv() == "warm"
        server.send("!sleep 400 late")
        began = time.monotonic()
        error = raised(TimeoutError, server.recv)
        assert isinstance(error, RequestTimeoutError) and "0.1 s" in str(error)
        assert 0.09 < time.monotonic() - began < 0.35 * SLOW
        assert server.recv(e=0) == ""
        assert server.recv(t=10 * SLOW) == "late"  # nothing else was sent: it is awaited again
        for number in range(5):
            server.send("!sleep 200 late")
            raised(TimeoutError, server.recv, .02)
            server.send(f"next {number}")
            assert server.recv(t=10 * SLOW) == f"next {number}"
        server.send("!sleep 100 a")
        server.send("b")
        raised(TimeoutError, server.recv, .01)
        server.send("c")
        assert [server.recv(t=10 * SLOW), server.recv(t=10 * SLOW)] == ["b", "c"]


def test_a_reply_is_returned_as_soon_as_it_is_there(_: Path) -> None:
    with Server([FAKE]) as server:
        server.send("warm")
        server.recv()
        began = time.monotonic()
        for number in range(100):
            server.send(str(number))
            assert server.recv(t=10 * SLOW) == str(number)
        assert time.monotonic() - began < 5 * SLOW  # the recipe needs ten seconds


def test_threads_receive_what_they_have_sent(_: Path) -> None:
    with Server([FAKE]) as server:
        def work(thread: int) -> None:
            for number in range(200 if thread < 2 else 20):
                server.send(f"{thread} {number}")
                assert server.recv(t=30 * SLOW) == f"{thread} {number}"
            assert raised(NothingSentError, server.recv).code == "nothing-sent"
            for number in range(100):
                server.send(f"{thread} {number}")
            assert [server.recv(t=30 * SLOW) for _ in range(100)] == [
                f"{thread} {number}" for number in range(100)]

        in_threads(2, work)
        in_threads(20, lambda thread: work(thread + 2))


def test_send_takes_text_bytes_lines_and_pieces(_: Path) -> None:
    with Server([FAKE]) as server:
        server.send("in ", tail="")
        assert "3 bytes" in raised(NothingSentError, server.recv).text
        server.send("pieces", "\n")
        assert server.recv(t=10) == "in pieces"
        server.send("two\nlines")
        assert [server.recv(t=10), server.recv(t=10)] == ["two", "lines"]
        server.send(b"\xff\xfe \n", tail=b"")
        assert server.recv(t=10) == b"\xff\xfe"
        server.send("with blanks  \t")
        assert server.recv(.5, 1, 5, 0) == "with blanks"
        server.send("")
        assert server.recv(t=10) == ""
        assert server.recv(e=0) == "" == server.recv(t=0, e=0)


def test_a_slow_module_is_never_written_to_death(_: Path) -> None:
    """The recipe stands still when both pipes are full."""
    with Server([FAKE]) as server:
        for number in range(2000):
            server.send("!stderrflood 3")
            server.send(f"{number} " + "x" * 600)
        for number in range(2000):
            assert server.recv(t=60 * SLOW) == "ok"
            assert server.recv(t=60 * SLOW).startswith(f"{number} ")


def test_stderr_is_read_as_it_was_written(_: Path) -> None:
    with Server([FAKE]) as server:
        assert raised(TimeoutError, server.recv, stderr=1) and server.recv(stderr=1, e=0) == ""
        server.send("!stderr 警告 \x01 \ttab")
        assert server.recv() == "ok" and server.recv(stderr=1) == "警告 \x01 \ttab"
        server.send("!stderrflood 200000")  # of which the last megabyte is kept
        assert server.recv(t=30 * SLOW) == "ok"
        text = server.recv(stderr=1)
        assert 1_000_000 < len(text) <= 1 << 20, len(text)


def test_the_environment_is_the_programs_alone(directory: Path) -> None:
    # coprocd could not start with this library.
    (directory / "libevent_core-2.1.so.7").write_text("none")
    env = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": str(directory), "SHELL": "it's",
           "EMPTY": "", "IFS": "x", "OPTIND": "none", "PPID": "none", "a-b": "odd name",
           "BASH_FUNC_f%%": "() { $HOME; }", "词": "云", "QUOTES": "\"'\\`$(id)'"}
    with Server([FAKE], server_env=env) as server:
        for name, value in env.items():
            server.send(f"!env {name}")
            assert server.recv(t=10 * SLOW) == value, name
        for name in ("HOME", "PWD", "COPROCD"):
            server.send(f"!env {name}")
            assert server.recv() == "(unset)", name
        server.send("!cwd")
        assert server.recv() == os.getcwd()
    os.environ["LD_LIBRARY_PATH"] = str(directory)
    try:
        with Server([FAKE]) as server:
            server.send("!env LD_LIBRARY_PATH")
            assert server.recv(t=10 * SLOW) == str(directory)
    finally:
        del os.environ["LD_LIBRARY_PATH"]
    os.environ["INHERITED"] = "line one\nline two"
    program = ["sh", "-c", 'while read x; do printenv INHERITED | tr "\\n" "|"; echo; done']
    for given in (None, {}):
        with Server(program, given) as server:
            server.send("x")
            assert server.recv(t=10 * SLOW) == "line one|line two|"


def test_a_program_that_ends_is_an_exception_and_comes_back(_: Path) -> None:
    with Server([FAKE]) as server:
        server.send("!stderr no memory")
        assert server.recv() == "ok"
        for command, text in (("!die 5", "status 5"), ("!kill 9", "signal 9")):
            server.send(command)
            server.send("behind")
            error = raised(CrashedError, server.recv, t=10 * SLOW)
            assert text in error.text and "no memory" in error.text, error
            assert server.recv(t=10 * SLOW) == "behind"
        server.send("!die 5")
        assert server.recv(t=10 * SLOW, e=0) == ""
    with Server(["sh", "-c", "echo no stop words >&2; exit 4"]) as server:
        began = time.monotonic()
        while True:
            server.send("x")
            error = raised(UnavailableError if time.monotonic() - began > 20 * SLOW
                           else Exception, server.recv)
            assert "status 4" in str(error) and "no stop words" in str(error), error
            if isinstance(error, UnavailableError):
                break


def test_what_cannot_be_started_raises_as_popen_does(directory: Path) -> None:
    text = directory / "text"
    text.write_text("none")
    for args, kind in (([str(directory / "none")], FileNotFoundError),
                       (["no-such-program-at-all"], FileNotFoundError),
                       ([text], PermissionError), (directory, PermissionError), ([], ValueError)):
        raised(kind, Server, args)
    error = raised(ConnectError, Server, [FAKE], options=["--window", "none"])
    assert "status 64" in error.text and "window" in error.text, error
    named = os.environ["COPROCD"]
    try:
        os.environ["COPROCD"] = str(directory / "none")
        assert "COPROCD" in str(raised(FileNotFoundError, Server, [FAKE]))
    finally:
        os.environ["COPROCD"] = named


def test_options_are_coprocds(_: Path) -> None:
    with Server([FAKE, "--banner", "welcome"], options=["--banner", "lines:1", "--stop-timeout",
                                                        "1s"]) as server:
        server.send("x")
        assert server.recv() == "x"


def test_close_leaves_nothing_behind(_: Path) -> None:
    before = os.listdir("/proc/self/fd")
    for ending in ("close", "with", "collected"):
        server = Server([FAKE, "--ignore-term"] if ending == "close" else [FAKE])
        server.send("!pid")
        pid, directory = int(server.recv()), Path(server._daemon._directory)
        assert directory.exists() and directory.stat().st_mode & 0o777 == 0o700
        if ending == "close":
            server.close()
            server.close()
            raised(ConnectError, server.send, "x")
        elif ending == "with":
            with server:
                server.send("!hang")
        else:
            gc.disable()
            del server
            gc.enable()
            server = None  # type: ignore[assignment]
        assert not directory.exists() and not is_alive(pid), ending
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert not [t for t in threading.enumerate() if t.name == "coproc stderr"]


def test_it_ends_with_the_process_whatever_that_dies_of(_: Path) -> None:
    for how in ("kill", "exit", "raise", "fork", "TERM"):
        with start_python(HOLDER, FAKE) as holder:
            assert holder.stdin and holder.stdout
            guard, pid, directory = holder.stdout.readline().split()
            if how == "kill":
                holder.kill()
            elif how == "TERM":
                holder.terminate()
            else:
                out, _ = holder.communicate(how + "\n", timeout=DEADLINE * SLOW)
                assert how != "fork" or out == f"child {pid}\nparent {pid}\n", out
        for number in (guard, pid):
            wait_until(f"{how}: {number} is gone", lambda n=int(number): not is_alive(n))
        wait_until(f"{how}: the directory is gone", lambda d=Path(directory): not d.exists())


def test_a_daemon_that_is_killed_is_told_from_a_program_that_is(_: Path) -> None:
    for of_guard in (False, True):
        server = Server([FAKE])
        server.send("x")
        server.recv()
        server.send("!hang")
        guard = server.process.pid
        coprocd = int(Path(f"/proc/{guard}/task/{guard}/children").read_text().split()[0])
        os.kill(guard if of_guard else coprocd, signal.SIGKILL)
        error = raised(CoprocError, server.recv, t=20 * SLOW)
        # Without its guard coprocd stops as if asked, and says so.
        assert isinstance(error, StoppingError if of_guard else ConnectionLostError), repr(error)
        wait_until("it has ended", lambda s=server: s.process.poll() is not None)
        raised(ConnectionError, server.send, "x")
        server.close()


if __name__ == "__main__":
    adopt_orphans()
    if WRAPPER:
        wrapped = Path(os.environ.get("TMPDIR", "/tmp")) / f"coprocd-wrapped-{os.getpid()}"
        wrapped.write_text(f"#!/bin/sh\nexec {' '.join(WRAPPER)} {COPROCD} \"$@\"\n")
        wrapped.chmod(0o700)
        os.environ["COPROCD"] = str(wrapped)
    try:
        code = run_all([value for name, value in list(globals().items())
                        if name.startswith("test_")])
    finally:
        if WRAPPER:
            wrapped.unlink()
    sys.exit(code)
