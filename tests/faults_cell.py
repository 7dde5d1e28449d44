# SPDX-License-Identifier: MIT
"""What a run of the fault tests is made of: a daemon, its clients, and the moments."""
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from faults_rig import Crew, Daemon, Programs, Request, send_signal, state_of

QUEUE = 8  # waiting requests at most, where the queue is to be full
MAX_CLIENTS = 60
MAX_REQUEST = 4096
MAX_REPLY = 65536
CLIENTS_BEYOND = 3  # more clients than places
START_MS = 300
IDLE, FLIGHT, WINDOW, QUEUED = "idle", "one in flight", "window full", "queue full"
STARTING, DRAINING, UPGRADING = "starting", "draining", "upgrading"
IDLE_SURPLUS = "surplus while idle"
UPGRADE = "SIGUSR2, upgrade"
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


class Cell:
    """One daemon, one moment, one fault."""

    def __init__(self, programs: Programs, spec: Spec, fault: Fault, directory: Path) -> None:
        self.spec = spec
        self.fault = fault
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
