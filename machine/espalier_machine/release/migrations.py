"""Migrates the database, and refuses what the code that runs meanwhile could not live with."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from espalier_machine.common.text import last_line
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.explain import explain_django
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release

# What a file of migrations has in it, wherever it lies (MIGRATION_MODULES), and who says where.
MIGRATION = re.compile(rb"Migration|MIGRATION_MODULES")


def migration_code(release: Release) -> set[tuple[str, str]]:
    """What decides which migrations a release has: files, by content, and its virtualenv."""
    files = {("", release.record["venv"])}
    for path in (release.path / "code").rglob("*.py"):
        if path.is_file() and MIGRATION.search(content := path.read_bytes()):
            relative = path.relative_to(release.path)
            files.add((str(relative), hashlib.sha256(content).hexdigest()))
    return files


def ask_guard(machine: Machine, release: Release, command: str, stdin: str | None = None) -> Any:
    """Ask `espalier_overlay.guard` in a release; None where it has none, as an older kit's."""
    if not (release.path / "overlay/espalier_overlay/guard.py").exists():
        return None
    argv = [release.python, "-m", "espalier_overlay.guard", command]
    env = machine.environment(release)
    explain = explain_django("the migrations cannot be checked (--accept all goes on without)")
    return json.loads(last_line(machine.run(argv, "guard", explain, env, release.workdir, stdin)))


def guard(machine: Machine, code: Release, other: Release, command: str) -> list[dict[str, Any]]:
    """What `code`'s migrations do to `other`; [] where both have the same ones."""
    if migration_code(code) == migration_code(other):
        return []
    known = ask_guard(machine, other, "columns")
    return (ask_guard(machine, code, command, json.dumps(known)) or []) if known else []


def refuse_unsafe(
    step: str, verdicts: Sequence[Mapping[str, Any]], accepted: Collection[str], what: str
) -> None:
    """Raise ReleaseError for what the code that runs meanwhile could not live with."""
    unsafe = [
        (verdict["migration"], issue)
        for verdict in verdicts
        for issue in verdict["issues"]
        if verdict["migration"] not in accepted
        and (issue["code"] != "IRREVERSIBLE" or step == "rollback")
    ]
    if not unsafe:
        return
    lines = [
        f"{name}: {issue['message']}"
        + (f"\n    instead: {issue['fix']}" if step == "migrate" else "")
        for name, issue in unsafe
    ]
    word = " ".join(f"--accept {name}" for name in dict.fromkeys(name for name, _ in unsafe))
    raise ReleaseError(step, f"{what}; to do it all the same, say {word}.", "\n".join(lines))


def migrate(machine: Machine, release: Release, accepted: Collection[str] = ()) -> bool:
    """Apply the release's migrations under the database's lock; returns whether there were any.

    Before that, what the live release could not live with is refused, unless it is accepted.
    """
    live = machine.live()
    if live and live.id != release.id:
        with machine.progress.step("migrate", "check the migrations"):
            verdicts = [] if "all" in accepted else guard(machine, release, live, "check")
            for verdict in verdicts:
                for lock in verdict["locks"]:
                    machine.progress.note("{table}: {lock} ({effect})".format_map(lock))
            what = f"the live release {live.id} could not live with these migrations"
            refuse_unsafe("migrate", verdicts, accepted, what)
    with machine.progress.step("migrate", "migrate the database"):
        argv = [release.python, "-m", "espalier_overlay.migrate"]
        argv += ["--lock-timeout", machine.config.lock_timeout]
        env = machine.environment(release)
        explain = explain_django("the migrations failed", release.record.get("sqlite", ()))
        out = machine.run(argv, "migrate", explain, env, release.workdir)
        for line in out.splitlines():
            machine.progress.note(line)
    return "nothing to migrate" not in out.lower()


def check_back(machine: Machine, release: Release, accepted: Collection[str]) -> None:
    """Raise ReleaseError if an older release could not live with what was migrated since."""
    live = machine.live()
    if live and live.id != release.id and "all" not in accepted:
        verdicts = guard(machine, live, release, "beyond")
        what = f"{release.id} could not live with what was migrated since"
        refuse_unsafe("rollback", verdicts, accepted, what)
