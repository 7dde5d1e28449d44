# SPDX-License-Identifier: MIT
"""One run of the fault tests, and what came of it."""
import shutil
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from faults_cell import AT, QUEUE, QUEUED, STARTING, START_MS, Cell, Spec
from faults_list import FAULTS
from faults_rig import Programs, Tally, state_of

ENDINGS_S = 20.0
DAMAGE_S = 5.0


@dataclass
class Result:
    spec: Spec
    tally: Tally = field(default_factory=Tally)
    starts: int = 0
    gap: float = 0.0
    faults: list[str] = field(default_factory=list)


def warm_up(cell: Cell) -> None:
    for client in cell.clients:  # one by one, as the queue may be short
        client.ask()
        cell.crew.finish(ENDINGS_S)
    assert cell.crew.tally.right == len(cell.clients), "not all is well before the fault"
    cell.crew.tally = Tally()


def recover(cell: Cell) -> None:
    """Soon all requests must be answered again."""
    end = time.monotonic() + ENDINGS_S
    while True:
        before = cell.crew.tally.errors.total()
        for client in cell.crew.clients[:QUEUE]:
            client.ask()
        cell.crew.finish(ENDINGS_S)
        if cell.crew.tally.errors.total() == before:
            return
        assert time.monotonic() < end, "there are errors for ever"
        time.sleep(0.02)


def check_codes(cell: Cell) -> None:
    allowed = set(cell.fault.codes)
    if cell.spec.moment == QUEUED:
        allowed.add("overloaded")
    others = {code: n for code, n in cell.crew.tally.errors.items() if code not in allowed and n}
    assert not others, f"unexpected errors: {others}"


def check_tries(cell: Cell) -> None:
    """A request reaches a process once, and once more for each retry."""
    most = Counter(cell.daemon.asked()).most_common(1)
    assert not most or most[0][1] <= 1 + cell.spec.retries, f"tried too often: {most[0]}"


def check_end(cell: Cell) -> None:
    daemon = cell.daemon
    daemon.wait("no zombie or other child", lambda: not daemon.strangers(), 2)
    code = daemon.stop()
    assert code == 0, f"exit code {code}"
    left = [pid for pid in daemon.pids() if state_of(pid)]
    assert not left, f"processes {left} are left"


def await_damage(cell: Cell) -> None:
    """On a busy machine what is to be repaired may take longer to come."""
    end = time.monotonic() + DAMAGE_S
    while not cell.daemon.log_has(cell.fault.log, cell.struck_at) and time.monotonic() < end:
        cell.crew.pump(0.05)


def go(cell: Cell) -> None:
    fault, daemon = cell.fault, cell.daemon
    if cell.spec.moment != STARTING:
        warm_up(cell)
    AT[cell.spec.moment](cell)
    cell.thaw()
    cell.ask_all(2)
    if fault.repair:
        cell.crew.pump(0.2 + (START_MS / 1000 if cell.spec.moment == STARTING else 0))
        if cell.spec.moment not in fault.unseen:
            await_damage(cell)
        fault.repair(cell)
    cell.crew.finish(ENDINGS_S)
    if cell.spec.moment not in fault.unseen:
        daemon.wait(f"\"{fault.log}\" in the log",
                    lambda: daemon.log_has(fault.log, cell.struck_at))
    recover(cell)
    check_codes(cell)
    check_tries(cell)


def run_cell(programs: Programs, spec: Spec) -> Result:
    directory = Path(tempfile.mkdtemp(prefix="coprocd-faults-"))
    result = Result(spec)
    cell = None
    try:
        cell = Cell(programs, spec, FAULTS[spec.fault], directory)
        result.tally = cell.crew.tally
        go(cell)
        check_end(cell)
    except (AssertionError, OSError) as fault:
        result.faults += [f"{type(fault).__name__}: {fault}",
                          traceback.format_exc(limit=-1).splitlines()[1].strip()]
    finally:
        if cell:
            result.tally, result.gap = cell.crew.tally, cell.crew.gap
            result.starts = len(cell.daemon.pids())
            cell.close()
        if result.tally.wrong or result.tally.lost:
            result.faults += result.tally.examples
        if result.faults and cell:
            result.faults += cell.daemon.log_text.splitlines()[-25:]
        shutil.rmtree(directory, ignore_errors=True)
    return result
