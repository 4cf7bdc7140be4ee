#!/usr/bin/python
"""Write many small files in one round trip."""

from __future__ import annotations

DOCUMENTATION = """
module: files
short_description: Write many small files and directories in one round trip
description:
  - What C(ansible.builtin.template) and C(ansible.builtin.file) do one file a task, this does for
    all the files of a role at once, because every task costs a round trip to every machine.
  - Files are replaced atomically, after their C(validate) command, and only where they differ.
options:
  directories:
    description: Directories to make, as C(path), C(mode) and optionally C(owner) and C(group).
    type: list
    elements: dict
    default: []
  files:
    description:
      - Files to write, as C(path), C(content), and optionally C(mode), C(owner), C(group).
      - C(validate) is a command in which C(%s) stands for the file; it must succeed before the file
        takes its place.
      - C(secret) keeps the content out of C(--diff).
      - C(content_base64) instead of C(content) is a binary file; C(--diff) gives its size and hash
        only. C(gzip) says that the file was compressed for its way here.
      - C(made_by) instead of C(content) is a shell command that makes the file where it is absent;
        after that it is left alone.
    type: list
    elements: dict
    default: []
  absent:
    description: Paths of files to remove.
    type: list
    elements: path
    default: []
  pending:
    description:
      - Name under which changed paths are remembered on the machine, from before the first of them
        is changed until C(applied) says that whoever reads them has read them. Meanwhile every call
        reports them as changed, so a run that was killed or failed between a file and its handler
        is caught up with by the next one. A reboot reads everything anew, and empties it.
    type: str
  applied:
    description: Name given as C(pending) whose changes are in force now.
    type: str
notes:
  - The content reaches neither the log here nor the control machine's output, but for a difference.
author: Espalier
"""

EXAMPLES = """
- name: Configure
  files:
    directories:
      - {path: /etc/site, mode: "0755"}
    files:
      - path: /etc/site/site.conf
        content: "{{ lookup('ansible.builtin.template', 'site.conf.j2') }}"
        validate: site --check %s
    pending: site
  notify:
    - Reload site
    - Mark site configuration as applied

# The last handler
- name: Mark site configuration as applied
  files:
    applied: site
"""

RETURN = """
changed_paths:
  description: The paths that were changed, or would be in check mode, or are still pending.
  type: list
  returned: always
"""

import base64
import gzip
import hashlib
import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

# Emptied by a reboot.
PENDING = "/run/espalier/pending"
OWNERSHIP = {
    "path": {"type": "path", "required": True},
    "mode": {"type": "str"},
    "owner": {"type": "str"},
    "group": {"type": "str"},
}
FILE = {
    **OWNERSHIP,
    "content": {"type": "str"},
    "content_base64": {"type": "str"},
    "gzip": {"type": "bool", "default": False},
    "made_by": {"type": "str"},
    "validate": {"type": "str"},
    "secret": {"type": "bool", "default": False},
}


class Pending:
    """Paths that were changed, and not yet read by the service that they are for.

    They stand in a file, a line each, written before the change; nothing is kept without a name.
    """

    def __init__(self, name: str | None, check_mode: bool) -> None:
        """Look up what is pending under a name; in check mode nothing is added."""
        self.file = os.path.join(PENDING, name) if name else ""
        self.writes = bool(name) and not check_mode
        self.paths: list[str] = []
        if self.file and os.path.exists(self.file):
            with open(self.file) as stream:
                self.paths = stream.read().splitlines()

    def add(self, path: str) -> None:
        """Remember a path, before it is changed."""
        if not self.writes or path in self.paths:
            return
        os.makedirs(PENDING, exist_ok=True)
        with open(self.file, "a") as stream:
            stream.write(f"{path}\n")
        self.paths.append(path)


def clear_pending(name: str) -> None:
    """Remove what is pending under a name."""
    path = os.path.join(PENDING, name)
    if os.path.exists(path):
        os.remove(path)


def set_attributes(module: AnsibleModule, item: dict[str, Any], mode: str) -> bool:
    """Give a path the mode, owner and group of ``item``; says whether that changed anything."""
    arguments = {**item, "mode": item["mode"] or mode}
    return module.set_fs_attributes_if_different(
        module.load_file_common_arguments(arguments, path=item["path"]), False
    )


