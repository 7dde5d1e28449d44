# SPDX-License-Identifier: MIT
"""The tables of RESULTS.md."""
import re
from pathlib import Path
from typing import Optional

from cases import Case
from extras import TITLES, UNITS, Extras
from rounds import Results, Spread, key

HEAD = """# Results

Written by `tests/bench/run` and `tests/bench/instructions`; do not edit.
"""
COLUMNS = ("| | relay | CPU µs/request | × floor | system calls/request | p50 µs | × floor | "
           "p99 µs | p99.9 µs | requests/s | × floor |",
           "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    for bound, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if value >= bound:
            return f"{value:.{digits}f}"
    return f"{value:.4f}"


def ranged(value: Optional[Spread]) -> str:
    if value is None:
        return "-"
    if number(value.low) == number(value.high):
        return number(value.median)
    return f"{number(value.median)} ({number(value.low)} to {number(value.high)})"


def middle(value: Optional[Spread], digits: int = 2) -> str:
    if value is None:
        return "-"
    return number(value.median) if digits == 0 else f"{value.median:.{digits}f}"


def case_rows(results: Results, case: Case, subjects: list[str], base: str) -> list[str]:
    rows = []
    for subject in subjects:
        def get(metric: str, name: str = subject) -> Optional[Spread]:
            return results.get(case, name, metric)

        def ratio(metric: str, name: str = subject) -> str:
            return "" if name == base else middle(results.ratio(case, name, metric, base))

        cells = [case.name, subject, ranged(get("relay_us")), ratio("relay_us"),
                 middle(get("syscalls"), 3), ranged(get("p50_us")), ratio("p50_us"),
                 middle(get("p99_us"), 0), middle(get("p999_us"), 0), ranged(get("per_second")),
                 ratio("per_second")]
        rows.append("| " + " | ".join(cells) + " |")
    return rows


def measured(results: Results, case: Case) -> list[str]:
    """The relays that were measured, in the order of the case, rivals last."""
    found = {subject for name, subject, _ in results.values if name == key(case)}
    return [s for s in case.subjects if s in found] + sorted(found - set(case.subjects))


def group_table(results: Results, cases: list[Case], base: str = "floor") -> str:
    lines = [line.replace("floor", base) for line in COLUMNS]
    for case in cases:
        lines += case_rows(results, case, measured(results, case), base)
    return "\n".join(lines)


def extras_table(extras: Extras) -> str:
    subjects = list(dict.fromkeys(subject for subject, _ in extras.values))
    lines = ["| | " + " | ".join(subjects) + " |", "|---|" + "---:|" * len(subjects)]
    for metric, title in TITLES.items():
        cells = []
        for subject in subjects:
            value = extras.get(subject, metric)
            cells.append(f"{ranged(value)} {UNITS[metric]}" if value else "-")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def write_sections(path: Path, sections: dict[str, str]) -> None:
    """Put the sections in place of those of their titles, the rest stays as it is."""
    old = path.read_text() if path.exists() else ""
    found = dict(re.findall(r"^## (.*)\n\n((?:(?!## ).*\n)*)", old, re.MULTILINE))
    found.update(sections)
    body = "".join(f"\n## {title}\n\n{text.strip()}\n" for title, text in found.items())
    path.write_text(HEAD + body)
