# SPDX-License-Identifier: MIT
"""Random faults every 100 ms under constant verified load, and what is left of the daemon."""
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from faults_report import codes, write_section
from faults_rig import Client, Crew, Daemon, Programs, Request, send_signal, state_of

FAULT_EVERY_S = 0.1
CLIENTS = 8
DEPTH = 3  # requests of a client without an ending, at most
MAX_REQUEST, MAX_REPLY = 4096, 65536
RSS_SLACK = 0.05
MINUTE_TWO_S = 120.0
PATIENCE_S = 20.0


@dataclass
class Measure:
    """What the daemon has while nothing goes on."""
    descriptors: int
    rss_kib: int


class Soak:
    def __init__(self, programs: Programs, directory: Path, window: int, seed: int) -> None:
        self.window = window
        self.programs = programs
        self.daemon = Daemon(programs, directory, options(window), "")
        self.crew = Crew(self.daemon.path, seed)
        self.crew.join(CLIENTS)
        self.struck: Counter[str] = Counter()
        self.upgrading_allowed = True
        self.stopped: Optional[tuple[int, float]] = None  # a process, and until when
        self.bad_until: Optional[float] = None  # the options are bad until then
        self.began = time.monotonic()
        self.rss_each_minute: list[int] = []
        self.load: Optional[subprocess.Popen[bytes]] = None
        self.load_results: list[int] = []

    # ---- load ----

    def start_load(self, seconds: float) -> None:
        """A second verifier beside the clients of this program."""
        if self.programs.load:
            self.load = subprocess.Popen(
                [self.programs.load, str(self.daemon.path), "--clients", "3", "--depth", "4",
                 "--burst", "random", "--churn", "50", "--seconds", f"{max(1, int(seconds))}s",
                 "--timeout", f"{int(seconds + 60)}s"], stdout=subprocess.DEVNULL)

    def end_load(self) -> None:
        if self.load:
            self.crew.pump(90, lambda: self.load.poll() is not None)
            self.load_results.append(self.load.wait(1))
            self.load = None

    def keep_asking(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            for client in self.crew.clients:
                if len(client.pending) < DEPTH:
                    client.ask()
            self.crew.turn(left)
            self.crew.pump(min(0.002, max(0.0, end - time.monotonic())))

    # ---- faults ----

    def pid(self) -> int:
        return self.daemon.pids()[-1]

    def poison(self, text: str, reply: str = "") -> None:
        """A request that the process obeys, from a client of its own choice."""
        client = self.crew.random.choice(self.crew.clients)
        unique = f"poison{self.crew.random.getrandbits(48):x}"
        own = (reply.replace("TEXT", unique).encode(),) if reply else ()
        client.ask(Request(text.replace("TEXT", unique).encode(), own))

    def vanish(self) -> None:
        self.crew.random.choice(self.crew.clients).leave()
        self.crew.join(1)

    def hold_process(self) -> None:
        if not self.stopped:
            self.stopped = (self.pid(), time.monotonic() + 0.03)
            send_signal(self.stopped[0], signal.SIGSTOP)

    def bad_replacement(self) -> None:
        self.daemon.configure("/nonexistent/program")
        self.daemon.signal(signal.SIGHUP)
        self.bad_until = time.monotonic() + 0.05

    def ask_too_much(self) -> None:
        client: Client = self.crew.random.choice(self.crew.clients)
        client.ask(Request(b"y" * (MAX_REQUEST + 1), ()))

    def faults(self) -> dict[str, Callable[[], None]]:
        both: dict[str, Callable[[], None]] = {
            "kill -9": lambda: send_signal(self.pid(), signal.SIGKILL),
            "SIGSTOP, SIGCONT": self.hold_process,
            "hang": lambda: self.poison("!hang TEXT"),
            "oversize reply": lambda: self.poison(f"!big {MAX_REPLY + 1}"),
            "stdout closed": lambda: self.poison("!closestdout"),
            "stdin closed": lambda: self.poison("!closestdin TEXT", "TEXT"),
            "exit": lambda: self.poison("!die 3"),
            "exit in a reply": lambda: self.poison("!partial TEXT"),
            "stderr flood": lambda: self.poison("!stderrflood 500", "ok"),
            "clients vanish": self.vanish,
            "SIGHUP, good": lambda: self.daemon.signal(signal.SIGHUP),
            "SIGHUP, cannot start": self.bad_replacement,
            "request too long": self.ask_too_much}
        if self.window == 1:
            both["surplus at once"] = lambda: self.poison("!twice TEXT", "TEXT")
            both["late surplus"] = lambda: self.poison("!surplus 1 TEXT\1", "TEXT\1")
        if self.upgrading_allowed:
            both["SIGUSR2, upgrade"] = lambda: self.daemon.signal(signal.SIGUSR2)
        return both

    def undo(self) -> None:
        """End what a fault holds on to."""
        now = time.monotonic()
        if self.stopped and now >= self.stopped[1]:
            send_signal(self.stopped[0], signal.SIGCONT)
            self.stopped = None
        if self.bad_until and now >= self.bad_until:
            self.daemon.configure(self.daemon.command)
            self.bad_until = None

    def note_memory(self) -> None:
        if time.monotonic() >= self.began + 60 * (len(self.rss_each_minute) + 1):
            self.rss_each_minute.append(self.daemon.rss_kib())

    def strike_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        at = time.monotonic()
        self.start_load(seconds)
        while at < end:
            name, act = self.crew.random.choice(sorted(self.faults().items()))
            self.struck[name] += 1
            self.note_memory()
            ended = self.daemon.process.poll()
            assert ended is None, f"the daemon has ended with {ended}"
            act()
            self.keep_asking(0.03)
            self.undo()
            at += FAULT_EVERY_S
            self.keep_asking(at - time.monotonic())
            self.undo()
        self.end_load()

    # ---- what is left ----

    def settle(self) -> Measure:
        """Let everything end, then measure."""
        if not self.crew.pump(PATIENCE_S, lambda: not self.crew.pending()):
            self.daemon.stats()  # for the log
            self.crew.finish(0)
            raise AssertionError("requests have no ending")
        while len(self.crew.clients) < CLIENTS:
            self.crew.join(1)
        self.daemon.wait_stats(clients=CLIENTS, waiting=0, in_flight=0)
        self.daemon.wait("one process", lambda: self.alive() == 1 and self.answers())
        return Measure(self.daemon.descriptors(), self.daemon.rss_kib())

    def answers(self) -> bool:
        before = self.crew.tally.errors.total()
        for client in self.crew.clients:
            client.ask()
        return self.crew.finish(PATIENCE_S) and self.crew.tally.errors.total() == before

    def alive(self) -> int:
        return sum(state_of(pid) not in ("", "Z") for pid in self.daemon.pids()[-20:])

    def starts_and_deaths(self) -> tuple[int, int]:
        log = self.daemon.log()
        return log.count("): started: "), log.count(" -> gone")


def options(window: int) -> dict[str, str]:
    return {
        "window": str(window), "retries": "0", "hang-timeout": "300ms", "stop-timeout": "300ms",
        "settle": "50ms", "max-request": str(MAX_REQUEST), "max-reply": str(MAX_REPLY),
        "restart-delay": "1ms", "restart-delay-max": "5ms", "restart-limit": "0"}


def check(soak: Soak, first: float, baseline: Measure, end: Measure) -> list[str]:
    """What is not as it must be. Memory counts if @first seconds were enough to get warm."""
    tally = soak.crew.tally
    starts, deaths = soak.starts_and_deaths()
    checks = {
        "a reply was wrong": tally.wrong, "a request was lost": tally.lost,
        f"descriptors: {baseline.descriptors}, at the end {end.descriptors}":
            baseline.descriptors != end.descriptors,
        f"memory: {baseline.rss_kib} KiB, at the end {end.rss_kib} KiB":
            first >= MINUTE_TWO_S and
            abs(end.rss_kib - baseline.rss_kib) > RSS_SLACK * baseline.rss_kib,
        "a zombie or another child is left": bool(soak.daemon.strangers()),
        f"{starts} starts, {deaths} deaths": starts != deaths + 1,
        f"load ended with {soak.load_results}": any(soak.load_results)}
    return [what for what, bad in checks.items() if bad]


def trend(soak: Soak, baseline: Measure) -> str:
    return ", ".join(f"{100 * kib / baseline.rss_kib:.0f}" for kib in soak.rss_each_minute)


def report_text(soak: Soak, seconds: float, baseline: Measure, end: Measure,
                faults: list[str]) -> str:
    tally = soak.crew.tally
    starts, deaths = soak.starts_and_deaths()
    struck = ", ".join(f"{name} {n}" for name, n in sorted(soak.struck.items()))
    load = ", tests/load beside them found nothing wrong" if soak.load_results else ""
    return "\n".join([
        f"{seconds / 60:.3g} minutes, a random fault each 100 ms ({soak.struck.total()}), "
        f"{CLIENTS} clients with {DEPTH} requests each{load}.", "",
        f"- endings: {tally.wrong} wrong, {tally.lost} lost; "
        f"errors are {100 * tally.errors.total() / max(1, tally.total()):.1f} % of all "
        f"({', '.join(sorted(tally.errors))})",
        f"- descriptors: {baseline.descriptors} at minute two, {end.descriptors} at the end",
        f"- memory: at the end {100 * end.rss_kib / baseline.rss_kib:.1f} % of that at minute two "
        "(upgrades, which begin with fresh memory, strike in the first minute only)",
        f"- memory at the end of each minute, in % of that: {trend(soak, baseline)}",
        f"- processes: {starts} starts, {deaths} deaths, {len(soak.daemon.strangers())} zombies or others",
        f"- longest time without an ending: {soak.crew.gap * 1000:.0f} ms",
        f"- faults: {struck}",
        f"- result: {'passed' if not faults else 'FAILED: ' + '; '.join(faults)}"]) + "\n"


def run(programs: Programs, seconds: float, window: int, seed: int, report: Path) -> int:
    directory = Path(tempfile.mkdtemp(prefix="coprocd-soak-"))
    first = min(MINUTE_TWO_S, seconds / 5)
    soak = Soak(programs, directory, window, seed)
    try:
        soak.strike_for(first / 2)
        soak.upgrading_allowed = False  # memory is to be that of one program image from here on
        soak.strike_for(first / 2)
        baseline = soak.settle()
        soak.strike_for(seconds - first)
        end = soak.settle()
        faults = check(soak, first, baseline, end)
        text = report_text(soak, seconds, baseline, end, faults)
        print(text, *soak.crew.tally.examples, sep="\n", flush=True)
        print(f"# all errors: {codes(soak.crew.tally.errors)}")
        write_section(report, f"Soak at window {window}", text)
        return bool(faults)
    except AssertionError as fault:
        print(fault, *soak.crew.tally.examples, *soak.daemon.log().splitlines()[-200:], sep="\n")
        return 1
    finally:
        soak.crew.close()
        soak.daemon.stop()
        shutil.rmtree(directory, ignore_errors=True)
