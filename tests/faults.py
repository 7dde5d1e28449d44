#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Faults of every kind, at every moment, against the real daemon.

For each fault x each moment x window x retries a daemon is started, the moment
is made (most of them last because the process stands still under SIGSTOP) and
verified by the daemon's own statistics, the fault strikes, and clients verify
that each of their requests ends exactly once, in order, with its own reply or
one error. Nothing may be wrong or lost anywhere.
"""
import argparse
import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import Iterable, Optional

import faults_soak
from faults_cell import MOMENTS, UPGRADE, UPGRADING, Spec
from faults_list import FAULTS
from faults_report import duration, matrix_text, write_section
from faults_rig import Programs, Tally
from faults_run import Result, run_cell

def all_specs(seed: int) -> list[Spec]:
    return [Spec(fault.name, moment, window, retries, seed)
            for fault in FAULTS.values() for moment in MOMENTS if moment in fault.moments
            for window in fault.windows for retries in (0, 2)]


def selection(specs: list[Spec], seed: int) -> list[Spec]:
    """First each fault at one moment, and so that each moment is there; then the rest as it falls."""
    chosen = []
    for n, fault in enumerate(FAULTS.values()):
        own = [s for s in specs if s.fault == fault.name]
        if not own:
            continue
        moment = MOMENTS[n % len(MOMENTS)]
        fitting = [s for s in own if s.moment == moment] or own
        chosen.append(fitting[(n + seed) % len(fitting)])
    rest = [Spec(s.fault, s.moment, s.window, s.retries, s.seed, must_run=False)
            for s in specs if s not in chosen]
    random.Random(seed).shuffle(rest)
    return chosen + rest


def run_one(task: tuple[Programs, Spec, float]) -> Optional[Result]:
    programs, spec, end = task
    if not spec.must_run and time.monotonic() > end:
        return None
    return run_cell(programs, spec)


def print_result(number: int, result: Result) -> None:
    print(f"{'not ok' if result.faults else 'ok'} {number} - {result.spec.title()}", flush=True)
    for fault in result.faults:
        for line in fault.splitlines():
            print(f"# {line}")


def run_matrix(programs: Programs, specs: list[Spec], end: float, jobs: int) -> list[Result]:
    results = []
    tasks: Iterable[tuple[Programs, Spec, float]] = [(programs, s, end) for s in specs]
    with multiprocessing.Pool(jobs) as pool:
        for result in pool.imap(run_one, tasks):
            if result is None:
                continue
            results.append(result)
            print_result(len(results), result)
    print(f"1..{len(results)}")
    return results


def summary(results: list[Result]) -> str:
    total = Tally()
    for result in results:
        total.add(result.tally)
    failed = sum(bool(r.faults) for r in results)
    return (f"{len(results)} runs, {failed} failed; {total.total()} requests: {total.right} right, "
            f"{total.wrong} wrong, {total.lost} lost, {total.errors.total()} errors, "
            f"{total.gone} of clients that had left")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coprocd", required=True, help="the daemon")
    parser.add_argument("--fake", required=True, help="fake_coproc")
    parser.add_argument("--load", default="", help="the load generator, for the soak")
    parser.add_argument("--seconds", type=float, help="only as much as fits, all faults at least")
    parser.add_argument("--soak", type=duration, help="random faults for so long, as 10m")
    parser.add_argument("--window", type=int, default=1, help="of the soak (1)")
    parser.add_argument("--only", default="", help="only runs with this in their title")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2, help="daemons at one time (2)")
    parser.add_argument("--report", type=Path, help="(FAULTS.md beside this program, if all is run)")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    programs = Programs(args.coprocd, args.fake, args.load)
    report = args.report or Path(__file__).with_name("FAULTS.md")
    if args.soak:
        return faults_soak.run(programs, args.soak, args.window, args.seed, report)
    specs = [s for s in all_specs(args.seed) if args.only in s.title()]
    if os.environ.get("COPROCD_WRAPPER"):  # the program on disk is the wrapper's then
        specs = [s for s in specs if s.moment != UPGRADING and UPGRADE[:7] not in s.fault]
    end = float("inf")
    if args.seconds:
        specs = selection(specs, args.seed)
        end = time.monotonic() + args.seconds * 0.8
    results = run_matrix(programs, specs, end, args.jobs)
    print(f"# {summary(results)}")
    if args.report or not (args.seconds or args.only):
        write_section(report, "Every fault at every moment",
                      matrix_text(results, summary(results), list(FAULTS), MOMENTS))
    return any(r.faults for r in results)


if __name__ == "__main__":
    sys.exit(main())
