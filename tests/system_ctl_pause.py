#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The control socket: pause, drain and resume; TAP.

environment: COPROCD, COPROCCTL, FAKE_COPROC
"""
import subprocess
import sys
from pathlib import Path

from ctl_rig import CTL, Daemon, connected, ctl, ok, running, status_of, wait_status
from tap import DEADLINE, run_all, wait_until


def asking(d: Daemon, *lines: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([CTL, "-s", d.plain, "ask", *lines], stdout=subprocess.PIPE)


def test_requests_wait_while_paused(directory: Path) -> None:
    for overload in ("reject", "wait"):
        (directory / overload).mkdir()
        with running(directory / overload, "--overload", overload) as d:
            ok("-s", d.control, "pause")
            assert status_of(d)["state"] == "paused"
            with asking(d, "a", "b") as one, asking(d, "c") as two:
                wait_status(d, "clients", 2)
                status = status_of(d)
                assert status["accepted"] == 0 == status["waiting"], status
                ok("-s", d.control, "restart")
                assert one.poll() is None is two.poll()
                ok("-s", d.control, "resume")
                assert one.communicate(timeout=DEADLINE)[0] == b"a\nb\n"
                assert two.communicate(timeout=DEADLINE)[0] == b"c\n"
            assert status_of(d)["state"] == "ready"


def test_a_new_program_image_is_paused_too(directory: Path) -> None:
    with running(directory) as d:
        ok("-s", d.control, "pause")
        with asking(d, "a") as one:
            wait_status(d, "clients", 1)
            ok("-s", d.control, "upgrade")  # answered before the program on disk is executed
            wait_until("the new image", lambda: b"goes on with" in
                       (directory / "log").read_bytes())
            assert status_of(d)["state"] == "paused" and one.poll() is None
            ok("-s", d.control, "resume")
            assert one.communicate(timeout=DEADLINE)[0] == b"a\n"


def test_drain_answers_once_the_process_rests(directory: Path) -> None:
    with running(directory) as d:
        with asking(d, "!sleep 400 x", "y") as one:
            wait_status(d, "in_flight", 1)
            ok("-s", d.control, "drain")
            status = status_of(d)
            assert (status["in_flight"], status["waiting"]) == (0, 0), status
            assert status["state"] == "paused" and status["answered"] >= 1, status
            ok("-s", d.control, "resume")
            assert one.communicate(timeout=DEADLINE)[0] == b"x\ny\n"


def test_a_drain_that_is_resumed_fails(directory: Path) -> None:
    with running(directory) as d:
        with asking(d, "!sleep 600 x") as one:
            wait_status(d, "in_flight", 1)
            with subprocess.Popen([CTL, "-s", d.control, "drain"], stderr=subprocess.PIPE) as drain:
                wait_status(d, "state", "paused")
                ok("-s", d.control, "resume")
                err = drain.communicate(timeout=DEADLINE)[1]
                assert drain.returncode == 13 and b"resumed before" in err, err
            assert one.communicate(timeout=DEADLINE)[0] == b"x\n"


def test_a_drain_gives_up_in_time_and_stays_paused(directory: Path) -> None:
    with running(directory) as d:
        with asking(d, "!sleep 1500 x", "y") as one:
            wait_status(d, "in_flight", 1)
            assert ctl("-s", d.control, "-t", "50ms", "drain").returncode == 2
            assert status_of(d)["state"] == "paused"
            ok("-s", d.control, "resume")
            assert one.communicate(timeout=DEADLINE)[0] == b"x\ny\n"


def test_drains_whose_clients_have_left_take_no_room(directory: Path) -> None:
    with running(directory, "--drain-timeout", "10ms") as d:
        with asking(d, "!hang") as one:
            wait_status(d, "in_flight", 1)
            for _ in range(40):
                with connected(d.control) as client:
                    client.sendall(b"drain\n")
            # While more come at once than there are places, one is refused.
            wait_until("room", lambda: not ctl("-s", d.control, "status").returncode)
            assert status_of(d)["state"] == "paused"
            one.kill()


def test_a_drain_is_told_that_the_daemon_stops(directory: Path) -> None:
    with running(directory) as d:
        with asking(d, "!sleep 600 x") as one, connected(d.control) as client:
            wait_status(d, "in_flight", 1)
            client.sendall(b"drain\n")
            wait_status(d, "state", "paused")
            d.stop()
            assert client.recv(200) == b"-unavailable the daemon is stopping\n"
            assert one.communicate(timeout=DEADLINE)[0] == b"x\n"
        assert b"control: resumed" not in (directory / "log").read_bytes()


def test_a_paused_daemon_stops_and_tells_those_who_wait(directory: Path) -> None:
    with running(directory) as d:
        ok("-s", d.control, "pause")
        with asking(d, "a") as one:
            wait_status(d, "clients", 1)
            d.stop()
            one.communicate(timeout=DEADLINE)
            assert one.returncode in (19, 4), one.returncode


if __name__ == "__main__":
    sys.exit(run_all([test for name, test in list(globals().items())
                      if name.startswith("test_")]))
