"""What the machine program `espalier-insight record` prints, read line by line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from espalier.insight.readings import Sample
from espalier.insight.recording import Machine, Request

# A clock that is off by less does not matter: the windows that are compared take many seconds.
CLOCK = 0.5


@dataclass
class Stream:
    """The lines of one machine, put together.

    Attributes:
        name: of the machine.
        machine: its fixed part, {} until it has come.
        samples: as they were printed.
        offset: seconds by which this computer's clock is ahead of the machine's, as far as it is
            known: the least time between a sample's end and its arrival.
        ended: the program said that this is all.
    """

    name: str
    machine: dict[str, Any] = field(default_factory=dict)
    samples: list[dict[str, Any]] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    every: int = 1
    statements: list[dict[str, Any]] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    offset: float | None = None
    ended: bool = False

    def take(self, line: str, now: float) -> None:
        """Take a line that came at `now` (this computer's clock); what is no object is left out."""
        try:
            found = json.loads(line)
        except ValueError:
            return
        if not isinstance(found, dict):
            return
        match found:
            case {"machine": dict(fixed)}:
                self.machine = fixed
            case {"sample": {"t": int() | float() as t, **_rest} as sample}:
                self.samples.append(sample)
                late = now - t
                self.offset = late if self.offset is None else min(self.offset, late)
            case {"requests": {"rows": list(rows), "every": int(every)}}:
                self.rows += rows
                self.every = every
            case {"statements": list(statements)}:
                self.statements += statements
            case {"cost": dict(cost)}:
                self.cost = cost
            case {"errors": list(errors)}:
                self.errors += map(str, errors)
            case {"end": _}:
                self.ended = True

    def moved(self) -> float:
        """Seconds to add to the machine's times: 0 where its clock is right."""
        offset = self.offset or 0.0
        return offset if abs(offset) > CLOCK else 0.0

    def result(self) -> Machine:
        """The machine's part of a recording, in this computer's time.

        Raises:
            ValueError: what the machine printed is of another form.
        """
        errors = list(self.errors)
        if not self.ended:
            errors.append(f"{self.name} was lost before the end, and with it its requests.")
        moved = self.moved()
        if moved:
            behind = "behind" if moved > 0 else "ahead"
            errors.append(
                f"The clock of {self.name} is {abs(moved):.1f} s {behind}: its times were moved."
            )
        try:
            samples = [Sample.model_validate(one) for one in self.samples]
            machine = Machine.model_validate(
                {**self.machine, "statements": self.statements, "cost": self.cost}
            )
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise ValueError(f"{where}: {first['msg']}") from None
        return machine.model_copy(
            update={
                "samples": [one.model_copy(update={"t": one.t + moved}) for one in samples],
                "requests": list(requests(self.rows, moved)),
                "every": self.every,
                "errors": errors,
            }
        )


def requests(rows: Iterable[list[Any]], moved: float = 0.0) -> Iterable[Request]:
    """The requests of rows, in this computer's time; of another length: of another version.

    Raises:
        ValueError: a row has other columns.
    """
    for row in rows:
        if len(row) != len(Request._fields):
            raise ValueError(f"a request has {len(row)} columns and not {len(Request._fields)}")
        yield Request(*row)._replace(t=row[0] + moved)
