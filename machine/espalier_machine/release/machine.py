"""The layout under the project's root: releases, slots, and how commands are run here."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from espalier_machine.common.forms import DATA
from espalier_machine.release import history
from espalier_machine.release.children import end_group, set_nice
from espalier_machine.release.config import Config
from espalier_machine.release.environment import given_names, parse_environment
from espalier_machine.release.errors import OutOfMemory, ReleaseError, UsageError
from espalier_machine.release.progress import Progress
from espalier_machine.release.record import Release, valid_id
from espalier_machine.release.scope import (
    Scope,
    is_usable,
    needs_more_memory,
    was_killed,
)

SLOTS = ("blue", "green")
OUTPUT_KEPT = 400  # lines of what a tool printed, for the log of whoever asked


class Machine:
    """The layout under the project's root, its two slots, and how things are run here."""

    def __init__(self, config: Config, progress: Progress) -> None:
        """Raises UsageError when the project's user is missing."""
        self.config, self.progress = config, progress
        self.root = config.root
        self.releases, self.venvs = self.root / "releases", self.root / "venvs"
        self.build, self.slots = self.root / "build", self.root / "slots"
        self.pythons = self.root / "pythons"  # those that uv has brought
        self.static, self.cache = self.root / "static", self.root / ".cache"
        self.data = self.root / DATA
        self.wheels = self.root / "wheels"
        self.lock_file, self.history = self.root / "release.lock", self.root / "history"
        self.site_lock_file = self.root / "site.lock"
        self.current = self.root / "current"
        self.by = "root"
        self.debian_packages: list[str] = []  # what this command has installed
        try:
            self.account = pwd.getpwnam(config.user)
        except KeyError as error:
            sentence = f"{config.file} names the user {config.user}, which is missing."
            raise UsageError(sentence) from error

    @property
    def is_quiet(self) -> bool:
        """Whether nothing that is scheduled runs, and no mail is sent: `quiet` in project.yml."""
        return self.environment().get("ESPALIER_QUIET") == "1"

    @property
    def drops_privileges(self) -> bool:
        """Whether there are root's privileges to drop (there are none in tests)."""
        return os.geteuid() == 0 and self.account.pw_uid != 0

    def ensure_directories(self) -> None:
        """Make what is missing of the layout."""
        self.slots.mkdir(exist_ok=True)
        own = (self.releases, self.venvs, self.pythons, self.build, self.static, self.cache)
        for path in (*own, self.wheels, self.data):
            if not path.exists():
                path.mkdir()
                if self.drops_privileges:
                    os.chown(path, self.account.pw_uid, self.account.pw_gid)

    @contextmanager
    def as_user(self) -> Iterator[None]:
        """Touch files as the project's user: root in a user's directory follows any symlink."""
        if not self.drops_privileges:
            yield
            return
        os.setegid(self.account.pw_gid)
        os.seteuid(self.account.pw_uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def environment(self, release: Release | None = None) -> dict[str, str]:
        """What project code sees: the machine's settings, the release's, nothing of root's."""
        files = [self.config.environment_file] + ([release.path / "release.env"] if release else [])
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root),
            "USER": self.config.user,
            "LOGNAME": self.config.user,
            "LANG": "C.UTF-8",
        }
        for file in files:
            variables |= parse_environment(file.read_text(), str(file))
        given = release.record.get("given", {}) if release else {}
        return given_names(given, variables) | variables

    def run(
        self,
        argv: Sequence[str],
        step: str,
        explain: Callable[[str], str],
        env: Mapping[str, str],
        cwd: Path,
        stdin: str | None = None,
    ) -> str:
        """Run as the project's user, in a process group that ends when this command does.

        Where systemd is, in a scope that leaves memory to what serves. Returns stdout. A failure
        raises ReleaseError with `explain(output)` and the output's tail.
        """
        account, scope = self.account, None
        if self.drops_privileges and is_usable():
            scope = Scope(account, step, self.config.build_group)
        who: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        if scope:
            who = {"pass_fds": [scope.theirs.fileno()]}
        elif not self.drops_privileges:
            who = {}
        # From a file: `communicate` that is asked again writes no more of it to a pipe.
        with tempfile.TemporaryFile("w+") as given:
            given.write(stdin or "")
            given.seek(0)
            process = subprocess.Popen(
                scope.command(argv) if scope else argv,
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={"PATH": os.environ.get("PATH", os.defpath)} if scope else dict(env),
                cwd=cwd,
                start_new_session=True,
                umask=0o022,
                **who,
            )
        if nice := os.getpriority(os.PRIO_PROCESS, 0):
            set_nice(process.pid, nice)  # its session is a new one
        try:
            if scope:
                scope.send(env)
            out, err = scope.wait(process) if scope else process.communicate()
        except BaseException:
            end_group(process)
            if scope:
                scope.end()
            raise
        took = scope.report() if scope else None
        if process.returncode:
            output = out + err
            tail = "\n".join(output.splitlines()[-OUTPUT_KEPT:])
            if scope and was_killed(took, process.returncode):
                raise OutOfMemory(step, needs_more_memory(step, scope.bound, took), tail)
            raise ReleaseError(step, explain(output), tail)
        return out

    # slots

    def unit(self, slot: str) -> str:
        """The web unit that runs `slot`."""
        return self.config.web_unit.format(slot=slot)

    def socket(self, slot: str) -> str:
        """Where that unit listens."""
        return self.config.socket.format(slot=slot)

    def live_slot(self) -> str | None:
        """The slot that nginx's symlink leads to; None before the first release."""
        with suppress(OSError):
            target = os.readlink(self.config.live_socket)
            return next((slot for slot in SLOTS if self.socket(slot) == target), None)
        return None

    def slot_target(self, slot: str) -> str | None:
        """The id that the slot's symlink names."""
        with suppress(OSError):
            return os.path.basename(os.readlink(self.slots / slot))
        return None

    def current_target(self) -> str | None:
        """The id that the symlink `current` names, where the other processes are started."""
        with suppress(OSError):
            return os.path.basename(os.readlink(self.current))
        return None

    def pinned(self) -> set[str]:
        """Ids that a slot names: running, or what a reboot would start."""
        return {target for slot in SLOTS if (target := self.slot_target(slot))}

    def live(self) -> Release | None:
        """The release that answers requests."""
        slot = self.live_slot()
        target = self.slot_target(slot) if slot else None
        return self.load(target) if target else None

    def fingerprint(self) -> str:
        """One hash over the files that a running slot has read at its start."""
        digest = hashlib.sha256()
        for path in self.config.runtime_files:
            content = path.read_bytes() if path.exists() else b""
            digest.update(f"{path} {path.exists()} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def is_stale(self) -> bool:
        """Whether the live slot started before the files it depends on changed."""
        slot = self.live_slot()
        if slot is None:
            return False
        file = self.slots / f"{slot}.fingerprint"
        return not file.exists() or file.read_text() != self.fingerprint()

    # releases

    def load(self, id: str) -> Release | None:
        """The complete release `id`; None when it is missing or half-built."""
        path = self.releases / id
        with suppress(OSError, ValueError):
            if (path / "venv/.complete").exists():
                return Release(path, json.loads((path / "release.json").read_text()))
        return None

    def require(self, id: str) -> Release:
        """The complete release `id`; raises UsageError that names those there are."""
        if release := self.load(id) if valid_id(id) else None:
            return release
        known = ", ".join(release.id for release in self.all()) or "none"
        raise UsageError(f"no release {id} on this machine; there are: {known}.")

    def all(self) -> list[Release]:
        """Every complete release, the newest first."""
        names = [path.name for path in self.releases.iterdir()] if self.releases.exists() else []
        found = [release for name in names if (release := self.load(name))]
        return sorted(found, key=lambda release: release.age_key, reverse=True)

    def went_live(self) -> list[dict[str, str]]:
        """Every time a release went live on this machine, the first one first."""
        return history.parse(self.history.read_text()) if self.history.exists() else []

    def been_live(self) -> set[str]:
        """Ids that have been live on this machine."""
        return {row["id"] for row in self.went_live()}

    def good(self) -> list[str]:
        """Ids that were live and that no rollback has left since, the last that was live first."""
        slot = self.live_slot()
        return history.find_good(self.went_live(), (slot and self.slot_target(slot)) or "")

    def previous(self) -> str:
        """The id that a rollback goes to: of the last good release before the live one; or ""."""
        live = self.live()
        ids = [id for id in self.good() if live and id != live.id and self.load(id)]
        return ids[0] if ids else ""

    def discard(self, path: Path) -> None:
        """Remove a release, a virtualenv or a staging directory, unless something runs from it."""
        if path.parent == self.releases and path.name in self.pinned():
            return
        if path.parent == self.venvs and any(r.record["venv"] == path.name for r in self.all()):
            return
        with self.as_user():
            if path.is_symlink() or not path.is_dir():  # somebody's own, where only releases are
                path.unlink(missing_ok=True)
                return
            # The mark of completeness goes first: killed half-way, the rest counts as half-built.
            for mark in ("release.json", ".complete"):
                (path / mark).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)


def point(link: Path, target: str) -> None:
    """Make the symlink `link` point to `target` in one atomic step."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.rename(link)
