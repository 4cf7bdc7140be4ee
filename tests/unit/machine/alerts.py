"""Units as systemd has them, for the tests of alerts."""

from __future__ import annotations

from typing import Any

from espalier_machine.alerts import units

NOW = 1_000_000.0


def unit(name: str = "nginx.service", **values: str) -> dict[str, str]:
    known = {"ActiveState": "active", "Result": "success", "NRestarts": "0"}
    known |= {"UnitFileState": "enabled", "Transient": "no"}
    return {"Id": name, **known, "StateChangeTimestamp": f"@{NOW - 100:.0f}", **values}


def failing(
    *seen: dict[str, str], counts: Any = None, ran: Any = None, ignore: tuple[str, ...] = ()
) -> Any:
    return units.problems(seen, counts or {}, ran or {}, ignore, NOW)


FAILED = {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "3"}
