# SPDX-License-Identifier: MIT
"""A little for the tests in Python: TAP output, waiting, temporary directories."""
import ctypes
import os
import shutil
import socket
import subprocess
import tempfile
import time
import traceback
from pathlib import Path
from typing import Callable

DEADLINE = 30.0
PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>


def wait_until(what: str, condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Look every 10 ms until the condition holds; AssertionError past the deadline."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


def need(program: str) -> str:
    """The path of a real program; a test that misses one has failed."""
    path = shutil.which(program)
    if path is None:
        raise AssertionError(f"{program} is not installed (contrib/setup check)")
    return path


def ask(path: Path, request: str) -> str:
    """The reply of one request, by the real nc."""
    while True:
        done = subprocess.run([need("nc"), "-NU", str(path)], input=request + "\n", text=True,
                              capture_output=True, timeout=DEADLINE, check=False)
        # Between bind() and listen() the socket is there and refuses.
        if done.returncode == 0 or "refused" not in done.stderr:
            return done.stdout.rstrip("\n")


def listens(path: Path) -> bool:
    """Whether a daemon takes connections there; one is made and closed."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
    return True


def run_all(tests: list[Callable[[Path], None]]) -> int:
    """Run each test with a directory of its own; returns the exit code."""
    failed = 0
    print(f"1..{len(tests)}", flush=True)
    for number, test in enumerate(tests, 1):
        directory = Path(tempfile.mkdtemp(prefix="coprocd-"))
        try:
            test(directory)
            print(f"ok {number} - {test.__name__}", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {test.__name__}", flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    return 1 if failed else 0


def adopt_orphans() -> None:
    """Become the parent of what is left behind, to know when it has ended.

    Who else would reap it depends on the machine, and may do so late or never.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def is_alive(pid: int) -> bool:
    """Whether the process runs; reaps it if it was ours and has ended."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == 0
    except ChildProcessError:
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
