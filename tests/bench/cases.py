# SPDX-License-Identifier: MIT
"""What is measured: each case is one load, put on several relays in turn."""
from dataclasses import dataclass, field

KIB, MIB = 1 << 10, 1 << 20

# The name of a relay in the tables -> options of coprocd, or none for another program.
SUBJECTS: dict[str, tuple[str, ...]] = {
    "coprocd": ("--window", "4096"),
    "window 64": ("--window", "64"),
    "window auto": ("--window", "auto"),
    "lock-step": ("--window", "1"),
    "status": ("--window", "4096"),
}
MAIN = ("floor", "coprocd", "lock-step")
WINDOWS = ("floor", "coprocd", "window 64", "window auto", "lock-step")
ALL = WINDOWS + ("status",)

# Lines larger than max-request and max-reply allow by default.
LARGE = ("--max-request", "64M", "--max-reply", "64M", "--queue-bytes", "256M",
         "--client-buffer", "64M")
# One client alone keeps the program busy.
DEEP = ("--client-requests", "100000", "--queue", "100000", "--client-buffer", "64M")
BATCH_DEPTH = 65536


@dataclass(frozen=True)
class Case:
    name: str
    group: str
    clients: int = 1
    depth: int = 1
    size: int = 32
    child: str = "batch"
    subjects: tuple[str, ...] = MAIN
    idle: int = 0
    once: bool = False
    options: tuple[str, ...] = field(default=())  # of coprocd

    def load_args(self, seconds: float) -> tuple[str, ...]:
        args = ("--clients", self.clients, "--depth", self.depth, "--bytes", self.size,
                "--idle", self.idle, "--seconds", seconds, "--warm", seconds / 5)
        return tuple(map(str, args)) + (("--once",) if self.once else ())


def shape(clients: int, depth: int) -> str:
    return f"{clients}×{depth}"


def size_name(size: int) -> str:
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


def main_cases() -> list[Case]:
    cases = []
    for clients, depth in ((1, 1), (1, 64), (64, 1), (1000, 1), (64, 64)):
        cases.append(Case(shape(clients, depth), "clients", clients, depth, subjects=ALL))
    return cases


def payload_cases() -> list[Case]:
    cases = []
    for clients, depth, size in ((1, 1, KIB), (64, 64, KIB), (1, 1, MIB), (1, 1, 4 * MIB),
                                 (1, 1, 16 * MIB)):
        # In lock-step the reply to a line so long is held back for `settle`.
        subjects = ALL if depth == 1 else ("floor", "coprocd", "window 64", "status")
        cases.append(Case(f"{shape(clients, depth)} {size_name(size)}", "payloads", clients, depth,
                          size, subjects=subjects,
                          options=LARGE if size >= MIB else ()))
    return cases


def child_cases() -> list[Case]:
    cases = [Case(f"{shape(clients, depth)} flush per line", "children", clients, depth,
                  child="flush", subjects=ALL)
             for clients, depth in ((1, 1), (64, 1), (64, 64))]
    return cases + [Case("64×1 1 ms", "children", 64, 1, child="sleep", subjects=ALL)]


def once_cases() -> list[Case]:
    return [Case(f"{clients} at one time", "a connection for each request", clients, once=True)
            for clients in (1, 64)]


def batch_cases() -> list[Case]:
    return [Case(f"{size_name(size)}, {child}", "one client's batch", 1, BATCH_DEPTH * 32 // size,
                 size, child, ("direct", *(MAIN if size < KIB else MAIN[:2])), options=DEEP)
            for size, child in ((32, "batch"), (KIB, "batch"), (32, "flush"))]


def growth_cases() -> list[Case]:
    return [Case(f"{connected} connected, {min(64, connected)} active", "growth",
                 min(64, connected), idle=max(connected - 64, 0), subjects=("floor", "coprocd"))
            for connected in (10, 64, 1000, 10000)]


def plot_cases() -> list[Case]:
    return [Case(str(clients), "plot", clients)
            for clients in (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)]


def all_cases() -> list[Case]:
    return (main_cases() + payload_cases() + child_cases() + once_cases() + batch_cases() +
            growth_cases() + plot_cases())


def short_cases() -> list[Case]:
    """What `meson test --benchmark` runs."""
    return [case for case in main_cases() if case.name in ("1×1", "64×1", "64×64")]
