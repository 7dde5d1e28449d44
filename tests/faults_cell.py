# SPDX-License-Identifier: MIT
"""One run of the fault tests: a daemon, a moment, a fault, and what came of it."""
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

from faults_rig import Crew, Daemon, Programs, Request, Tally, send_signal, state_of

QUEUE = 8  # waiting requests at most, where the queue is to be full
MAX_CLIENTS = 60
STORM = 150
MAX_REQUEST = 4096
MAX_REPLY = 65536
CLIENTS_BEYOND = 3  # more clients than places
ENDINGS_S = 20.0
START_MS = 300
IDLE, FLIGHT, WINDOW, QUEUED = "idle", "one in flight", "window full", "queue full"
STARTING, DRAINING, UPGRADING = "starting", "draining", "upgrading"
MOMENTS = (IDLE, FLIGHT, WINDOW, QUEUED, STARTING, DRAINING, UPGRADING)


@dataclass(frozen=True)
class Fault:
    """What goes wrong: by a request that the process obeys, or by an act from outside."""
    name: str
    codes: tuple[str, ...] = ()  # the errors that it may cause
    poison: str = ""  # the request; TEXT is replaced by a unique one
    reply: str = ""  # the poison's own reply, if it may have one
    act: Optional[Callable[["Cell"], None]] = None
    repair: Optional[Callable[["Cell"], None]] = None  # a while after the fault
    log: str = ""  # what the daemon must have logged after the fault
    unseen: tuple[str, ...] = ()  # moments in which the daemon need not find out
    windows: tuple[int, ...] = (1, 8)
    moments: tuple[str, ...] = MOMENTS
    hang: str = "10s"
    prefix: str = ""  # of the command
    proof: bool = False  # the process says that it is ready, and is believed only then


@dataclass(frozen=True)
class Spec:
    fault: str
    moment: str
    window: int
    retries: int
    seed: int
    must_run: bool = True

    def title(self) -> str:
        return f"{self.fault}, {self.moment}, window {self.window}, retries {self.retries}"


@dataclass
class Result:
    spec: Spec
    tally: Tally = field(default_factory=Tally)
    starts: int = 0
    gap: float = 0.0
    faults: list[str] = field(default_factory=list)


class Cell:
    """One daemon, one moment, one fault."""

    def __init__(self, programs: Programs, spec: Spec, directory: Path) -> None:
        self.spec = spec
        self.fault = FAULTS[spec.fault]
        self.frozen = 0
        self.struck_at = 0
        self.struck = False
        slow = f" --startup-ms {START_MS}" if spec.moment == STARTING else ""
        banner = " --banner ready" if self.fault.proof else ""
        self.daemon = Daemon(programs, directory, self.options(), slow + banner,
                             self.fault.prefix.replace("DIR", str(directory)))
        self.crew = Crew(self.daemon.path, spec.seed)
        self.clients = self.crew.join(spec.window + QUEUE + CLIENTS_BEYOND)

    def options(self) -> dict[str, str]:
        proof = {"banner": "until:ready", "ready": "banner"} if self.fault.proof else {}
        return {
            **proof, "window": str(self.spec.window), "retries": str(self.spec.retries),
            "queue": str(QUEUE if self.spec.moment == QUEUED else 1000),
            "hang-timeout": self.fault.hang, "stop-timeout": "300ms", "settle": "100ms",
            "max-clients": str(MAX_CLIENTS), "max-request": str(MAX_REQUEST),
            "max-reply": str(MAX_REPLY), "restart-delay": "10ms", "restart-delay-max": "50ms",
            "restart-limit": "0"}

    def first_request(self) -> Optional[Request]:
        """The one that causes the fault, if a request does; else any."""
        if not self.fault.poison:
            return None
        unique = f"{self.spec.seed}.poison"
        reply = self.fault.reply.replace("TEXT", unique).encode()
        return Request(self.fault.poison.replace("TEXT", unique).encode(),
                       (reply,) if reply else ())

    def target(self) -> int:
        """The process that the fault is to hit."""
        return self.frozen or self.daemon.pids()[-1]

    def strike(self) -> None:
        self.struck_at = len(self.daemon.log())
        self.struck = True
        self.crew.restart_gap()
        if self.fault.act:
            self.fault.act(self)

    def thaw(self) -> None:
        if self.frozen:
            send_signal(self.frozen, signal.SIGCONT)
        self.frozen = 0

    def ask_all(self, times: int = 1) -> None:
        for client in list(self.crew.clients):
            for _ in range(0 if client.once else times):
                client.ask()

    def close(self) -> None:
        self.thaw()
        self.crew.close()
        self.daemon.stop()
        for line in self.helpers():
            send_signal(line, signal.SIGKILL)

    def helpers(self) -> list[int]:
        path = self.daemon.directory / "helpers"
        return [int(n) for n in path.read_text().split()] if path.exists() else []


