"""What a new version of the kit may change on a machine that the version before has made.

A task may change something where the text of a file changed. What cannot be seen on the machine
afterwards was no reason to change it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """A task that changed a machine: where it is written, and the files that it wrote."""

    machine: str
    name: str
    path: str
    action: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class State:
    """What can be seen of a machine.

    Attributes:
        files: path -> mode, owner, text.
        services: unit -> process id.
        live: the id of the release that is live.
        packages: the Debian packages that are installed.
    """

    files: Mapping[str, Sequence[Any]]
    services: Mapping[str, str]
    live: str
    packages: frozenset[str] = frozenset()


def changes_in(run: Mapping[str, Any]) -> list[Change]:
    """Give the changes of a run, from the output of the callback `ansible.posix.json`."""
    return [
        Change(
            machine,
            task["task"]["name"],
            task["task"]["path"],
            result["action"],
            tuple(result.get("changed_paths", ())) or _unit_file(result),
        )
        for play in run["plays"]
        for task in play["tasks"]
        for machine, result in task["hosts"].items()
        if result.get("changed")
    ]


def _unit_file(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the file of the kit's unit that a task has started or enabled."""
    if result["action"].rpartition(".")[2] != "systemd_service" or not result.get("name"):
        return ()
    return (f"/etc/systemd/system/{result['name']}",)


def unexplained(change: Change, before: State, after: State) -> str:
    """Give what is wrong with a change of a machine; nothing if the machine explains it.

    A file that was written has another text, mode or owner now, and so has the file of a unit that
    was started, or one of its drop-ins. A handler was called by such a task. Packages were
    installed. A certificate of the site's own authority is there that was not. Django's tasks may
    change something where another release is live now. What the topology no longer places on the
    machine is retired.
    """
    if change.files and "/handlers/" not in change.path:
        changed = {
            path
            for path in {*before.files, *after.files}
            if before.files.get(path) != after.files.get(path)
        }
        same = [
            path
            for path in change.files
            if path not in changed and not _has_changed_drop_in(path, changed)
        ]
        return f"wrote {', '.join(same)}, which did not change" if same else ""
    if "/handlers/" in change.path or "retire" in change.path:
        return ""
    if change.action == "ansible.builtin.apt" and before.packages != after.packages:
        return ""
    certificates = {path for path in after.files if path.endswith("/machine.crt")}
    if change.action == "machine_certificate" and certificates - set(before.files):
        return ""
    releases = "/roles/django/" in change.path or "/playbooks/release.yml" in change.path
    if releases and before.live != after.live:
        return ""
    return f"changed something ({change.action}) though no file's text asked for it"


def _has_changed_drop_in(unit: str, changed: Collection[str]) -> bool:
    """Tell whether a drop-in of a unit, named without `.service`, is among what changed."""
    return any(path.startswith(f"{unit}.service.d/") for path in changed)


def restarted(before: State, after: State, project: str) -> list[str]:
    """Give the services that run in another process than before, apart from those that may.

    Django's do, slot by slot; and that of uploads, whose clients wait for it meanwhile, where its
    unit's file changed.
    """
    media = "/etc/systemd/system/espalier-media.service"
    may = {"espalier-media.service"} if before.files.get(media) != after.files.get(media) else set()
    return [
        unit
        for unit, process in sorted(before.services.items())
        if after.services.get(unit, process) != process
        and not unit.startswith(f"{project}-")
        and unit not in may
    ]
