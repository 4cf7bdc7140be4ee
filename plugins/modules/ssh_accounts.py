#!/usr/bin/python
"""Open and close the accounts of people who log in by SSH."""

from __future__ import annotations

DOCUMENTATION = """
module: ssh_accounts
short_description: Open and close the accounts of people who log in by SSH
description:
  - The accounts that this makes are in a group of their own, by which sshd, and later runs, know
    them. An account that is closed stays there with all its files, so that it can be opened again.
  - Which keys open an account is sshd's to know, not this module's.
options:
  opened:
    description: Names of accounts to make, or to open again.
    type: list
    elements: str
    default: []
  closed:
    description:
      - Names of accounts to close. They expire, so that neither sshd nor cron lets them in, and all
        of their processes end, with those that these have started by sudo.
    type: list
    elements: str
    default: []
author: Espalier
"""

EXAMPLES = """
- name: Open and close accounts
  ssh_accounts: {opened: [alice], closed: [bob]}
"""

RETURN = """
ended:
  description: How many processes of closed accounts were ended.
  type: int
  returned: always
"""

import contextlib
import glob
import os
import pwd
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

GROUP = "espalier-users"
NO_PASSWORD = "*"  # none matches; with "!" some programs take the account for a locked one
YESTERDAY = "1"  # days since 1970


def parents(stats: Iterable[str]) -> dict[int, int]:
    """Give each process's parent, from the texts of /proc/*/stat."""
    found = {}
    for text in stats:
        # The name is in brackets, and may have any character in it.
        number, _, rest = text.partition(" (")
        found[int(number)] = int(rest.rpartition(") ")[2].split()[1])
    return found


def with_descendants(roots: Iterable[int], parent_of: Mapping[int, int]) -> set[int]:
    """Give some processes and all that they have started."""
    found = set(roots)
    while more := {p for p, parent in parent_of.items() if parent in found and p not in found}:
        found |= more
    return found


def processes_of(user: int) -> set[int]:
    """Give the processes of a user, and those that they have started."""
    own, stats = [], []
    for path in glob.glob("/proc/[0-9]*"):
        with contextlib.suppress(OSError):
            if os.stat(path).st_uid == user:
                own.append(int(path.rpartition("/")[2]))
            with open(f"{path}/stat", errors="replace") as stream:
                stats.append(stream.read())
    return with_descendants(own, parents(stats))


def end_processes(user: int) -> int:
    """End all processes of a user; says how many they were."""
    count = 0
    for _ in range(5):  # one may start others meanwhile
        found = processes_of(user)
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        count += len(found)
        if not found:
            break
    return count


def open_account(module: AnsibleModule, name: str) -> None:
    """Make an account, or open it again."""
    if any(one.pw_name == name for one in pwd.getpwall()):
        argv = ["usermod", "--expiredate", "", "--password", NO_PASSWORD, "--append"]
        argv += ["--groups", GROUP, name]
    else:
        argv = ["useradd", "--create-home", "--shell", "/bin/bash", "--password", NO_PASSWORD]
        argv += ["--groups", GROUP, name]
    module.run_command(argv, check_rc=True)


def close_account(module: AnsibleModule, name: str) -> int:
    """Close an account; says how many of its processes were ended."""
    argv = ["usermod", "--expiredate", YESTERDAY, "--password", "!", name]
    module.run_command(argv, check_rc=True)
    if loginctl := module.get_bin_path("loginctl"):
        module.run_command([loginctl, "disable-linger", name])
    return end_processes(pwd.getpwnam(name).pw_uid)


def main() -> None:
    """Run the module."""
    names: dict[str, Any] = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule({"opened": names, "closed": names}, supports_check_mode=True)
    opened, closed = module.params["opened"], module.params["closed"]
    ended = 0
    if not module.check_mode:
        if opened:
            module.run_command(["groupadd", "--system", "--force", GROUP], check_rc=True)
        for name in opened:
            open_account(module, name)
        ended = sum(close_account(module, name) for name in closed)
    module.exit_json(changed=bool(opened or closed), ended=ended)


if __name__ == "__main__":
    main()