# ---- moments ----


def fill(cell: Cell, in_flight: int, waiting: int) -> None:
    """Freeze the process, give it so many requests, the poison first, and let others wait."""
    cell.frozen = cell.daemon.freeze()
    cell.clients[0].ask(cell.first_request())
    cell.daemon.wait_stats(in_flight=1, waiting=0)
    for client in cell.clients[1:in_flight]:
        client.ask()
    cell.daemon.wait_stats(in_flight=in_flight, waiting=0)
    for client in cell.clients[in_flight:in_flight + waiting]:
        client.ask()
    cell.daemon.wait_stats(in_flight=in_flight, waiting=waiting)


def at_idle(cell: Cell) -> None:
    cell.daemon.wait_stats(in_flight=0, waiting=0)
    cell.strike()
    if cell.fault.poison:
        cell.clients[0].ask(cell.first_request())


def at_flight(cell: Cell) -> None:
    fill(cell, 1, 0)
    cell.strike()


def at_window(cell: Cell) -> None:
    fill(cell, cell.spec.window, 3)
    cell.strike()


def at_queue(cell: Cell) -> None:
    places = cell.spec.window + QUEUE
    fill(cell, cell.spec.window, QUEUE)
    cell.clients[places].ask()
    assert cell.crew.pump(5, lambda: cell.crew.tally.errors["overloaded"] == 1), \
        "the queue was not full"
    cell.strike()


def at_start(cell: Cell) -> None:
    cell.clients[0].ask(cell.first_request())
    if cell.fault.proof:
        cell.daemon.wait_stats(waiting=1)
    else:
        cell.daemon.wait_stats(in_flight=1)
    cell.ask_all()
    cell.daemon.wait("the process", lambda: len(cell.daemon.pids()) == 1)
    cell.strike()
    assert not cell.daemon.asked(), "the start was over too early"


def at_drain(cell: Cell) -> None:
    daemon = cell.daemon
    fill(cell, cell.spec.window, 0)
    since = len(daemon.log())
    daemon.signal(signal.SIGHUP)
    daemon.wait("draining", lambda: daemon.log_has(f"{cell.frozen}): ready -> draining", since))
    daemon.wait("the next process", lambda: daemon.log_has("has taken over", since))
    cell.strike()
    assert not daemon.log_has(f"{cell.frozen}): draining -> stopping", since) or cell.fault.act, \
        "the drain was over too early"


