"""What systemd says of its units, and which of them do not do what they should."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from espalier_machine.common import system

SETTLE = 5  # seconds that a failure lasts before it counts: who caused it may mend it at once
WINDOW = 600  # seconds in which a daemon may be started again
RESTARTS = 3  # so often at most
STILL = 100  # seconds since a look saw a unit run: another look has seen that it does not
PROPERTIES = (
    "Id",
    "ActiveState",
    "SubState",
    "Result",
    "ExecMainStatus",
    "NRestarts",
    "Transient",
    "UnitFileState",
    "StateChangeTimestamp",
)
# Not told: what a person started and sees end, and the sessions of people.
NEVER = ("user@*.service", "user-runtime-dir@*.service")
# Where one of these has run, is enabled and stands still, somebody has stopped it and forgotten it.
EXPECTED = (
    "*.timer",
    "haproxy.service",
    "nginx.service",
    "pgbouncer.service",
    "postgresql@*.service",
    "redis-server*.service",
    "espalier-*.service",
)
WORDS = {
    "exit-code": "it ended with status {status}",
    "signal": "it was killed by signal {status}",
    "core-dump": "it crashed with signal {status}",
    "oom-kill": "the kernel ended it, as memory was short",
    "timeout": "it did not start or end in time",
    "watchdog": "it did not answer in time",
    "start-limit-hit": "it failed too often, and is not started again",
    "resources": "systemd could not start it (a directory, a file or memory is missing)",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a unit, in a few words, and since when (Unix seconds)."""

    what: str
    since: float


def read_units(known: Iterable[str]) -> list[dict[str, str]]:
    """What systemd says of all services and timers that it has in memory.

    Args:
        known: names of more: it forgets what stands still.
    """
    shown = system.run(
        *("systemctl", "show", "--timestamp=unix", "--property", ",".join(PROPERTIES)),
        *("*.service", "*.timer", *known),
    )
    return parse(shown.stdout)


def parse(text: str) -> list[dict[str, str]]:
    """Read the output of `systemctl show`; each unit once."""
    blocks = (block.splitlines() for block in text.strip().split("\n\n"))
    found = [dict(line.split("=", 1) for line in lines if "=" in line) for lines in blocks]
    return list({unit["Id"]: unit for unit in found if "Id" in unit}.values())


def running(
    units: Iterable[Mapping[str, str]], before: Mapping[str, float], site: str, now: float
) -> dict[str, float]:
    """When each unit that is expected to run was last seen to; those that are enabled only."""
    found = {}
    for unit in units:
        name = unit["Id"]
        if not matches(name, (*EXPECTED, f"{site}-*.service")):
            continue
        if unit.get("ActiveState") not in ("inactive", "failed"):
            found[name] = now
        elif name in before and unit.get("UnitFileState", "").startswith("enabled"):
            found[name] = before[name]
    return found


def restarts(
    units: Iterable[Mapping[str, str]], before: Mapping[str, Sequence[Sequence[float]]], now: float
) -> dict[str, list[list[float]]]:
    """How often systemd has started daemons again, as [when it was seen, the count] of each.

    Kept is what is needed to compare with: each change of WINDOW seconds, and the one before them.
    """
    found = {}
    for unit in units:
        count = int(unit.get("NRestarts") or 0)
        # It begins at 0 again where a person has started the unit.
        seen = [list(one) for one in before.get(unit["Id"], ()) if one[1] <= count]
        if not seen or seen[-1][1] != count:
            seen.append([now, count])
        older = [one for one in seen if one[0] < now - WINDOW][-1:]
        if count:
            found[unit["Id"]] = [*older, *(one for one in seen if one[0] >= now - WINDOW)]
    return found


def problems(
    units: Iterable[Mapping[str, str]],
    counts: Mapping[str, Sequence[Sequence[float]]],
    seen_running: Mapping[str, float],
    ignore: Sequence[str],
    now: float,
) -> dict[str, Problem]:
    """The units that do not do what they should.

    Args:
        units: what systemd says of each.
        counts: how often daemons were started again, as `restarts` gives it.
        seen_running: when those that should run were seen to, as `running` gives it.
        ignore: patterns of units that do not count.
        now: Unix seconds.
    """
    found = {}
    for unit in units:
        name = unit["Id"]
        if unit.get("Transient") == "yes" or matches(name, (*NEVER, *ignore)):
            continue
        since = timestamp(unit)
        rows = counts.get(name, ())
        again = rows[-1][1] - rows[0][1] if len(rows) > 1 else 0
        if unit.get("ActiveState") == "failed":
            if now - since >= SETTLE:
                found[name] = Problem(reason(unit), since)
        elif again >= RESTARTS:
            found[name] = Problem(
                f"it ends again and again: systemd started it {again:g} times in the last "
                f"{WINDOW // 60} minutes",
                rows[0][0],
            )
        elif unit.get("ActiveState") == "inactive" and now - seen_running.get(name, now) >= STILL:
            found[name] = Problem("it is enabled, and does not run", seen_running[name])
    return found


def is_undecided(unit: Mapping[str, str]) -> bool:
    """Whether it cannot be told yet that a unit is well.

    It starts; or it failed a moment ago; or it has not run since the machine was started.
    """
    active = unit.get("ActiveState")
    return active in ("activating", "failed") or (active == "inactive" and not timestamp(unit))


def reason(unit: Mapping[str, str]) -> str:
    """Why a unit failed."""
    result = unit.get("Result", "")
    words = WORDS.get(result, f"systemd says {result or 'failed'}")
    return words.format(status=unit.get("ExecMainStatus", ""))


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a unit's name matches one of some patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def timestamp(unit: Mapping[str, str]) -> float:
    """When a unit came into its state, in Unix seconds; 0 where systemd does not say."""
    text = unit.get("StateChangeTimestamp", "").removeprefix("@")
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0
