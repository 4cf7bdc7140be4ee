"""Why a machine cannot be reached, in one sentence: its host key, or whatever else ssh says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from espalier.inventory.host_keys import Compared
from espalier.inventory.known_hosts import FILE, for_people

# In the words of OpenSSH, and of pyinfra.
UNKNOWN = re.compile(r"No \S+ host key is known for|No host key for \S+ found in known_hosts")
CHANGED = re.compile(r"Host key for (server )?\S+ (has changed|does not match)")
REVOKED = re.compile(r"[Hh]ost key for \S+ (is marked as|was) revoked")
# OpenSSH's last words, which are all where it would have to ask.
UNVERIFIED = "Host key verification failed"
SENT = re.compile(r"fingerprint for the (\S+) key sent by the remote host is\s+(\S+?)\.?\s")


def unknown_key(machine: str, key: object = "", file: str = "") -> str:
    """The sentence for a machine that is not known yet.

    Args:
        machine: its name.
        key: what it shows, if that is known.
        file: where the key was looked for.
    """
    return (
        f"{machine} shows an SSH host key that {file or f'{FILE} beside hosts.yml'} does not have"
        f"{f', {key}' if key else ''}. `espalier check` shows it, and keeps it when you have "
        "compared it with the one in the provider's console."
    )


def changed_key(machine: str, key: object = "", name: str = "", file: str = "") -> str:
    """The sentence for a machine that shows another key than the one that is known.

    Args:
        machine: its name.
        key: what it shows, if that is known.
        name: under which `file` has it.
        file: where the known key is.
    """
    remove = f" (`ssh-keygen -R '{name}' -f '{file}'`)" if name else ""
    return (
        f"{machine} shows another SSH host key than the one that is known of it"
        f"{f', {key}' if key else ''}. If the machine was installed anew, remove the known one"
        f"{remove} and run `espalier check`; if not, somebody may stand between you and it."
    )


def revoked_key(machine: str, key: object = "", file: str = "") -> str:
    """The sentence for a machine that shows a key which is marked as revoked; as `unknown_key`."""
    return (
        f"{machine} shows an SSH host key that {file or FILE} marks as revoked"
        f"{f', {key}' if key else ''}. Give the machine a new host key; if it has one already, "
        "somebody may stand between you and it."
    )


def host_key_refusal(machine: str, words: str, compared: Compared | None = None) -> str:
    """The sentence for a refused host key; "" where `words` tell of another error.

    Args:
        machine: its name.
        words: what ssh or pyinfra said.
        compared: the machine's keys, where it was asked for them.
    """
    patterns = (UNKNOWN, CHANGED, REVOKED)
    if not (UNVERIFIED in words or any(pattern.search(words) for pattern in patterns)):
        return ""
    file = for_people(compared.files[0]) if compared and compared.files else ""
    shown = compared.shown[0] if compared and compared.shown else ""
    if REVOKED.search(words) or (compared and compared.refused):
        return revoked_key(machine, (compared and compared.refused) or shown, file)
    if CHANGED.search(words) or (compared and compared.changed):
        sent = SENT.search(words)
        key = f"{sent[2]} ({sent[1]})" if sent else shown
        return changed_key(machine, key, compared.name if compared else "", file)
    return unknown_key(machine, shown, file)


def unreachable(
    machine: str, variables: Mapping[str, Any], words: str, compared: Compared | None = None
) -> str:
    """The sentence for a machine that cannot be reached.

    Args:
        machine: its name.
        variables: how Ansible reaches it.
        words: what ssh said.
        compared: the machine's keys, where it was asked for them.
    """
    if refused := host_key_refusal(machine, words, compared):
        return refused
    address = str(variables.get("ansible_host", machine))
    user = f"{variables['ansible_user']}@" if "ansible_user" in variables else ""
    port = f" -p {variables['ansible_port']}" if "ansible_port" in variables else ""
    return (
        f"{machine} cannot be reached at {address}: {reason(words)}. Check `ansible_host` and "
        "`ansible_user` in hosts.yml, that the machine is on, and that "
        f"`ssh {user}{address}{port}` lets you in."
    )


def reason(words: str) -> str:
    """What ssh said, without what Ansible put before it."""
    return re.sub(r"(?s)^.*\bssh: ", "", words).strip().rstrip(".") or "no answer"
