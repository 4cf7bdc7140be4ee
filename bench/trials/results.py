"""Files of results: what was measured and advised in each trial."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Result:
    """One trial of one project at one severity.

    Attributes:
        void: why it counts for nothing: the limit had no effect, or the load failed. A void one
            is run again.
        advice: the JSON of `espalier advise`.
        proof: that of `espalier prove`, where the whole loop was run.
        seconds: of load and advice, without the limit's own.
    """

    project: str
    trial: str
    severity: int
    title: str
    made: str
    void: str = ""
    advice: dict[str, Any] = field(default_factory=dict)
    proof: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def name(self) -> str:
        """Of its files."""
        return name(self.project, self.trial, self.severity)


def name(project: str, trial: str, severity: int) -> str:
    """The name of a trial's files, without their endings."""
    return f"{project}-{trial}-{severity}"


def write(result: Result, folder: Path = FOLDER) -> Path:
    """Write a result; gives its file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{result.name}.json"
    file.write_text(json.dumps(asdict(result), indent=1) + "\n")
    return file


def read(file: Path) -> Result:
    """Read a result."""
    return Result(**json.loads(file.read_text()))


def all_results(folder: Path = FOLDER) -> Iterator[Result]:
    """All results, by name."""
    for file in sorted(folder.glob("*.json")):
        yield read(file)


def is_done(project: str, trial: str, severity: int, folder: Path = FOLDER) -> bool:
    """Whether there is a result that counts."""
    file = folder / f"{name(project, trial, severity)}.json"
    return file.exists() and not read(file).void
