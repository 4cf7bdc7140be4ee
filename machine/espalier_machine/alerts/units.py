"""What systemd says of its units, and which of them do not do what they should."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from espalier_machine.common import system
from espalier_machine.common.forms import UPLOADS_PAUSED

SETTLE = 5  # seconds that a failure lasts before it counts: who caused it may mend it at once
WINDOW = 600  # seconds in which a daemon may be started again
RESTARTS = 3  # so often at most
STILL = 100  # seconds since a look saw a unit run: another look has seen that it does not
SWITCHED_ON = 1800  # seconds that a run of the site may take from writing a timer to starting it
HANGS = 2 * 3600  # seconds that one of the kit's own may take, which are `oneshot`
# These copy or read all that there is. A project's own jobs may take as long as they want.
LONG = (
    *("espalier-backup.service", "espalier-drill.service"),
    *("espalier-uploads-backup.service", "espalier-uploads-forget.service"),
)
HANGS_LONG = 12 * 3600
# A restore stops these, and starts them at its end. One that was killed does not.
PAUSED = ("espalier-uploads-*.timer",)
PAUSED_FOR = 2 * 3600  # seconds that this is believed
PROPERTIES = (
    "Id",
    "ActiveState",
    "SubState",
    "Result",
    "InvocationID",
    "ExecMainStatus",
    "NRestarts",
    "Transient",
    "UnitFileState",
    "StateChangeTimestamp",
)
# Of backups, and of these messages. The kit removes the file of one that has no work on a machine:
# one that is there has to run.
UNITS = Path("/etc/systemd/system")
TIMERS = (
    *("espalier-alerts.timer", "espalier-backup*.timer", "espalier-drill.timer"),
    *("espalier-row-count.timer", "espalier-uploads-*.timer"),
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
SWITCHED_OFF = "somebody has switched it off, and what it starts does not take place by itself"
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
    """What is wrong with a unit.

    Attributes:
        what: in a few words.
        since: Unix seconds.
        findings: what its program said, as it is compared with what was told; () where that is not
            known.
    """

    what: str
    since: float
    findings: tuple[str, ...] = ()


def own_timers(folder: Path = UNITS) -> list[str]:
    """Return the timers that have to run on this machine, whatever systemd says of them."""
    return sorted(path.name for path in folder.glob("*.timer") if matches(path.name, TIMERS))


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


def paused(
    units: Iterable[Mapping[str, str]],
    told: Collection[str],
    now: float,
    mark: Path = Path(UPLOADS_PAUSED),
) -> set[str]:
    """The units that a restore keeps stopped, but for those that were told before it began."""
    try:
        began = mark.stat().st_mtime
    except FileNotFoundError:
        return set()
    if not 0 <= now - began < PAUSED_FOR:
        return set()
    names = {unit["Id"] for unit in units}
    return {name for name in names if matches(name, PAUSED) and name not in told}


def running(
    units: Iterable[Mapping[str, str]],
    before: Mapping[str, float],
    site: str,
    now: float,
    timers: Collection[str] = (),
    paused: Collection[str] = (),
) -> dict[str, float]:
    """When each unit that is expected to run was last seen to.

    Those that are enabled only, and the kit's own `timers`, as `own_timers` gives them. `paused`
    ones count as running.
    """
    found = {}
    for unit in units:
        name = unit["Id"]
        if not matches(name, (*EXPECTED, f"{site}-*.service")):
            continue
        if unit.get("ActiveState") not in ("inactive", "failed") or name in paused:
            found[name] = now
        elif name in before and (is_enabled(unit) or name in timers):
            found[name] = before[name]
        elif name in timers:
            found[name] = now + SWITCHED_ON
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
            what = "it is enabled, and does not run" if is_enabled(unit) else SWITCHED_OFF
            found[name] = Problem(what, seen_running[name])
        elif since and hangs(unit, now - since):
            what = f"it began {(now - since) / 3600:.0f} hours ago, and has not ended"
            found[name] = Problem(what, since)
    return found


def is_enabled(unit: Mapping[str, str]) -> bool:
    """Whether systemd starts a unit after a boot."""
    return unit.get("UnitFileState", "").startswith("enabled")


def hangs(unit: Mapping[str, str], seconds: float) -> bool:
    """Whether a unit that has been starting for so long takes longer than its work does."""
    bound = HANGS_LONG if unit["Id"] in LONG else HANGS
    own = matches(unit["Id"], ("espalier-*.service",))
    return own and unit.get("ActiveState") == "activating" and seconds >= bound


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
