"""Where requirements come from besides the Python index: its address, and how to log in there.

The role writes two files into the directory `build` beside release.json where project.yml has
something for them: `netrc` with a login for each host, which uv reads, and the key of SSH for
repositories. So a password is in no argument, no URL and no build.json. Only root reads them: the
site's processes have the same user as a build has, which gets copies for as long as it needs them.
"""

from __future__ import annotations

import re
import shlex
import tempfile
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from espalier_machine.release.machine import Machine

SECRETS = ("netrc", "deploy_key")
# What git asks for a login: one line a host in netrc, `machine HOST login NAME password PASSWORD`.
# git itself reads that file in a home directory only.
HELPER = (
    """!f() { test "$1" = get && host=$(sed -n 's/^host=\\([^:]*\\).*/\\1/p') && """
    """awk -v "host=$host" '$2 == host { print "username=" $4; print "password=" $6 }' "$NETRC"; """
    "}; f"
)
# What uv says of an index, git of a repository, and ssh of a host.
INDEX = re.compile(
    r"index URL \((\S+)\) could not be queried due to a lack of valid authentication"
)
REPOSITORY = re.compile(
    r"could not read (?:Username|Password) for '(\S+?)'|Authentication failed for '(\S+?)'"
)
SSH = re.compile(r"@([\w.-]+): Permission denied \(publickey")
BROKEN_KEY = re.compile(r"^\s*Load key .*: (?:error in libcrypto|invalid format)", re.M)
# The command of git's that failed, and why: its own last words only say that there was nothing.
GIT = re.compile(r"/git fetch (?:-\S+ )*'([^']+)'")
REASON = re.compile(
    r"^\s*(?:ssh|fatal|ERROR): (?!Could not read from remote|the remote end)(.+)$", re.M
)


def logins(machine: Machine) -> Path:
    """The directory of what is secret to log in with; only root looks into it."""
    return machine.config.file.parent / "build"


@contextmanager
def remote_environment(machine: Machine, build: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """What uv, and the git that uv starts, must know to get the requirements of a release.

    Logins are for the project's user in the block only, where its units cannot look: in the
    directory that releases are built in. A run that is killed there leaves them to
    `remove_leftovers`.
    """
    found = [path for name in SECRETS if (path := logins(machine) / name).exists()]
    if not found:
        yield environment_with(machine, build, None)
        return
    texts = {path.name: path.read_text() for path in found}
    with machine.as_user():
        folder = Path(tempfile.mkdtemp(prefix="logins-", dir=machine.build))
    try:
        with machine.as_user():
            for name, text in texts.items():
                (folder / name).touch(mode=0o600)
                (folder / name).write_text(text)
        yield environment_with(machine, build, folder)
    finally:
        machine.discard(folder)


def environment_with(
    machine: Machine, build: Mapping[str, Any], folder: Path | None
) -> dict[str, str]:
    """The variables for uv and git, with what `folder` has to log in with."""
    # ssh has nobody to ask, and a host is known by the key that it had first.
    ssh = ["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=accept-new"]
    ssh += ["-o", f"UserKnownHostsFile={machine.cache / 'known_hosts'}"]
    if folder and (key := folder / "deploy_key").exists():
        ssh += ["-o", "IdentitiesOnly=yes", "-i", str(key)]
    variables = {"GIT_SSH_COMMAND": shlex.join(ssh), "GIT_TERMINAL_PROMPT": "0"}
    if folder and (netrc := folder / "netrc").exists():
        variables["NETRC"] = str(netrc)
        variables["GIT_CONFIG_COUNT"] = "1"
        variables["GIT_CONFIG_KEY_0"] = "credential.helper"
        variables["GIT_CONFIG_VALUE_0"] = HELPER
    if index := indexes(build):
        variables["UV_INDEX"] = " ".join(index)
    if build.get("index_of_lock"):
        # Such an index has old versions of much besides; the lock names versions and hashes.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return variables


def indexes(build: Mapping[str, Any]) -> list[str]:
    """The addresses of the indexes to ask beside the machine's own: stated, and of the lock."""
    return [*build.get("index", ()), *build.get("index_of_lock", ())]


def explain_remote(machine: Machine, output: str) -> str:
    """What to change when requirements could not be got, told from what uv printed; "" if unknown.

    A login or a key that is missing or wrong, a host that is another one, a repository that is not
    there.
    """
    return _explain_login(machine, output) or _explain_git(machine, output)


def _explain_git(machine: Machine, output: str) -> str:
    if not (found := GIT.search(output)):
        return ""
    what = f"the repository {found[1]} of a requirement"
    if "Host key verification failed" in output:
        host = urllib.parse.urlsplit(found[1]).hostname or found[1]
        return (
            f"{host} shows another host key than at the first connection, so it may be somebody "
            f"else's machine. If its provider says that the key has changed, remove "
            f"{machine.cache / 'known_hosts'} on this machine."
        )
    reasons = REASON.findall(output)
    return f"{what} cannot be read: {reasons[0]}." if reasons else ""


def _explain_login(machine: Machine, output: str) -> str:
    folder = logins(machine)
    if BROKEN_KEY.search(output):
        return (
            "`deploy_key:` in project.yml is no whole key of SSH: a line of it is missing or "
            "changed. Put the file's whole text there, then run `espalier site`."
        )
    if found := SSH.search(output):
        if (folder / "deploy_key").exists():
            return (
                f"{found[1]} does not accept the key of `deploy_key:` in project.yml for a "
                "requirement's repository: allow its public half to read that one."
            )
        return (
            f"a requirement's repository on {found[1]} wants a key of SSH: write `deploy_key: "
            '"{{ vault_deploy_key }}"` in project.yml, allow its public half to read the '
            "repository, and run `espalier site`."
        )
    found = INDEX.search(output) or REPOSITORY.search(output)
    if not found:
        return ""
    address = next(filter(None, found.groups()))
    host = urllib.parse.urlsplit(address).hostname or address
    what = f"the {'index' if found.re is INDEX else 'repository'} {address}"
    netrc = folder / "netrc"
    if netrc.exists() and f"machine {host} " in netrc.read_text():
        return (
            f"{what} does not accept the login that project.yml has for {host}: change it under "
            "`logins:` or where `index:` has it, then run `espalier site`."
        )
    return (
        f"{what} asks for a login: write it in project.yml, for example "
        f'`logins: {{{host}: "user:{{{{ vault_login }}}}"}}` with vault_login in ansible-vault, '
        "then run `espalier site`."
    )
