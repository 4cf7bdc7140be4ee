#!/usr/bin/python
"""Change files that could lock people out, and put the old ones back unless that is confirmed."""

from __future__ import annotations

DOCUMENTATION = """
module: guarded_files
short_description: Change files that could lock people out, and take that back unless confirmed
description:
  - For what decides who reaches the machine (a firewall, SSH's settings). Before the first file is
    written, a timer of systemd is armed that puts the old files back and applies them. The action
    plugin of this name proves the way in by a new connection, and only then stops the timer.
  - A run that is killed in between is taken back by the timer; a machine that restarts in between
    puts the old files back before its network is up.
  - Files of systemd's units are not for this module, as nothing loads them anew.
options:
  name:
    description: Names the subject. Of one subject, one change is under way at a time.
    type: str
    required: true
  what:
    description: The subject in words, for the error (C(the firewall)). Used by the action plugin.
    type: str
    required: true
  remedy:
    description: What a person is to change when the way in is lost. Used by the action plugin.
    type: str
    default: ""
  files:
    description: Files to write, as C(path), C(content), and optionally C(mode), C(owner), C(group).
    type: list
    elements: dict
    default: []
  absent:
    description: Paths of files to remove.
    type: list
    elements: path
    default: []
  validate:
    description: A shell command that must succeed once the files are written, before C(apply).
    type: str
    default: "true"
  apply:
    description:
      - A shell command that puts into force what the files say, the old ones too. After a restart
        of the machine it is not run, as whoever reads the files starts later.
    type: str
    required: true
  in_force:
    description: A shell command that fails where the files are as wanted, but not in force.
    type: str
    default: "true"
  seconds:
    description: How long the machine waits for the confirmation.
    type: int
    default: 60
  step:
    description: C(begin) or C(confirm). The action plugin sets it.
    type: str
    choices: [begin, confirm]
    default: begin
  token:
    description: What C(begin) has given. The action plugin sets it.
    type: str
    default: ""
author: Espalier
"""

EXAMPLES = """
- name: Change SSH's settings
  guarded_files:
    name: ssh
    what: SSH's settings
    remedy: "`ssh` in hosts.yml"
    files:
      - path: /etc/ssh/sshd_config.d/00-espalier.conf
        content: "{{ lookup('ansible.builtin.template', 'sshd.conf.j2') }}"
    validate: sshd -t
    apply: systemctl reload ssh
"""

RETURN = """
changed_paths:
  description: The paths that were changed, or would be in check mode.
  type: list
  returned: always
token:
  description: C(begin), stands for the change until it is confirmed; "" where nothing was changed.
  type: str
  returned: success
state:
  description:
    - C(confirm), C(confirmed), or C(taken_back) where the old files are there again, or
      C(superseded) where another run has begun a change since.
  type: str
  returned: success
"""

import fcntl
import grp
import os
import pwd
import re
import secrets
import shlex
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

PLACE = Path("/var/lib/espalier-guard")
UNITS = Path("/etc/systemd/system")
FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str", "required": True},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
}
# $1: `timer`, `boot` (nobody has read the new files), or `now` (who calls has the lock).
ROLLBACK = """#!/bin/sh
# Puts back what was there before a run of Espalier that has not confirmed its change.
[ "$1" = now ] || {{ exec 9> {lock}; flock --wait 10 9; }}
[ -e {here}/token-{token} ] || exit 0
echo "Taking back the change of {name}: it was not confirmed."
failed=0
put() {{
    mkdir -p "${{2%/*}}" && cp -p "$1" "$2.before" && mv -f "$2.before" "$2" || failed=1
}}
{puts}
[ "$1" = boot ] || timeout 45 /bin/sh -c {apply} 9>&- || echo "It could not be applied."
[ "$failed" = 0 ] || exit 1
sync
rm -rf {here} {unit} {link}
[ "$1" != timer ] || timeout 45 systemctl daemon-reload 9>&- || :
"""
# Its files are read before the network is up, and by whatever the machine starts after it.
BOOT = """[Unit]
Description=Take back the change of {name}, which was not confirmed
DefaultDependencies=no
RequiresMountsFor={here}
ConditionPathExists={here}/rollback
After=local-fs.target
Before=sysinit.target network-pre.target espalier-firewall.service

[Service]
Type=oneshot
ExecStart=/bin/sh {here}/rollback boot
"""
Run = Callable[[str], tuple[int, str]]


