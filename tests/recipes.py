#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each configuration of contrib/recipes, with the real program through the real daemon.

Several clients at once ask what the program is for; odd requests, kill -9 of the
process and requests that harm others by nature must cost nobody a wrong reply. The
latter are tried again with `reply = line`, where they may cost errors, but no more.
With --write the sums are written to RECIPES.md beside this program.

environment: RECIPES_SKIP_MISSING=1  a program that is not installed is skipped
                                     (never if CI is set)
"""
import argparse
import multiprocessing
import os
import sys
import time
from pathlib import Path

import recipes_one
import recipes_two
from recipes_base import Recipe
from recipes_rig import Tally
from recipes_run import Check, Result, run_recipe

RECIPES: list[Recipe] = [*recipes_one.RECIPES, *recipes_two.RECIPES]
LONG: list[Recipe] = recipes_two.LONG  # with --write, and with --only
HEAD = """# Recipes

Written by `tests/recipes.py --write`; do not edit. Each configuration of `contrib/recipes` was
run with the real program: 8 clients with pipelined requests; ten innocent clients beside one
that sends odd requests (among them an empty line, 100 KB in one line, invalid UTF-8); `kill -9`
of the process in the midst of work; and, for each request that harms others where replies are
matched by position alone, ten innocent clients beside one that sends it many times.

*Right*, *wrong* and *errors* count the requests of all but the hostile client; a request lost
without an ending would count as wrong. Errors come from `kill -9`, and from hostile requests
that must cost the process, as an endless loop. *Hostile* are the requests of the hostile
client, those with `reply = line` included. *Start* is from the start of the daemon to the first
reply; *memory* what the process and its children have resident then.

| program | version | config | requests | right | wrong | errors | hostile | start | memory |
|---|---|---|---:|---:|---:|---:|---:|---:|---:|
"""
PLAIN_HEAD = """
## With reply = line

The same programs with a configuration that only starts them (`reply = line`, `window` 1, no
`forbid`), beside a client that sends the same poison. Errors are many here, as each reply of two
lines and each request without one costs the process. Nothing is right where all replies have
more than one line (gnugo), or a prompt or NUL behind it (perl, gdb, lt-proc). Of python it is
`python3 -i`, of link-parser its own commands; awks get NUL (`request-bytes = any`).

| program | requests | right | wrong | errors |
|---|---:|---:|---:|---:|
"""


def counts(tally: Tally) -> list[str]:
    return [str(n) for n in (tally.total(), tally.right, tally.wrong + tally.lost,
                             tally.errors.total())]


def row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def tables(results: list[Result]) -> str:
    text = HEAD
    for result in results:
        text += row([result.title, result.version.replace("|", "/"), result.config,
                     *counts(result.tally), str(result.poisons), f"{result.start_seconds:.2f} s",
                     f"{result.resident_kib / 1024:.0f} MB"])
    text += PLAIN_HEAD
    for result in results:
        if result.plain.total():
            text += row([result.title, *counts(result.plain)])
    return text


def run_one(task: tuple[str, str]) -> Result:
    coprocd, name = task
    recipe = next(r for r in RECIPES + LONG if r.title() == name)
    missing = recipe.missing()
    if not missing:
        return run_recipe(coprocd, recipe)
    result = Result(name, recipe.path().name)
    if not os.environ.get("RECIPES_SKIP_MISSING") or os.environ.get("CI"):
        result.checks.append(Check("the program", [
            f"not installed: {', '.join(missing)} (Debian package {recipe.package}); "
            "set RECIPES_SKIP_MISSING=1 to skip it"]))
    return result


def report(result: Result, count: int) -> int:
    """Print its checks; returns how many there are by now."""
    name = result.title
    if not result.checks:
        print(f"ok {count + 1} - {name} # SKIP not installed", flush=True)
        return count + 1
    for check in result.checks:
        count += 1
        print(f"{'not ok' if check.faults else 'ok'} {count} - {name}: {check.title}", flush=True)
        for fault in check.faults:
            print(f"# {fault}")
    plain = f"; reply = line: {result.plain.text()}" if result.plain.total() else ""
    print(f"# {name}: {result.tally.text()}{plain}; hostile {result.poisons}, "
          f"start {result.start_seconds:.2f} s, {result.resident_kib} KiB", flush=True)
    return count


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--coprocd", required=True, help="the daemon")
    parser.add_argument("--only", default="", help="names of recipes, with semicolons between")
    parser.add_argument("--jobs", type=int, default=6, help="recipes at one time (6)")
    parser.add_argument("--write", action="store_true", help="write RECIPES.md")
    return parser.parse_args()


def main() -> int:
    args = arguments()
    known = [r.title() for r in RECIPES + LONG]
    usual = known if args.write else [r.title() for r in RECIPES]
    wanted = args.only.split(";") if args.only else usual
    unknown = set(wanted) - set(known)
    if unknown:
        print(f"recipes.py: --only: there is no recipe {', '.join(sorted(unknown))}; there are "
              f"{', '.join(known)}", file=sys.stderr)
        return 64
    count, began = 0, time.monotonic()
    results = []
    with multiprocessing.Pool(args.jobs, maxtasksperchild=1) as pool:
        for result in pool.imap(run_one, [(args.coprocd, name) for name in wanted], chunksize=1):
            results.append(result)
            count = report(result, count)
    print(f"1..{count}")
    print(f"# {time.monotonic() - began:.0f} s")
    if args.write:
        Path(__file__).with_name("RECIPES.md").write_text(tables(results))
    return any(check.faults for result in results for check in result.checks)


if __name__ == "__main__":
    sys.exit(main())
