# SPDX-License-Identifier: MIT
"""results.svg: throughput and latency over the number of clients, on logarithmic axes."""
import math
from dataclasses import dataclass
from html import escape
from typing import Callable, Optional, Sequence

from cases import Case
from report import measured
from rounds import Results, Spread

WIDTH, HEIGHT = 560, 400
LEFT, RIGHT, TOP, BOTTOM = 74, 30, 74, 52
GAP = 24
COLOURS = {"floor": "#6b7280", "coprocd": "#0b62c4", "lock-step": "#c2410c"}
MORE = ("#047857", "#7c3aed", "#b45309", "#be185d", "#0e7490")
STYLE = """
  text { font: 13px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2937; }
  .title { font-size: 16px; font-weight: 600; }
  .small { font-size: 12px; fill: #4b5563; }
  .grid { stroke: #e5e7eb; stroke-width: 1; }
  .axis { stroke: #9ca3af; stroke-width: 1; }
  .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round; }
  .tail { fill: none; stroke-width: 1.4; stroke-dasharray: 2 4; stroke-linecap: round; }
  .band { stroke: none; opacity: 0.13; }
"""


def tick(value: float) -> str:
    for bound, unit in ((1e6, "M"), (1e3, "k")):
        if value >= bound:
            return f"{value / bound:g}{unit}"
    return f"{value:g}"


def time_tick(us: float) -> str:
    for bound, unit in ((1e6, "s"), (1e3, "ms")):
        if us >= bound:
            return f"{us / bound:g} {unit}"
    return f"{us:g} µs"


def ticks_about(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 times them where they are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first > 3:
        return [10.0 ** power for power in range(first, last + 1)]
    every = [part * 10.0 ** power for power in range(first, last + 1) for part in (1, 2, 5)]
    below = max(value for value in every if value <= low)
    above = min(value for value in every if value >= high)
    return [value for value in every if below <= value <= above]


@dataclass(frozen=True)
class Line:
    """One relay: a value for each number of clients."""
    name: str
    colour: str
    points: tuple[tuple[int, Spread], ...]
    tail: bool = False


class Panel:
    """One pair of axes."""

    def __init__(self, x: float, title: str, lines: Sequence[Line],
                 label: Callable[[float], str]) -> None:
        self.x = x
        self.title = title
        self.lines = lines
        self.label = label
        values = [v for line in lines for _, s in line.points for v in (s.low, s.high)]
        self.ticks = ticks_about(min(values), max(values))
        self.low, self.high = math.log10(self.ticks[0]), math.log10(self.ticks[-1])
        self.most = math.log10(max(n for line in lines for n, _ in line.points))

    def at_x(self, clients: float) -> float:
        inner = WIDTH - LEFT - RIGHT
        return self.x + LEFT + inner * math.log10(clients) / (self.most or 1)

    def at_y(self, value: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        return TOP + inner * (1 - (math.log10(value) - self.low) / (self.high - self.low))

    def axes(self) -> list[str]:
        right, foot = self.x + WIDTH - RIGHT, HEIGHT - BOTTOM
        out = [f'<text class="title" x="{self.x + LEFT}" y="26">{escape(self.title)}</text>']
        for value in self.ticks:
            y = self.at_y(value)
            out.append(f'<line class="grid" x1="{self.x + LEFT}" x2="{right}" '
                       f'y1="{y:.1f}" y2="{y:.1f}"/>')
            out.append(f'<text class="small" x="{self.x + LEFT - 8}" y="{y + 4:.1f}" '
                       f'text-anchor="end">{self.label(value)}</text>')
        for power in range(math.floor(self.most) + 1):
            x = self.at_x(10 ** power)
            out.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{foot}"/>')
            out.append(f'<text class="small" x="{x:.1f}" y="{foot + 18}" '
                       f'text-anchor="middle">{10 ** power:,}</text>')
        out.append(f'<line class="axis" x1="{self.x + LEFT}" x2="{right}" '
                   f'y1="{foot}" y2="{foot}"/>')
        middle = (self.x + LEFT + right) / 2
        out.append(f'<text class="small" x="{middle}" y="{foot + 40}" text-anchor="middle">'
                   'clients, each with one request at a time</text>')
        return out

    def draw(self, line: Line) -> list[str]:
        def path(value: Callable[[Spread], float]) -> list[str]:
            return [f"{self.at_x(n):.1f},{self.at_y(value(s)):.1f}" for n, s in line.points]

        points = " ".join(path(lambda s: s.median))
        if line.tail:
            return [f'<polyline class="tail" stroke="{line.colour}" points="{points}"/>']
        band = path(lambda s: s.high) + path(lambda s: s.low)[::-1]
        out = [f'<polygon class="band" fill="{line.colour}" points="{" ".join(band)}"/>',
               f'<polyline class="line" stroke="{line.colour}" points="{points}"/>']
        for point in points.split():
            x, y = point.split(",")
            out.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{line.colour}"/>')
        return out

    def legend(self) -> list[str]:
        out, x = [], self.x + LEFT
        for line in (line for line in self.lines if not line.tail):
            out.append(f'<line x1="{x}" x2="{x + 20}" y1="48" y2="48" stroke="{line.colour}" '
                       'stroke-width="3" stroke-linecap="round"/>')
            out.append(f'<text x="{x + 26}" y="52">{escape(line.name)}</text>')
            x += 44 + 7.4 * len(line.name)
        return out

    def svg(self) -> list[str]:
        return self.axes() + [part for line in self.lines for part in self.draw(line)] + \
            self.legend()


def lines_of(results: Results, cases: Sequence[Case], metric: str, tail: bool = False
             ) -> list[Line]:
    names = list(dict.fromkeys(name for case in cases for name in measured(results, case)))
    rest = [name for name in names if name not in COLOURS]
    colours = COLOURS | {name: MORE[i % len(MORE)] for i, name in enumerate(rest)}
    lines = []
    for name in names:
        points: list[tuple[int, Spread]] = []
        for case in cases:
            value: Optional[Spread] = results.get(case, name, metric)
            if value:
                points.append((case.clients, value))
        lines.append(Line(name, colours[name], tuple(points), tail))
    return lines


def svg(results: Results, cases: Sequence[Case]) -> str:
    latency = lines_of(results, cases, "p99_us", True) + lines_of(results, cases, "p50_us")
    panels = (Panel(0, "Requests per second", lines_of(results, cases, "per_second"), tick),
              Panel(WIDTH + GAP, "Latency: median, and 99 % (dotted)", latency, time_tick))
    width = 2 * WIDTH + GAP
    body = "\n".join(part for panel in panels for part in panel.svg())
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
            f'width="{width}" height="{HEIGHT}">\n<style>{STYLE}</style>\n'
            f'<rect width="{width}" height="{HEIGHT}" rx="8" fill="#ffffff"/>\n{body}\n</svg>\n')
