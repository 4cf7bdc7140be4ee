"""The scores of `systemd-analyze security`, against the limits, and files with secrets."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from espalier.audit.expectations import limit_of
from espalier.audit.rows import Row, not_checked

CHECK = "sandboxes"
SECRETS = "secrets"


def rows(
    machine: str, scores: Mapping[str, float | None], limits: Mapping[str, float]
) -> list[Row]:
    """One row for each unit; 0 is a sandbox that allows nothing, 10 is none."""
    if not scores:
        return [not_checked(CHECK, machine, "systemd names no unit of the site", "scores")]
    found = []
    for unit, score in scores.items():
        limit = limit_of(unit, dict(limits))
        expected = f"at most {limit}"
        if score is None:
            found.append(not_checked(CHECK, machine, f"{unit}: systemd gives no score", expected))
            continue
        faults = (unit,) if score > limit else ()
        found.append(Row(CHECK, machine, unit, str(score), expected, faults))
    return found


def secret_rows(machine: str, readable: Collection[str]) -> list[Row]:
    """One row: each file that has a secret and that everybody can read is a fault."""
    found = ", ".join(readable) or "none"
    return [Row(SECRETS, machine, "", found, "no file that all can read", tuple(readable))]
