"""Removes old releases, what no kept release uses, and what a killed run left."""

from __future__ import annotations

from collections.abc import Sequence

from espalier_machine.common import installed
from espalier_machine.common.forms import ARCHIVES, archive_identity
from espalier_machine.release import wheels
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release
from espalier_machine.release.static import prune_static


def kept(
    newest_first: Sequence[Release], good: set[str], pinned: set[str], live: str | None, keep: int
) -> set[str]:
    """Ids to keep: the newest `keep` that have been live, those pinned, those still waiting.

    A release that was never live waits for its switch when it is newer than the live one.
    """
    ids = [release.id for release in newest_first]
    waiting = ids[: ids.index(live)] if live in ids else ids
    proven = [id for id in ids if id in good][:keep]
    return {*pinned, *proven, *(id for id in waiting if id not in good)}


def remove_leftovers(machine: Machine) -> list[str]:
    """Remove what a killed run left half-built; returns names. The lock must be held."""
    found = [*machine.build.iterdir(), *machine.releases.iterdir(), *machine.venvs.iterdir()]
    marks = {machine.releases: "release.json", machine.venvs: ".complete"}
    halves = [path for path in found if not (path / marks.get(path.parent, "never")).exists()]
    for path in halves:
        machine.discard(path)
    return [f"{path.parent.name}/{path.name}" for path in halves]


def clean(machine: Machine) -> list[str]:
    """Remove old releases, virtualenvs that no kept one uses, and leftovers; returns names."""
    with machine.progress.step("clean", "remove what is no longer needed"):
        removed = remove_leftovers(machine)
        releases, live = machine.all(), machine.live()
        name = live.id if live else None
        pinned = machine.pinned() | {machine.previous()}
        keep = kept(releases, machine.been_live(), pinned, name, machine.config.keep)
        used = {release.record["venv"] for release in releases if release.id in keep}
        old = [release.path for release in releases if release.id not in keep]
        old += [path for path in machine.venvs.iterdir() if path.name not in used]
        for path in old:
            machine.discard(path)
            removed.append(f"{path.parent.name}/{path.name}")
        # Whatever a page of a kept release may name stays.
        folders = [
            r.path / r.record["static"] for r in releases if r.id in keep and r.record["static"]
        ]
        if count := prune_static(machine, folders):
            removed.append(f"{count} static files")
        wanted = {release.record["identity"] for release in releases if release.id in keep}
        for path in (machine.root / ARCHIVES).glob("*"):
            if (identity := archive_identity(path.name)) and identity not in wanted:
                path.unlink()
                removed.append(f"{ARCHIVES}/{path.name}")
        removed += wheels.remove_unused(machine)
        removed += installed.remove_unused("release")
        for name in removed:
            machine.progress.note(f"removed {name}")
    return removed