def make_directory(module: AnsibleModule, item: dict[str, Any]) -> bool:
    """Make a directory; says whether it was missing or differed."""
    path = item["path"]
    if not os.path.isdir(path):
        if not module.check_mode:
            os.makedirs(path)
            set_attributes(module, item, "0755")
        return True
    return set_attributes(module, item, "0755")


def make_file(module: AnsibleModule, item: dict[str, Any], pending: Pending) -> bool:
    """Let a command make a file; says whether it was missing."""
    if os.path.exists(item["path"]):
        return False
    if not module.check_mode:
        pending.add(item["path"])
        status, out, err = module.run_command(item["made_by"], use_unsafe_shell=True)
        if status:
            module.fail_json(msg=f"{item['path']} could not be made: {(err or out).strip()}")
    return True


def wanted_content(item: dict[str, Any]) -> bytes:
    """Give the content that a file should have."""
    if item["content_base64"] is None:
        return item["content"].encode()
    content = base64.b64decode(item["content_base64"])
    return gzip.decompress(content) if item["gzip"] else content


def shown(item: dict[str, Any], content: bytes) -> str:
    """Give what a difference shows of a content: of a binary file its size and hash."""
    if item["content_base64"] is None or not content:
        return content.decode(errors="replace")
    return f"(binary, {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()})\n"


def write_file(
    module: AnsibleModule, item: dict[str, Any], pending: Pending, diffs: list[dict[str, Any]]
) -> bool:
    """Write a file; says whether it was missing or differed, and appends the difference."""
    if item["made_by"]:
        return make_file(module, item, pending)
    path, after = item["path"], wanted_content(item)
    before = None
    if os.path.exists(path):
        with open(path, "rb") as stream:
            before = stream.read()
    if before == after:
        return set_attributes(module, item, "0644")
    old, new = shown(item, before or b""), shown(item, after)
    if item["secret"]:
        old, new = "(secret)\n", "(secret, changed)\n"
    diffs.append({"before_header": path, "after_header": path, "before": old, "after": new})
    if module.check_mode:
        return True
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle, staged = tempfile.mkstemp()
    with os.fdopen(handle, "wb") as stream:
        stream.write(after)
    if item["validate"]:
        status, out, err = module.run_command(item["validate"].replace("%s", staged))
        if status:
            os.unlink(staged)
            module.fail_json(
                msg=f"{path} would not be valid, so it was left as it is: {(err or out).strip()}",
            )
    pending.add(path)
    if before is None:
        # Made closed and opened afterwards, so that a secret is at no moment for everyone to read.
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    module.atomic_move(staged, path)
    set_attributes(module, item, "0644")
    return True


class QuietModule(AnsibleModule):
    """A module whose arguments stay out of the machine's log.

    `no_log=True` would not do: Ansible sets that attribute anew from the task's own `no_log`.
    """

    def _log_invocation(self) -> None:
        pass

    def fail_json(self, msg: str, **result: Any) -> None:
        """Fail without the arguments, which verbose output would show."""
        super().fail_json(msg, **(result | {"invocation": {}}))


def main() -> None:
    """Run the module."""
    module = QuietModule(
        {
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": OWNERSHIP,
            },
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": FILE,
                "required_one_of": [("content", "content_base64", "made_by")],
                "mutually_exclusive": [("content", "content_base64", "made_by")],
            },
            "absent": {"type": "list", "elements": "path", "default": []},
            "pending": {"type": "str"},
            "applied": {"type": "str"},
        },
        supports_check_mode=True,
    )
    os.umask(0o022)  # a hardened login's would close parent directories to the users that need them
    if module.params["applied"] and not module.check_mode:
        clear_pending(module.params["applied"])
    pending = Pending(module.params["pending"], module.check_mode)
    diffs: list[dict[str, Any]] = []
    changed = [i["path"] for i in module.params["directories"] if make_directory(module, i)]
    changed += [i["path"] for i in module.params["files"] if write_file(module, i, pending, diffs)]
    for path in module.params["absent"]:
        if os.path.lexists(path):
            changed.append(path)
            if not module.check_mode:
                pending.add(path)
                os.remove(path)
    changed += [path for path in pending.paths if path not in changed]
    # `invocation` would repeat all contents, secrets too, in verbose output.
    module.exit_json(changed=bool(changed), changed_paths=changed, diff=diffs, invocation={})


if __name__ == "__main__":
    main()
