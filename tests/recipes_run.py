# SPDX-License-Identifier: MIT
"""One recipe through the real daemon: start, work, odd requests, kill -9, poison."""
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional, Sequence

from recipes_base import Poison, Recipe, listen_details, write_plain
from recipes_rig import Client, Crew, Daemon, Tally

CLIENTS = 8
INNOCENTS = 10
PIPELINED = 40  # requests of each client
AHEAD = 2  # requests that each innocent client has pending
BETWEEN = 20  # endings of the innocent between a poison's ending and the next poison
STANDSTILL = 0.02  # seconds that a process stands still before it is killed
PATIENCE = 60.0  # seconds for any part of the test, of a recipe of the usual pace
ENOUGH = 60.0  # seconds, after which what has failed somewhere need not be tried further
MODERATE, SHORT, PLAIN = (20.0, 20.0), (5.0, 1.0), (0.3, 0.45)  # request-timeout, hang-timeout
LOSSES = {"crashed", "desync", "timeout", "unavailable"}  # what a replaced process may cost


@dataclass
class Check:
    title: str
    faults: list[str]


@dataclass
class Result:
    """What one recipe has come to."""
    title: str
    config: str
    version: str = "-"
    checks: list[Check] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)  # of all that are not hostile, with the recipe
    plain: Tally = field(default_factory=Tally)  # the same with the plain configuration
    poisons: int = 0  # sent, odd requests included
    start_seconds: float = 0.0
    resident_kib: int = 0