@dataclass(frozen=True)
class Wanted:
    """A file as it should be; no content where it should not be there."""

    path: str
    content: bytes | None
    mode: int = 0o644
    owner: int = 0
    group: int = 0

    def is_there(self) -> bool:
        """Say whether the file is as it should be."""
        try:
            found, content = os.lstat(self.path), Path(self.path).read_bytes()
        except FileNotFoundError:
            return self.content is None and not os.path.lexists(self.path)
        attributes = (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid)
        return content == self.content and attributes == (self.mode, self.owner, self.group)

    def write(self) -> None:
        """Make it so, in one step, and on the disk when this returns."""
        folder = os.path.dirname(self.path)
        if self.content is None:
            Path(self.path).unlink(missing_ok=True)
            return
        os.makedirs(folder, exist_ok=True)
        # No name that whoever reads the directory would take for its own.
        handle, staged = tempfile.mkstemp(dir=folder, prefix=".", suffix=".new")
        with os.fdopen(handle, "wb") as stream:
            stream.write(self.content)
            os.fchmod(handle, self.mode)
            os.fchown(handle, self.owner, self.group)
            stream.flush()
            os.fsync(handle)
        os.replace(staged, self.path)
        sync_directory(folder)


def sync_directory(path: str | Path) -> None:
    """Have the names of a directory on the disk."""
    handle = os.open(path, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


class Guard:
    """What is kept of one subject until its change is confirmed."""

    def __init__(self, name: str, run: Run, place: Path = PLACE, units: Path = UNITS) -> None:
        """Look after the subject `name`; `run` runs a shell command: its status and output."""
        self.name, self.run = name, run
        self.here = place / name
        self.unit = units / f"espalier-guard-{name}.service"
        self.link = units / "sysinit.target.wants" / self.unit.name

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other runs, and the timer, from the same subject."""
        self.here.parent.mkdir(mode=0o700, exist_ok=True)
        with open(self.here.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @property
    def token(self) -> str:
        """The token of the change that is not confirmed; "" where none is under way."""
        return next((p.name.partition("-")[2] for p in self.here.glob("token-*")), "")

    def timer(self, token: str) -> str:
        """Name the units that take a change back; each has its own, so none is in the way."""
        return f"espalier-guard-{self.name}-{token}"

    def begin(self, files: Sequence[Wanted], apply: str, seconds: int) -> str:
        """Keep copies of the files, and arm what puts them back; gives the token.

        Raises:
            OSError: the timer could not be armed; nothing was changed.
        """
        token, puts = secrets.token_hex(4), []
        new = Path(f"{self.here}.new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        for number, file in enumerate(files):
            path = shlex.quote(file.path)
            if not os.path.exists(file.path):
                puts.append(f"rm -f {path} || failed=1")
                continue
            found = os.stat(file.path)
            content, mode = Path(file.path).read_bytes(), stat.S_IMODE(found.st_mode)
            Wanted(str(new / str(number)), content, mode, found.st_uid, found.st_gid).write()
            puts.append(f"put {self.here}/{number} {path}")
        known = {"name": self.name, "token": token, "apply": shlex.quote(apply)}
        known |= {"here": str(self.here), "lock": str(self.here.with_suffix(".lock"))}
        known |= {"unit": str(self.unit), "link": str(self.link)}
        script = ROLLBACK.format(**known, puts="\n".join(puts))
        for kept, text in ((new / "rollback", script), (new / f"token-{token}", "")):
            Wanted(str(kept), text.encode(), 0o600, os.geteuid(), os.getegid()).write()
        new.rename(self.here)
        sync_directory(self.here.parent)
        boot = BOOT.format(**known).encode()
        Wanted(str(self.unit), boot, 0o644, os.geteuid(), os.getegid()).write()
        self.link.parent.mkdir(exist_ok=True)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(self.unit)
        sync_directory(self.link.parent)
        status, said = self.run(
            f"systemd-run --quiet --collect --unit={self.timer(token)} --on-active={seconds} "
            f"--timer-property=AccuracySec=1s /bin/sh {self.here}/rollback timer"
        )
        if status:
            self.forget(token)
            raise OSError(f"the timer that would take the change back does not start: {said}")
        return token

    def take_back(self) -> None:
        """Put the old files back, as the timer would."""
        token = self.token
        self.run(f"/bin/sh {self.here}/rollback now")
        self.forget(token)

    def forget(self, token: str) -> None:
        """Take the copies and all that would put them back away: the change stands."""
        if self.here.exists():
            done = Path(f"{self.here}.done")
            shutil.rmtree(done, ignore_errors=True)
            self.here.rename(done)  # from here on the timer does nothing
            sync_directory(self.here.parent)
            shutil.rmtree(done)
        self.link.unlink(missing_ok=True)
        self.unit.unlink(missing_ok=True)
        # Whatever has loaded the unit meanwhile forgets it too: it would have all rights.
        self.run(f"systemctl stop {self.timer(token)}.timer; systemctl daemon-reload")

    def confirm(self, token: str) -> str:
        """Let a change stand, if nobody has taken it back; gives the state."""
        if self.token == token:
            self.forget(token)
            return "confirmed"
        return "superseded" if self.token else "taken_back"


def wanted_files(parameters: dict[str, Any]) -> list[Wanted]:
    """Give the files that a task asks for."""
    found = [
        Wanted(
            item["path"],
            item["content"].encode(),
            int(item["mode"], 8),
            pwd.getpwnam(item["owner"]).pw_uid,
            grp.getgrnam(item["group"]).gr_gid,
        )
        for item in parameters["files"]
    ]
    return found + [Wanted(path, None) for path in parameters["absent"]]


def difference(file: Wanted) -> dict[str, str]:
    """Give what `--diff` shows of a file."""
    before = Path(file.path).read_bytes() if os.path.exists(file.path) else b""
    after = file.content or b""
    return {
        "before_header": file.path,
        "after_header": file.path,
        "before": before.decode(errors="replace"),
        "after": after.decode(errors="replace"),
    }


def change(module: AnsibleModule, guard: Guard) -> dict[str, Any]:
    """Do the step `begin`; gives its result."""
    parameters = module.params
    is_pending = guard.here.exists()
    if is_pending and not module.check_mode:  # of a run that was killed, or of one beside this
        guard.take_back()
    files = wanted_files(parameters)
    differing = [file for file in files if not file.is_there()]
    result: dict[str, Any] = {
        "changed_paths": [file.path for file in differing],
        "diff": [difference(file) for file in differing],
        "token": "",
        "was_pending": is_pending,
    }
    if not differing and not guard.run(parameters["in_force"])[0]:
        return result | {"changed": is_pending}
    if module.check_mode:
        return result | {"changed": True}
    token = guard.begin(files, parameters["apply"], parameters["seconds"])
    try:
        for file in differing:
            file.write()
        for command in (parameters["validate"], parameters["apply"]):
            status, said = guard.run(command)
            if status:
                raise OSError(f"`{command}` failed: {said}")
    except OSError as error:
        guard.take_back()
        raise OSError(f"{error}. The old files are there again") from error
    return result | {"changed": True, "token": token}


class QuietModule(AnsibleModule):
    """A module whose arguments stay out of the machine's log."""

    def _log_invocation(self) -> None:
        pass


def main() -> None:
    """Run the module."""
    text = {"type": "str", "default": ""}
    module = QuietModule(
        {
            "name": {"type": "str", "required": True},
            "what": {"type": "str", "required": True},
            "remedy": text,
            "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
            "absent": {"type": "list", "elements": "path", "default": []},
            "validate": {"type": "str", "default": "true"},
            "apply": {"type": "str", "required": True},
            "in_force": {"type": "str", "default": "true"},
            "seconds": {"type": "int", "default": 60},
            "step": {"type": "str", "choices": ["begin", "confirm"], "default": "begin"},
            "token": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)
    name = module.params["name"]
    if not re.fullmatch(r"[a-z]+", name):
        module.fail_json(msg=f"`name` is {name!r}, and takes small letters alone.")

    def run(command: str) -> tuple[int, str]:
        bounded = ["timeout", "45", "/bin/sh", "-c", command]
        status, out, err = module.run_command(bounded)
        return status, (err or out).strip()

    guard = Guard(name, run)
    try:
        if module.check_mode and not PLACE.exists():
            module.exit_json(**change(module, guard))
        with guard.locked():
            if module.params["step"] == "confirm":
                state = guard.confirm(module.params["token"])
                module.exit_json(changed=False, state=state)
            module.exit_json(**change(module, guard))
    except OSError as error:
        module.fail_json(msg=f"{module.params['what']}: {error}.")


if __name__ == "__main__":
    main()
