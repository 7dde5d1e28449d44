# SPDX-License-Identifier: MIT
"""What the daemon is to reach, and whether it does."""
from dataclasses import dataclass, field
from typing import Callable, Iterator, Optional

from cases import Case, all_cases
from extras import Extras
from report import number
from rounds import Results, Spread

LINEAR = 6.0  # 16 MiB against 4 MiB, as caches hold the smaller one better


@dataclass(frozen=True)
class Target:
    what: str
    bound: float
    at_most: bool
    value: Optional[Spread]
    lock_step: Optional[Spread] = None  # for comparison; the target is not meant for it
    unit: str = ""

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        met = self.value.median <= self.bound if self.at_most else self.value.median >= self.bound
        return "met" if met else "**missed**"

    def row(self) -> str:
        unit = " " + self.unit if self.unit else ""
        shown = f"{number(self.value.median)}{unit} ({number(self.value.low)} to " \
                f"{number(self.value.high)})" if self.value else "-"
        lock_step = number(self.lock_step.median) if self.lock_step else ""
        return f"| {self.what} | {'≤' if self.at_most else '≥'} {self.bound:g}{unit} | {shown} | " \
               f"{self.verdict} | {lock_step} |"


@dataclass(frozen=True)
class Judge:
    results: Results
    extras: Extras
    cases: dict[tuple[str, str], Case] = field(
        default_factory=lambda: {(case.group, case.name): case for case in all_cases()})

    def case(self, name: str, group: str = "clients") -> Case:
        return self.cases[group, name]

    def of_both(self, what: str, bound: float, at_most: bool,
                measured: Callable[[str], Optional[Spread]]) -> Target:
        """@measured: by the name of the relay"""
        return Target(what, bound, at_most, measured("coprocd"), measured("lock-step"))

    def to_floor(self, what: str, bound: float, case: Case, metric: str) -> Target:
        return self.of_both(what, bound, True,
                            lambda name: self.results.ratio(case, name, metric, "floor"))

    def at_least(self, what: str, bound: float, case: Case, base: str) -> Target:
        return self.of_both(what, bound, False,
                            lambda name: self.results.ratio(case, name, "per_second", base))

    def speed(self) -> Iterator[Target]:
        for name in ("1×1", "64×1", "64×64"):
            yield self.to_floor(f"CPU per request, {name}, × floor", 1.25, self.case(name),
                                "relay_us")
        yield self.to_floor("p50, 1×1, × floor", 1.15, self.case("1×1"), "p50_us")
        for name, most in (("1×1", 6.1), ("64×1", 2.3), ("64×64", 0.05)):
            yield self.syscalls(name, most)

    def syscalls(self, name: str, most: float) -> Target:
        return self.of_both(f"system calls per request, {name}", most, True,
                            lambda relay: self.results.get(self.case(name), relay, "syscalls"))

    def others(self) -> Iterator[Target]:
        case = self.case("64×1")
        yield self.at_least("throughput, 64×1, × a thread for each client (rival `rust`)", 1, case,
                            "rust")
        yield self.at_least("throughput, 64×1, × asyncio (rival `asyncio`)", 2.5, case, "asyncio")
        yield Target("throughput, 64×1, window auto, × window 64", 0.95, False,
                     self.results.ratio(case, "window auto", "per_second", "window 64"))
        for name, least in (("32 B, batch", 0.25), ("32 B, flush", 0.85)):
            yield self.at_least(f"one client's batch, {name}, × the program alone", least,
                                self.case(name, "one client's batch"), "direct")

    def sizes(self) -> Iterator[Target]:
        large = self.case("1×1 16 MiB", "payloads")
        small = self.case("1×1 4 MiB", "payloads")
        yield self.to_floor("p50 of a line of 16 MiB, × floor", 1.2, large, "p50_us")
        yield Target("p50 of a line of 16 MiB, × 4 MiB", LINEAR, True,
                     self.results.between(large, small, "coprocd", "p50_us"))
        most = self.case("10000 connected, 64 active", "growth")
        few = self.case("64 connected, 64 active", "growth")
        yield Target("CPU per request with 10,000 clients connected, × 64 connected", 1.2, True,
                     self.results.between(most, few, "coprocd", "relay_us"))

    def memory(self) -> Iterator[Target]:
        for what, bound, metric, unit in (
                ("memory for each idle client", 400, "idle_bytes", "B"),
                ("memory without clients", 3072, "base_kib", "KiB"),
                ("CPU with 10,000 idle clients", 0, "idle_cpu", "%")):
            yield Target(what, bound, True, self.extras.get("coprocd", metric), unit=unit)

    def table(self) -> str:
        lines = ["| target | | window 4096 | | lock-step |", "|---|---:|---:|---|---:|"]
        for part in (self.speed, self.others, self.sizes, self.memory):
            lines += [target.row() for target in part()]
        return "\n".join(lines)