class Run:
    """The parts of the test of one recipe; each judges itself and adds to the result."""

    def __init__(self, coprocd: str, recipe: Recipe, directory: Path) -> None:
        self.coprocd = coprocd
        self.recipe = recipe
        self.directory = directory
        self.details = listen_details(recipe.path())
        self.result = Result(recipe.title(), recipe.path().name)
        self.turn = 0
        self.daemons = 0
        self.patience = PATIENCE * recipe.pace
        self.began = time.monotonic()

    def start(self, config: Path, limits: tuple[float, float]) -> Daemon:
        request, hang = (round(1000 * self.recipe.pace * limit) for limit in limits)
        self.daemons += 1
        own = self.directory / f"d{self.daemons}"
        own.mkdir()
        options = {"request-timeout": f"{request}ms", "hang-timeout": f"{hang}ms",
                   "restart-delay": "5ms", "restart-delay-max": "50ms", "restart-limit": "0",
                   **{key: value.replace("{dir}", str(self.directory))
                      for key, value in self.recipe.options.items()}}
        command = self.recipe.command if config == self.recipe.path() else ()
        return Daemon(self.coprocd, config, own, self.details, options, command)

    def check(self, title: str, faults: list[str]) -> None:
        self.result.checks.append(Check(title, faults))

    def judge(self, title: str, tally: Tally, may_fail: bool = False, more: Sequence[str] = (),
              daemon: Optional[Daemon] = None, total: Optional[Tally] = None,
              may_be_vain: bool = False) -> None:
        """Nothing wrong or lost, some right, errors only where a process may be lost."""
        faults = list(more)
        unexpected = tally.errors.total() - sum(tally.errors[c] for c in LOSSES if may_fail)
        if tally.wrong or tally.lost or unexpected or not (tally.right or may_be_vain):
            faults += [tally.text(), *tally.examples]
        if faults and daemon:
            faults += ["log:", *daemon.log().splitlines()[-12:]]
        (total or self.result.tally).add(tally)
        self.check(title, faults)

    def ask(self, recipe: Recipe, client: Client, number: int) -> None:
        client.ask(*recipe.pair(self.turn, number))
        self.turn += 1

    def first(self, daemon: Daemon) -> None:
        """How long it takes to the first reply, and the memory then."""
        crew, tally = Crew(daemon), Tally()
        self.ask(self.recipe, crew.join(1, tally)[0], 0)
        crew.finish(self.patience)
        self.result.start_seconds = time.monotonic() - daemon.started_at
        self.result.resident_kib = daemon.resident_kib()
        self.judge("the first reply", tally, daemon=daemon)
        if not tally.right:
            raise AssertionError("without it the rest is not tried")

    def normal(self, daemon: Daemon) -> None:
        crew, tally = Crew(daemon), Tally()
        for number, client in enumerate(crew.join(CLIENTS, tally)):
            for _ in range(PIPELINED):
                self.ask(self.recipe, client, number)
        crew.finish(self.patience)
        self.judge(f"{CLIENTS} clients, {PIPELINED} requests of each at once", tally, daemon=daemon)

    def beside(self, daemon: Daemon, recipe: Recipe, step: Callable[[int, Crew], bool]) -> Tally:
        """Innocent clients that work on while @step, given their endings, is true."""
        crew, tally = Crew(daemon), Tally()
        innocents = crew.join(INNOCENTS, tally)

        def over() -> bool:
            for number, client in enumerate(innocents):
                while len(client.pending) < AHEAD:
                    self.ask(recipe, client, number)
            return not step(sum(c.ended for c in innocents), crew)

        if not crew.pump(self.patience, over):
            tally.note(f"not over after {self.patience} s")
            tally.lost += 1
        crew.finish(self.patience)
        return tally

    def hostile(self, daemon: Daemon, recipe: Recipe,
                sends: Sequence[Poison]) -> tuple[Tally, Tally]:
        """One client sends these in turn while others work. Returns how these and it fared."""
        own = Tally()
        clients: list[Client] = []
        since = [0, 0]  # of the hostile client's endings, and of the others' endings then

        def step(endings: int, crew: Crew) -> bool:
            if not clients:
                clients.extend(crew.join(1, own, "hostile"))
            client = clients[0]
            if client.ended > since[0]:
                since[:] = [client.ended, endings]
            if client.ended == len(sends):
                return endings < since[1] + BETWEEN
            if not client.pending and endings >= since[1] + BETWEEN:
                poison = sends[client.ended]
                client.ask(poison.text, poison.expect)
            return True

        tally = self.beside(daemon, recipe, step)
        self.result.poisons += len(sends)
        return tally, own

    def odd(self, daemon: Daemon) -> None:
        sends = [Poison(text) for text in self.recipe.all_odd() * 3]
        tally, own = self.hostile(daemon, self.recipe, sends)
        self.judge("odd requests beside innocent ones", tally, self.recipe.restart_ok,
                   own.examples if own.lost or own.wrong else (), daemon)

    def killed(self, daemon: Daemon) -> None:
        """Let it stand still for a while, so that it has a request or half a reply, and kill it."""
        kills, since, stopped = 0, 0, 0.0

        def step(endings: int, _: Crew) -> bool:
            nonlocal kills, since, stopped
            if stopped and time.monotonic() > stopped + STANDSTILL:
                daemon.signal_process(signal.SIGKILL)
                kills, since, stopped = kills + 1, endings, 0.0
            elif not stopped and endings >= since + BETWEEN and kills < self.recipe.kills:
                if daemon.signal_process(signal.SIGSTOP):
                    stopped = time.monotonic()
            return kills < self.recipe.kills or endings < since + BETWEEN

        tally = self.beside(daemon, self.recipe, step)
        self.judge(f"kill -9 of the process, {self.recipe.kills} times", tally, True, daemon=daemon)

    def poison(self, daemon: Daemon, poison: Poison) -> None:
        """Under the recipe: it gets what it should, and the others only what is theirs."""
        before = daemon.stats()[1]
        tally, own = self.hostile(daemon, self.recipe, self.often(poison))
        faults = []
        if own.wrong or own.lost or (poison.expect is not None and own.errors):
            faults += [f"its own replies: {own.text()}", *own.examples]
        starts = daemon.stats()[1] - before
        if starts and not poison.restart:
            faults.append(f"the process was started again {starts} times")
        self.judge(f"{shown(poison)} beside innocent ones", tally, poison.restart, faults, daemon)

    def often(self, poison: Poison) -> list[Poison]:
        return [poison] * (poison.times or self.recipe.times)

    def plain_poison(self, daemon: Daemon, recipe: Recipe, poison: Poison) -> None:
        sends = self.often(Poison(poison.text, times=poison.times))
        tally, own = self.hostile(daemon, recipe, sends)
        self.judge(f"reply = line: {shown(poison)} beside innocent ones", tally, True,
                   own.examples if own.lost or own.wrong else (), daemon, self.result.plain,
                   not self.recipe.plain_fits)

    def as_it_is(self) -> None:
        """The file is valid without the test's options."""
        done = subprocess.run([self.coprocd, "--check-config", "--config", str(self.recipe.path())],
                              capture_output=True, text=True, timeout=PATIENCE, check=False)
        faults = done.stderr.splitlines() if done.returncode else []
        self.check("the file is valid as it is", faults)

    def has_failed(self) -> bool:
        """So long ago that the rest would only take its time."""
        late = time.monotonic() > self.began + ENOUGH * self.recipe.pace
        return late and any(check.faults for check in self.result.checks)

    def with_daemon(self, config: Path, limits: tuple[float, float],
                    parts: Sequence[Callable[[Daemon], None]]) -> None:
        if not parts or self.has_failed():
            return
        daemon = self.start(config, limits)
        try:
            for part in parts:
                if not self.has_failed():
                    part(daemon)
        finally:
            daemon.stop()

    def all(self) -> None:
        recipe, path = self.recipe, self.recipe.path()
        self.as_it_is()
        poisons = recipe.poisons()

        def parts(chosen: Sequence[Poison]) -> list[Callable[[Daemon], None]]:
            return [lambda daemon, p=p: self.poison(daemon, p) for p in chosen]

        self.with_daemon(path, MODERATE, [self.first, self.normal, self.odd, self.killed])
        self.with_daemon(path, MODERATE, parts([p for p in poisons if not p.restart]))
        self.with_daemon(path, SHORT, parts([p for p in poisons if p.restart]))
        if recipe.plain:
            plain = recipe.for_plain()
            self.with_daemon(write_plain(recipe, self.directory), PLAIN,
                             [lambda daemon, p=p: self.plain_poison(daemon, plain, p)
                              for p in poisons if p.plain])


def shown(poison: Poison) -> str:
    text = ascii(poison.text)[1:]
    return text if len(text) < 50 else f"{text[:30]}... ({len(poison.text)} bytes)"


def run_recipe(coprocd: str, recipe: Recipe) -> Result:
    """All parts; what goes wrong in a way that was not foreseen is a fault too."""
    directory = Path(tempfile.mkdtemp(prefix="recipe-"))
    run = Run(coprocd, recipe, directory)
    try:
        if recipe.setup:
            recipe.setup(directory)
        run.result.version = recipe.version_line()
        run.all()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        run.check("the run", str(error).splitlines() or [repr(error)])
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return run.result
