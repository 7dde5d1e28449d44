# SPDX-License-Identifier: MIT
"""Rounds: in each, every case is put on every one of its relays, in a new order."""
import random
import statistics
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Iterable, Optional

from cases import SUBJECTS, Case
from rig import Relay, Rig, ask_load, run_load

METRICS = ("relay_us", "child_us", "syscalls", "p50_us", "p99_us", "p999_us", "per_second")
RIVALS_TO = 1000  # clients, with which they are compared


@dataclass(frozen=True)
class Spread:
    """A median and the range about it."""
    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Optional[Spread]:
    known = list(values)
    return Spread(statistics.median(known), min(known), max(known)) if known else None


@dataclass
class Results:
    """By case, relay and metric: one value of each round."""
    values: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    requests: int = 0
    faults: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)  # the cases of which round

    def add(self, case: Case, subject: str, result: dict[str, Any]) -> None:
        if "failed" in result:
            self.faults.append(f"{case.group}: {case.name}: {subject}: {result['failed']}")
        for metric in METRICS:
            value = result.get(metric)
            if value is not None:
                self.values.setdefault((key(case), subject, metric), []).append(value)
        self.requests += result.get("requests", 0)

    def get(self, case: Case, subject: str, metric: str) -> Optional[Spread]:
        return spread(self.values.get((key(case), subject, metric), []))

    def ratio(self, case: Case, subject: str, metric: str, base: str) -> Optional[Spread]:
        """Of values of the same round, as what the machine does besides is then most alike."""
        pairs = zip(self.values.get((key(case), subject, metric), []),
                    self.values.get((key(case), base, metric), []))
        return spread(a / b for a, b in pairs if b)

    def between(self, case: Case, base: Case, subject: str, metric: str) -> Optional[Spread]:
        """The ratio of two cases of one relay."""
        pairs = zip(self.values.get((key(case), subject, metric), []),
                    self.values.get((key(base), subject, metric), []))
        return spread(a / b for a, b in pairs if b)


def key(case: Case) -> str:
    return f"{case.group}/{case.name}"


def measure(rig: Rig, case: Case, subject: str, seconds: float) -> dict[str, Any]:
    """CPU and latency in one run, system calls in a shorter one, as counting them costs."""
    if subject == "direct":
        return run_load(rig, (*case.load_args(seconds), "--", *rig.child(case.child)))
    options = SUBJECTS.get(subject)
    kind = subject if options is None else "coprocd"
    status = subject == "status"
    more = ("--status",) if status else ()
    with Relay(rig, kind, case.child, (options or ()) + case.options, status) as relay:
        result = ask_load(relay, case.load_args(seconds) + more)
        counted = ask_load(relay, (*case.load_args(seconds / 3), *more, "--syscalls"))
    for name, value in result.pop("cpu_us", {}).items():
        result[name + "_us"] = value
    result["syscalls"] = counted.get("syscalls")
    if "failed" in counted:
        result["failed"] = counted["failed"]
    return result


def subjects_of(rig: Rig, case: Case, auto: bool) -> list[str]:
    known = [name for name in case.subjects if auto or name != "window auto"]
    compared = case.group == "clients" or (case.group == "plot" and case.clients <= RIVALS_TO)
    return known + (list(rig.rivals) if compared else [])


def run_rounds(rig: Rig, cases: list[Case], rounds: int, seconds: float, results: Results,
               keep: Callable[[], None]) -> None:
    """@keep: called after each case"""
    auto = rig.allows("--window", "auto")
    for number in range(1, rounds + 1):
        for case in cases:
            name = f"round {number}/{rounds}: {key(case)}"
            if name in results.done:
                continue
            subjects = subjects_of(rig, case, auto)
            random.Random(name).shuffle(subjects)
            for subject in subjects:
                results.add(case, subject, measure(rig, case, subject, seconds))
            results.done.append(name)
            keep()
            print(name, file=sys.stderr)
