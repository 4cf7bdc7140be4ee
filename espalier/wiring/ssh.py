"""SSH: what hosts.yml says and what a machine tells of itself become the inputs of the role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.inventory.addresses import is_ip_address
from espalier.inventory.machine_settings.check import settings

CIPHERS = (
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes192-ctr,"
    "aes128-gcm@openssh.com,aes128-ctr"
)
SHA_256, SHA_512 = "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"
UMAC = "umac-128-etm@openssh.com"
HOST_KEYS = (
    "ssh-ed25519,ssh-ed25519-cert-v01@openssh.com,sk-ssh-ed25519@openssh.com,"
    "sk-ssh-ed25519-cert-v01@openssh.com"
)
QUANTUM_SAFE = "sntrup761x25519-sha512,sntrup761x25519-sha512@openssh.com"
# By release of Debian, what the policies "Hardened Debian 12 (version 3)" and "Hardened Debian 13
# (version 1)" of ssh-audit 3.9 want. That of Debian 12 wants a host key of RSA beside.
ALGORITHMS: Mapping[str, Mapping[str, str]] = {
    "bookworm": {
        "KexAlgorithms": f"{QUANTUM_SAFE},curve25519-sha256,curve25519-sha256@libssh.org,"
        "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512,"
        "diffie-hellman-group-exchange-sha256",
        "Ciphers": CIPHERS,
        "MACs": f"{SHA_256},{SHA_512},{UMAC}",
        "HostKeyAlgorithms": f"{HOST_KEYS},rsa-sha2-512,rsa-sha2-256,"
        "rsa-sha2-512-cert-v01@openssh.com,rsa-sha2-256-cert-v01@openssh.com",
    },
    "trixie": {
        "KexAlgorithms": f"mlkem768x25519-sha256,{QUANTUM_SAFE}",
        "Ciphers": CIPHERS,
        "MACs": f"{SHA_512},{SHA_256},{UMAC}",
        "HostKeyAlgorithms": HOST_KEYS,
    },
}
KEYS = "/etc/ssh/espalier-keys"
# What the role writes that only a proof allows.
KEYS_ONLY, HARDENED = "PasswordAuthentication no", "KexAlgorithms "


def ssh_settings(value: Any) -> Mapping[str, Any]:
    """Return what `ssh` in the inventory says, its templates filled in, with all defaults.

    Raises:
        InventoryError: it makes no sense.
    """
    return settings("ssh", value).model_dump()


def ssh_packages(said: Mapping[str, Any]) -> list[str]:
    """Return the Debian packages that a machine needs for what `ssh` says."""
    found = ["sudo"] if any(user["sudo"] for user in said["users"].values()) else []
    # Debian 12's fail2ban only recommends the reader of the journal, where sshd logs.
    return found + (["fail2ban", "python3-systemd", "nftables"] if said["fail2ban"] else [])


def ssh_algorithms(release: str, old_clients: bool) -> Mapping[str, str]:
    """Return the algorithms of sshd, by keyword; none where Debian's own are to stay."""
    return {} if old_clients else ALGORITHMS[release]


def ssh_ports(port: int | None, state: Mapping[str, Any]) -> list[int]:
    """Return the ports that the kit's file of sshd names; none where the machine's own stay.

    The one by which this run came in is among them, so that nobody is locked out by an edit; a run
    that comes in by the new one leaves it out.

    Args:
        port: as the inventory wants it; None where it says nothing.
        state: the fact `sshd` of the machine.
    """
    came = state["port"]
    if port:
        return list(dict.fromkeys([port, *([came] if came else [])]))
    own = [line for line in state["settings"] if line.startswith("Port ")]
    # The key was taken out of the inventory again: back to 22, once somebody came in by that.
    return [22, came] if f"Port {came}" in own and came != 22 else []


def ssh_must_prove(said: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Return whether this run closes a door that a key may have to be proven for first."""
    lines = state["settings"]
    closes = not said["passwords"] and KEYS_ONLY not in lines
    hardens = not said["old_clients"] and not any(line.startswith(HARDENED) for line in lines)
    return closes or hardens


def ssh_changed_accounts(
    users: Mapping[str, Any], state: Mapping[str, Any]
) -> Mapping[str, list[str]]:
    """Return whose accounts are to be opened, and whose are to be closed."""
    accounts = state["accounts"]
    return {
        "opened": [name for name in users if not accounts.get(name)],
        "closed": [name for name, is_open in accounts.items() if is_open and name not in users],
    }


def ssh_refusal(users: Mapping[str, Any], state: Mapping[str, Any], project: str) -> str:
    """Return why these users cannot be made on a machine, or not be taken away; "" if they can."""
    for name in users:
        if name == project:
            return (
                f"`ssh.users` names {name}, which is the project's own user. Choose another name "
                "for the person"
            )
        if name in state["names"] and name not in state["accounts"]:
            return (
                f"`ssh.users` names {name}, and there is an account of that name that the kit did "
                "not make. Choose another name for the person, or leave the account as it is and "
                "take the name out of `ssh.users`"
            )
    closed = ssh_changed_accounts(users, state)["closed"]
    if state["user"] in closed:
        return (
            f"this run came in as {state['user']}, who is no longer in `ssh.users` and would lose "
            "the account. Set `ansible_user` to another user first, or write the name there again"
        )
    allowed = [one.partition("@")[0] for one in state["allowed"]]
    out = [name for name in users if not {name, "espalier-users"} & set(allowed)]
    if allowed and out:
        return (
            f"its sshd lets in only {', '.join(state['allowed'])} (AllowUsers or AllowGroups), so "
            f"{', '.join(out)} of `ssh.users` could not log in. Add `espalier-users` to "
            "AllowGroups, or the name to AllowUsers, in the machine's own file in /etc/ssh"
        )
    return ""


def ssh_exempt(topology: Mapping[str, Any]) -> list[str]:
    """Return whose failed logins are not counted: the machine itself, and those of the site."""
    machines = topology["machines"].values()
    named = [of[key] for of in machines for key in ("address", "public_address")]
    return list(dict.fromkeys(["127.0.0.1", "::1", *filter(is_ip_address, named)]))


def ssh_key_files(users: Mapping[str, Any], header: str) -> list[dict[str, str]]:
    """Return the file of each person's keys, as the module `files` takes it."""
    return [
        {"path": f"{KEYS}/{name}", "content": "\n".join([f"# {header}", *user["keys"], ""])}
        for name, user in users.items()
    ]
