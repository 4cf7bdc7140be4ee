"""Which release each machine is to serve, from what the machines say they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from espalier.inventory.site import SiteError

# What `release status --json` tells of one machine: `live`, `stale`, `unfinished`, `releases`, …
Status = Mapping[str, Any]


def is_live_everywhere(statuses: Mapping[str, Status], ids: Mapping[str, str]) -> bool:
    """Whether there is nothing to do.

    All serve what they should, well, as their settings are, and nothing of it was cut off.
    """
    return all(
        status["live"]
        and status["live"]["id"] == ids[name]
        and status["live"]["healthy"]
        and not status["stale"]
        # An older release command does not tell.
        and not status.get("unfinished", False)
        for name, status in statuses.items()
    )


def choose_new(
    statuses: Mapping[str, Status], machines: Sequence[str], identity: str, new_id: str
) -> dict[str, str]:
    """Choose, for a release, the id on each machine: one that is built already, or a new one.

    Args:
        statuses: per machine.
        machines: in order.
        identity: of the archive; the same content has the same identity.
        new_id: for machines that have not built it. Also for those whose Python is another one
            than when they built it, as after an upgrade of Debian.
    """
    ids = {}
    for name in machines:
        status = statuses[name]
        python = status.get("python")
        built = [
            row["id"]
            for row in status["releases"]
            if row["identity"] == identity and (not python or row.get("python") == python)
        ]
        live = (status["live"] or {"id": ""})["id"]
        ids[name] = live if live in built else next(iter(built), new_id)
    return ids


def check_platforms(statuses: Mapping[str, Status], builder: str) -> None:
    """Refuse wheels from a machine whose compiled code the others may not be able to run.

    Args:
        statuses: per machine.
        builder: what builds for them: one of them, or a lab machine that is like the first; "" for
            none.

    Raises:
        SiteError: a machine has another Debian or processor, or does not tell.
    """
    model = builder if builder in statuses else next(iter(statuses))
    for name, status in statuses.items() if builder else ():
        here, there = status.get("platform"), statuses[model].get("platform")
        if not (here and there):
            older = name if there else model
            raise SiteError(
                f"project.build_on: the release command of {older} is of an older kit, and cannot "
                "hand wheels over: run site.yml."
            )
        if here != there:
            instead = f"name a machine that is {here}, or "
            if builder != model:
                instead = "a lab machine builds for one kind of machine: "
            raise SiteError(
                f"project.build_on: {model} is {there}, and {name} is {here}, so wheels of the "
                f"one may not run on the other: {instead}remove `build_on:`.",
                2,
            )


def choose_previous(
    statuses: Mapping[str, Status], machines: Sequence[str], wanted: str
) -> dict[str, str]:
    """Choose, for a rollback, the id on each machine.

    Args:
        statuses: per machine.
        machines: in order.
        wanted: an id or identity, or "" for the last release that was live before the live one and
            that no rollback has left since, as the first machine tells.

    Raises:
        SiteError: there is no such release, or one machine does not have it any more.
    """
    rows = {name: statuses[name]["releases"] for name in machines}
    live = {name: (statuses[name]["live"] or {"identity": ""})["identity"] for name in machines}
    previous = statuses[machines[0]].get("previous")
    identity = wanted_identity(rows, live, machines, wanted, previous)
    ids = {}
    for name in machines:
        there = [row["id"] for row in rows[name] if row["identity"] == identity]
        if not there:
            raise SiteError(
                f"{name} does not have that release any more, so the site cannot go back to it as "
                "a whole. Say which one: `release list` on the machines shows them.",
                2,
            )
        ids[name] = there[0]
    return ids


def wanted_identity(
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    live: Mapping[str, str],
    machines: Sequence[str],
    wanted: str,
    previous: str | None = None,
) -> str:
    """Find which release a rollback means, as its identity.

    Args:
        rows: the releases of each machine, the newest first, as `release list` gives them.
        live: the identity that is live, per machine.
        machines: the machines, in order.
        wanted: an id or an identity; "" for the last good release before the one that is live.
            Where machines serve different ones (a release that was cut off), the older of these.
        previous: the id that `release rollback` would go to on the first machine, "" for none; None
            where its release command, of an older kit, does not tell: there the newest good one
            that is older than the live one.

    Raises:
        SiteError: there is no such release.
    """
    everything = [row for machine in machines for row in rows[machine]]
    if wanted:
        for row in everything:
            if wanted in (row["id"], row["identity"]):
                return str(row["identity"])
        known = ", ".join(dict.fromkeys(row["id"] for row in everything)) or "none"
        raise SiteError(f"No machine has a release {wanted}. There are: {known}.", 2)
    order = [row["identity"] for row in rows[machines[0]]]
    serving = [identity for identity in dict.fromkeys(live.values()) if identity]
    if not serving:
        raise SiteError("No release is live, so there is none to go back from.", 2)
    if len(serving) > 1:
        return max(serving, key=lambda one: order.index(one) if one in order else -1)
    if previous is not None:
        older = [row["identity"] for row in rows[machines[0]] if row["id"] == previous]
    else:
        good = [row["identity"] for row in rows[machines[0]] if row["good"]]
        older = [one for one in good if order.index(one) > order.index(serving[0])]
    if not older:
        raise SiteError("No older release was ever live here; `release list` shows them.", 2)
    return older[0]
