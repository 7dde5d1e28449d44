# SPDX-License-Identifier: MIT
"""How the fault tests write down what they found."""
import argparse
import re
from collections import Counter
from pathlib import Path
from typing import Any, Sequence

HEAD = """# Faults

Written by `tests/faults.py`; do not edit. Each request of each client is unique, and ends
exactly once, in order, with its own reply or one error. *Wrong* is any reply of another
request, one that nobody asked for, or a second ending; *lost* is a request without an ending.
"""
NOTES = """
A row adds up the runs at the windows named and with `retries` 0 and 2. The first request of a
moment is the one that causes the fault, where a request does; it counts with the others. A
moment is made by stopping the process with SIGSTOP, or the daemon in the midst of an upgrade,
and verified by the daemon's statistics and log. *Gone* are requests whose client had left.
*Gap* is the longest time without an ending, while one was due, after the fault struck; it
holds the limits of the test (hang-timeout 700 ms, settle 100 ms, a start of 300 ms).

Surplus output is tried at window 1 alone: at a larger window without proof in the framing, a
process that does not answer one for one misleads by design. The late surplus comes from a
suspicious request (it holds a control byte), for which the daemon waits `settle`. A surplus
while idle has two moments only, as any other is no idle one. SIGUSR2 twice strikes while the
first upgrade waits for a drain.

A replacement that dies at once is rolled back, without one error, where the process must prove
that it is ready (here by `ready = banner`). With `ready = start` it has taken over before it
dies; requests then end in `crashed` or wait, until the old options are back.
"""


def duration(text: str) -> float:
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"\"{text}\" is no duration such as 90s or 10m")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def codes(errors: Counter[str]) -> str:
    return ", ".join(f"{code} {n}" for code, n in sorted(errors.items()) if n) or "-"


def row(fault: str, moment: str, results: Sequence[Any]) -> str:
    errors: Counter[str] = Counter()
    for result in results:
        errors.update(result.tally.errors)
    windows = " ".join(str(w) for w in sorted({r.spec.window for r in results}))
    sums = [sum(getattr(r.tally, key) for r in results) for key in ("right", "wrong", "lost", "gone")]
    gap = max(r.gap for r in results) * 1000
    cells = [fault, moment, windows, *map(str, sums), codes(errors),
             str(sum(r.starts for r in results)), f"{gap:.0f} ms",
             "passed" if not any(r.faults for r in results) else "FAILED"]
    return "| " + " | ".join(cells) + " |"


def matrix_text(results: Sequence[Any], summary: str, faults: Sequence[str],
                moments: Sequence[str]) -> str:
    lines = [summary + ".", NOTES,
             "| fault | moment | windows | right | wrong | lost | gone | errors | starts | gap | |",
             "|---|---|---|---:|---:|---:|---:|---|---:|---:|---|"]
    for fault in faults:
        for moment in moments:
            own = [r for r in results if (r.spec.fault, r.spec.moment) == (fault, moment)]
            if own:
                lines.append(row(fault, moment, own))
    return "\n".join(lines) + "\n"


def write_section(path: Path, title: str, text: str) -> None:
    """Put the section in place of the one of that title, or behind the others."""
    old = path.read_text() if path.exists() else ""
    sections = dict(re.findall(r"^## (.*)\n\n((?:(?!## ).*\n)*)", old, re.MULTILINE))
    sections[title] = text
    body = "".join(f"\n## {name}\n\n{part.strip()}\n" for name, part in sections.items())
    path.write_text(HEAD + body)
