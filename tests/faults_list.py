# SPDX-License-Identifier: MIT
"""The faults: what each does, which errors it may cause, and what the daemon says to it."""
import signal
import time

from faults_cell import (DRAINING, IDLE, IDLE_SURPLUS, MAX_CLIENTS, MAX_REPLY, MAX_REQUEST, UPGRADE,
                         UPGRADING, Cell, Fault, poll)
from faults_rig import Request, send_signal, state_of

STORM = 150


def kill_process(cell: Cell) -> None:
    send_signal(cell.target(), signal.SIGKILL)


def stop_and_continue(cell: Cell) -> None:
    pid = cell.target()
    send_signal(pid, signal.SIGSTOP)
    cell.ask_all()
    cell.crew.pump(0.15)
    send_signal(pid, signal.SIGCONT)


def write_surplus(cell: Cell) -> None:
    with open(f"/proc/{cell.target()}/fd/1", "wb", buffering=0) as stdout:
        stdout.write(b"a line that nobody asked for\n")


def clients_vanish(cell: Cell) -> None:
    for client in cell.clients[::2]:
        client.leave()
    cell.clients = cell.crew.join(1) + cell.crew.clients[:]


def replace(cell: Cell) -> None:
    cell.daemon.signal(signal.SIGHUP)


def replace_by_nothing(cell: Cell) -> None:
    cell.daemon.configure("/nonexistent/program")
    cell.daemon.signal(signal.SIGHUP)


def replace_by_short_life(cell: Cell) -> None:
    cell.daemon.configure(cell.daemon.command + " --exit-at-start 7")
    cell.daemon.signal(signal.SIGHUP)


def restore(cell: Cell) -> None:
    """The old options again, without a process of the bad ones left."""
    cell.daemon.configure(cell.daemon.command)
    cell.daemon.signal(signal.SIGHUP)


def upgrade(cell: Cell) -> None:
    cell.daemon.signal(signal.SIGUSR2)


def upgrade_twice(cell: Cell) -> None:
    """While one upgrade waits for the drain, hold the second one's look at the program on disk."""
    daemon = cell.daemon
    daemon.wait("the next process", lambda: len(daemon.pids()) == 2)
    daemon.signal(signal.SIGUSR2)
    poll(lambda: daemon.log_has("upgrade: asking", cell.struck_at))
    time.sleep(0.05)
    poll(lambda: not daemon.strangers())
    for _ in range(50):
        daemon.signal(signal.SIGUSR2)
        # The look takes a few milliseconds: on a busy machine it may be over before it is seen.
        end = time.monotonic() + 0.2
        while not daemon.strangers() and time.monotonic() < end:
            time.sleep(0.0002)
        for pid in daemon.strangers():
            send_signal(pid, signal.SIGSTOP)
            time.sleep(0.002)
            if state_of(pid) == "T":
                return
    raise AssertionError("each look at the program on disk was over too early")


def storm(cell: Cell) -> None:
    """More clients than may be; each asks once."""
    for _ in range(STORM):
        try:
            client = cell.crew.join(1)[0]
        except BlockingIOError:
            return  # as many as the socket lets wait
        client.once = True
        client.ask()


def count_clients(cell: Cell) -> None:
    clients = cell.daemon.stats()["clients"]
    assert clients <= MAX_CLIENTS, f"{clients} clients, allowed are {MAX_CLIENTS}"


def ask_too_much(cell: Cell) -> None:
    cell.clients[-1].ask(Request(b"y" * (MAX_REQUEST + 1), ()))
    cell.clients[-2].ask(Request(b"z" * (MAX_REQUEST * 20), ()))


GRANDCHILD = ("sh -c 'setsid sleep 60 <&0 & echo $! >>DIR/helpers; exec \"$@\"' sh ")

FAULTS: dict[str, Fault] = {f.name: f for f in (
    Fault("kill -9", ("crashed",), act=kill_process, log="killed by signal 9"),
    Fault("SIGSTOP, SIGCONT", act=stop_and_continue),
    Fault("hang", ("timeout", "crashed"), poison="!hang TEXT", hang="700ms", log="hang-timeout"),
    Fault(IDLE_SURPLUS, ("desync",), act=write_surplus, log="that no request asked for",
          moments=(IDLE, UPGRADING)),
    Fault("surplus at once", ("desync",), poison="!twice TEXT", reply="TEXT", windows=(1,),
          log="that no request asked for"),
    Fault("late surplus", ("desync",), poison="!surplus 5 TEXT\1", reply="TEXT\1", windows=(1,),
          log="that no request asked for"),
    Fault("oversize reply", ("reply-too-long", "desync"), poison=f"!big {MAX_REPLY + 1}",
          log="max-reply"),
    Fault("stdout closed", ("desync",), poison="!closestdout", log="closed its stdout"),
    Fault("stdin closed", ("desync",), poison="!closestdin TEXT", reply="TEXT",
          log="closed its stdin", unseen=(DRAINING,)),
    Fault("exit", ("crashed",), poison="!die 3", log="exited with status 3"),
    Fault("exit in a reply", ("crashed",), poison="!partial TEXT", log="exited with status 3"),
    Fault("grandchild keeps the pipes", ("crashed",), act=kill_process, prefix=GRANDCHILD,
          log="killed by signal 9"),
    Fault("stderr flood", poison="!stderrflood 20000", reply="ok", log="line 1 of 20000"),
    Fault("clients vanish", act=clients_vanish),
    Fault("SIGHUP, good", act=replace, log="has taken over"),
    Fault("SIGHUP, cannot start", act=replace_by_nothing, repair=restore,
          log="the replacement failed"),
    Fault("SIGHUP, dies at once", act=replace_by_short_life, repair=restore,
          log="the replacement failed", proof=True),
    Fault("SIGHUP, dies at once, ready=start", ("crashed",), act=replace_by_short_life,
          repair=restore, log="exited with status 7"),
    Fault(UPGRADE, act=upgrade, log="goes on with"),
    Fault("SIGUSR2 twice", act=upgrade_twice, log="goes on with", moments=(DRAINING,)),
    Fault("max-clients", act=storm, repair=count_clients),
    Fault("request too long", ("too-long",), act=ask_too_much),
)}