def poll(condition: Callable[[], bool]) -> None:
    """Look far more often than an upgrade takes."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "the upgrade does not begin"
        time.sleep(0.0002)


def hold_upgrade(daemon: Daemon) -> bool:
    """Begin an upgrade and stop the daemon in its midst; False if it was over before that."""
    since = len(daemon.log())
    daemon.signal(signal.SIGUSR2)
    poll(lambda: daemon.log_has("upgrade: asking", since))
    daemon.signal(signal.SIGSTOP)
    poll(lambda: state_of(daemon.process.pid) == "T")
    if not daemon.log_has("goes on with", since):
        return True
    daemon.signal(signal.SIGCONT)
    return False


def at_upgrade(cell: Cell) -> None:
    daemon = cell.daemon
    if cell.fault.name == IDLE_SURPLUS:
        daemon.wait_stats(in_flight=0, waiting=0)
    else:
        fill(cell, cell.spec.window, 2)
    if not any(hold_upgrade(daemon) for _ in range(20)):
        raise AssertionError("each upgrade was over before the fault could strike")
    cell.strike()
    daemon.signal(signal.SIGCONT)
    if cell.fault.name not in (UPGRADE, IDLE_SURPLUS):
        cell.thaw()
    daemon.wait("the upgrade", lambda: daemon.log_has("goes on with", cell.struck_at))


AT: dict[str, Callable[[Cell], None]] = {
    IDLE: at_idle, FLIGHT: at_flight, WINDOW: at_window, QUEUED: at_queue, STARTING: at_start,
    DRAINING: at_drain, UPGRADING: at_upgrade}


# ---- faults ----


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
        poll(lambda: bool(daemon.strangers()))
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


IDLE_SURPLUS = "surplus while idle"
UPGRADE = "SIGUSR2, upgrade"
GRANDCHILD = ("sh -c 'setsid sleep 60 <&0 & echo $! >>DIR/helpers; exec \"$@\"' sh ")
BEFORE_START = tuple(m for m in MOMENTS if m != STARTING)

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


# ---- one cell ----


def warm_up(cell: Cell) -> None:
    for client in cell.clients:  # one by one, as the queue may be short
        client.ask()
        cell.crew.finish(ENDINGS_S)
    assert cell.crew.tally.right == len(cell.clients), "not all is well before the fault"
    cell.crew.tally = Tally()


def recover(cell: Cell) -> None:
    """Soon all requests must be answered again."""
    end = time.monotonic() + ENDINGS_S
    while True:
        before = cell.crew.tally.errors.total()
        for client in cell.crew.clients[:QUEUE]:
            client.ask()
        cell.crew.finish(ENDINGS_S)
        if cell.crew.tally.errors.total() == before:
            return
        assert time.monotonic() < end, "there are errors for ever"
        time.sleep(0.02)


def check_codes(cell: Cell) -> None:
    allowed = set(cell.fault.codes)
    if cell.spec.moment == QUEUED:
        allowed.add("overloaded")
    others = {code: n for code, n in cell.crew.tally.errors.items() if code not in allowed and n}
    assert not others, f"unexpected errors: {others}"


def check_tries(cell: Cell) -> None:
    """A request reaches a process once, and once more for each retry."""
    most = Counter(cell.daemon.asked()).most_common(1)
    assert not most or most[0][1] <= 1 + cell.spec.retries, f"tried too often: {most[0]}"


def check_end(cell: Cell) -> None:
    daemon = cell.daemon
    daemon.wait("no zombie or other child", lambda: not daemon.strangers(), 2)
    code = daemon.stop()
    assert code == 0, f"exit code {code}"
    left = [pid for pid in daemon.pids() if state_of(pid)]
    assert not left, f"processes {left} are left"


def go(cell: Cell) -> None:
    fault, daemon = cell.fault, cell.daemon
    if cell.spec.moment != STARTING:
        warm_up(cell)
    AT[cell.spec.moment](cell)
    cell.thaw()
    cell.ask_all(2)
    if fault.repair:
        cell.crew.pump(0.2 + (START_MS / 1000 if cell.spec.moment == STARTING else 0))
        fault.repair(cell)
    cell.crew.finish(ENDINGS_S)
    if cell.spec.moment not in fault.unseen:
        daemon.wait(f"\"{fault.log}\" in the log",
                    lambda: daemon.log_has(fault.log, cell.struck_at))
    recover(cell)
    check_codes(cell)
    check_tries(cell)


def run_cell(programs: Programs, spec: Spec) -> Result:
    directory = Path(tempfile.mkdtemp(prefix="coprocd-faults-"))
    result = Result(spec)
    cell = None
    try:
        cell = Cell(programs, spec, directory)
        result.tally = cell.crew.tally
        go(cell)
        check_end(cell)
    except (AssertionError, OSError) as fault:
        result.faults += [f"{type(fault).__name__}: {fault}",
                          traceback.format_exc(limit=-1).splitlines()[1].strip()]
    finally:
        if cell:
            result.tally, result.gap = cell.crew.tally, cell.crew.gap
            result.starts = len(cell.daemon.pids())
            cell.close()
        if result.tally.wrong or result.tally.lost:
            result.faults += result.tally.examples
        if result.faults and cell:
            result.faults += cell.daemon.log_text.splitlines()[-25:]
        shutil.rmtree(directory, ignore_errors=True)
    return result
