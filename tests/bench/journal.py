# SPDX-License-Identifier: MIT
"""What has been measured, on disk, so that a run that was broken off goes on where it was."""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from extras import Extras
from rounds import Results


def listed(values: dict[Any, list[float]]) -> list[list[Any]]:
    """For JSON, which has no tuples as keys."""
    return [[*names, numbers] for names, numbers in values.items()]


@dataclass(frozen=True)
class Journal:
    path: Optional[Path]  # None: nothing is kept
    about: dict[str, Any]  # what must be the same for a run to go on

    def load(self) -> tuple[Results, Extras]:
        if not self.path or not self.path.exists():
            return Results(), Extras()
        known = json.loads(self.path.read_text())
        if known["about"] != self.about:
            return Results(), Extras()
        results, extras = Results(**known["results"]), Extras(**known["extras"])
        results.values = {(case, subject, metric): values
                          for case, subject, metric, values in known["results"]["values"]}
        extras.values = {(subject, metric): values
                         for subject, metric, values in known["extras"]["values"]}
        return results, extras

    def save(self, results: Results, extras: Extras) -> None:
        if not self.path:
            return
        known = {"about": self.about,
                 "results": vars(results) | {"values": listed(results.values)},
                 "extras": vars(extras) | {"values": listed(extras.values)}}
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(known))
        new.rename(self.path)
