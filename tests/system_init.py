#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The init script, run for real with start-stop-daemon and the real daemon; TAP.

environment: COPROCD, FAKE_COPROC, INIT_SCRIPT (paths)
"""
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Iterator

from tap import DEADLINE, adopt_orphans, ask, is_alive, need, run_all, wait_until

COPROCD = os.environ["COPROCD"]
FAKE = os.environ["FAKE_COPROC"]
SCRIPT = os.environ["INIT_SCRIPT"]


class Machine:
    """A configuration directory, a run directory, and the script over them."""

    def __init__(self, directory: Path) -> None:
        need("start-stop-daemon")
        self.config = directory / "etc"
        self.run = directory / "run"
        self.config.mkdir()
        self.run.mkdir()
        self.daemon = COPROCD
        self.defaults = directory / "defaults"
        self.daemons: set[int] = set()
        self.ended = threading.Event()

    def configure(self, name: str, text: str | None = None) -> None:
        counts = self.config / f"{name}.count"
        default = f"command = {FAKE} --count-file {counts}\n"
        (self.config / f"{name}.conf").write_text(default if text is None else text)

    def script(self, *words: str) -> subprocess.CompletedProcess[str]:
        self.note_daemons()  # one that ends at once has no pid file to find it by
        with subprocess.Popen([SCRIPT, *words], env=self.environment(), text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as script:
            # The daemons are ours once the script has left them: nobody else reaps them.
            reaper = threading.Thread(target=self.reap_until_end)
            reaper.start()
            try:
                out, err = script.communicate(timeout=2 * DEADLINE)
            finally:
                if script.poll() is None:
                    script.kill()
                self.ended.set()
                reaper.join()
                self.ended.clear()
        return subprocess.CompletedProcess(words, script.returncode, out, err)

    def environment(self) -> dict[str, str]:
        env = dict(os.environ, DAEMON=self.daemon, RUN_DIR=str(self.run),
                   DEFAULTS=str(self.defaults))
        env.pop("RUNTIME_DIRECTORY", None)
        env.pop("CONFIG_DIR", None)
        if not self.defaults.exists():
            env["CONFIG_DIR"] = str(self.config)
        return env

    def note_daemons(self) -> None:
        for path in self.run.glob("*.pid"):
            with suppress(OSError, ValueError):
                self.daemons.add(int(path.read_text()))

    def reap_until_end(self) -> None:
        while not self.ended.wait(0.01):
            self.note_daemons()
            self.daemons -= {pid for pid in self.daemons if pid != os.getpid() and not is_alive(pid)}

    def code(self, *words: str) -> int:
        return self.script(*words).returncode

    def pid(self, name: str) -> int:
        return int((self.run / f"{name}.pid").read_text())

    def starts(self, name: str) -> list[str]:
        path = self.config / f"{name}.count"
        return path.read_text().splitlines() if path.exists() else []

    def socket(self, name: str) -> Path:
        return self.run / name / "coprocd.sock"


@contextmanager
def machine(directory: Path, *names: str) -> Iterator[Machine]:
    m = Machine(directory)
    for name in names:
        m.configure(name)
    try:
        yield m
    finally:
        m.daemon = COPROCD
        m.script("stop")


def test_start_serves_and_stop_ends(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        assert m.code("status") == 0
        assert ask(m.socket("one"), "hello") == "hello"
        pid = m.pid("one")
        assert m.code("stop") == 0
        assert not is_alive(pid)
        assert m.code("status") == 3
        assert not m.socket("one").exists() and not (m.run / "one.pid").exists()


def test_start_twice_leaves_one_daemon(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        pid = m.pid("one")
        assert m.code("start") == 0
        assert ask(m.socket("one"), "x") == "x"  # by now it has counted its start
        assert m.pid("one") == pid and len(m.starts("one")) == 1


def test_stop_twice_is_no_failure(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("stop") == 0
        assert m.code("start") == 0
        assert m.code("stop") == 0
        assert m.code("stop") == 0


def test_reload_replaces_the_process_while_the_socket_answers(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        pid = m.pid("one")
        wrong: list[str] = []
        done = threading.Event()

        def keep_asking() -> None:
            while not done.is_set():
                reply = ask(m.socket("one"), "still there")
                if reply != "still there":
                    wrong.append(reply)

        asker = threading.Thread(target=keep_asking)
        asker.start()
        try:
            assert m.code("reload") == 0
            wait_until("the second start", lambda: len(m.starts("one")) == 2)
        finally:
            done.set()
            asker.join()
        assert not wrong, wrong
        assert m.pid("one") == pid


def test_reload_of_a_stopped_one_is_7(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("reload") == 7
        assert m.code("force-reload") == 0
        assert m.code("status") == 0


def test_reload_of_a_broken_file_says_why_and_changes_nothing(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        m.configure("one", "command = x\nwindow = many\n")
        done = m.script("reload")
        assert done.returncode == 6 and "window" in done.stdout + done.stderr
        assert ask(m.socket("one"), "hello") == "hello"


def test_restart_gives_another_daemon(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("try-restart") == 0 and m.code("status") == 3
        assert m.code("start") == 0
        pid = m.pid("one")
        assert m.code("restart") == 0
        assert m.pid("one") != pid and ask(m.socket("one"), "x") == "x"
        pid = m.pid("one")
        assert m.code("try-restart") == 0 and m.pid("one") != pid


def test_status_after_kill_9_is_1_and_start_works_again(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        pid = m.pid("one")
        wait_until("the process's own word", lambda: bool(m.starts("one")))
        assert ask(m.socket("one"), "x") == "x"  # by now it has counted its start
        child = int(m.starts("one")[-1].split()[0])
        os.kill(pid, signal.SIGKILL)
        wait_until("the daemon's death", lambda: not is_alive(pid))
        wait_until("its process does not outlive it", lambda: not is_alive(child))
        assert m.code("status") == 1
        assert m.code("start") == 0
        assert m.code("status") == 0 and ask(m.socket("one"), "x") == "x"


def test_a_stale_pid_file_with_a_living_number_is_no_obstacle(directory: Path) -> None:
    with machine(directory, "one") as m:
        (m.run / "one.pid").write_text(f"{os.getpid()}\n")
        assert m.code("status") == 1
        assert m.code("start") == 0
        assert m.pid("one") != os.getpid() and ask(m.socket("one"), "x") == "x"


def test_several_instances_and_one_by_name(directory: Path) -> None:
    with machine(directory, "one", "two") as m:
        assert m.code("start") == 0
        assert ask(m.socket("one"), "1") == "1" and ask(m.socket("two"), "2") == "2"
        assert m.code("stop", "one") == 0
        assert m.code("status", "one") == 3 and m.code("status", "two") == 0
        assert m.code("status") == 3


def test_a_broken_instance_fails_with_the_reason_while_others_run(directory: Path) -> None:
    with machine(directory, "good") as m:
        m.configure("bad", "command = /no/such/program\n")
        done = m.script("start")
        assert done.returncode == 1 and "No such file" in done.stderr, done
        assert ask(m.socket("good"), "x") == "x"
        assert m.code("status", "bad") == 3


def test_a_broken_file_is_6_with_the_fault_and_its_line(directory: Path) -> None:
    with machine(directory) as m:
        m.configure("bad", "command = x\nwindow = many\n")
        done = m.script("start")
        assert done.returncode == 6 and "bad.conf:2" in done.stderr, done
        assert m.code("status", "bad") == 3


def test_one_whose_file_has_gone_is_still_stopped(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        pid = m.pid("one")
        (m.config / "one.conf").unlink()
        assert m.code("status") == 0
        assert m.code("stop") == 0
        assert not is_alive(pid)


def test_one_whose_program_has_gone_is_still_stopped(directory: Path) -> None:
    with machine(directory, "one") as m:
        assert m.code("start") == 0
        pid = m.pid("one")
        m.daemon = str(directory / "gone" / Path(COPROCD).name)
        assert m.code("stop") == 0
        assert not is_alive(pid)


def test_the_defaults_file_names_the_configuration_directory(directory: Path) -> None:
    with machine(directory, "one") as m:
        m.defaults.write_text(f"CONFIG_DIR={m.config}\nDAEMON=/nowhere/coprocd\n")
        assert m.code("start") == 0
        assert ask(m.socket("one"), "x") == "x"


def test_one_that_runs_as_somebody_else_reloads_and_starts_again(directory: Path) -> None:
    if os.getuid() != 0:
        return
    directory.chmod(0o755)
    with machine(directory, "one") as m:
        # Where the build is, root's home for one, nobody may not look.
        program = shutil.copy(FAKE, directory / "program")
        m.configure("one", f"command = {program}\nuser = nobody\n")
        assert m.code("start") == 0
        assert Path(f"/proc/{m.pid('one')}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert ask(m.socket("one"), "x") == "x"
        assert m.code("reload") == 0
        assert ask(m.socket("one"), "x") == "x"
        assert m.code("restart") == 0
        assert ask(m.socket("one"), "x") == "x"
        assert m.code("stop") == 0 and m.code("status") == 3


def test_a_name_that_is_a_path_is_refused(directory: Path) -> None:
    with machine(directory, "one") as m:
        done = m.script("start", "../etc/one")
        assert done.returncode == 2 and "../etc/one" in done.stdout + done.stderr, done


def test_codes_for_usage_missing_program_and_missing_configuration(directory: Path) -> None:
    with machine(directory) as m:
        assert m.code("start") == 6
        assert m.code("start", "nobody") == 6
        assert m.code("dance") == 2
        assert m.code() == 2
        m.daemon = str(directory / "none")
        assert m.code("start") == 5 and m.code("status") == 4


if __name__ == "__main__":
    adopt_orphans()
    sys.exit(run_all([value for name, value in list(globals().items())
                      if name.startswith("test_")]))
