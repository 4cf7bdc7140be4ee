"""Whether a key lets people in, tried from here: what to try, and what the outcome means."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# A connection of its own, on which nothing is asked and no password is tried.
ALWAYS: Mapping[str, Any] = {
    "ControlMaster": "no",
    "ControlPath": "none",
    "BatchMode": "yes",
    "PreferredAuthentications": "publickey",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
}


@dataclass(frozen=True)
class Found:
    """What was found.

    Attributes:
        key_works: a key lets people in.
        options_work: it does with the options that are to be demanded, too.
        problem: ssh's words, "" where all works.
    """

    key_works: bool
    options_work: bool
    problem: str = ""


def flags(options: Mapping[str, Any]) -> list[str]:
    """Return the arguments of ssh for a connection with some options, by a key alone."""
    given = {**ALWAYS, **options}.items()
    return [word for name, value in given for word in ("-o", f"{name}={value}")]


def offered(options: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, str]:
    """Return of some lists of algorithms what ssh here offers by itself.

    Args:
        options: the lists, by option of ssh.
        own: what ssh uses for the machine, as `ssh -G` lists it.

    Raises:
        ValueError: of one of the lists it offers nothing.
    """
    found = {}
    for name, value in options.items():
        known = own.get(name.lower(), "").split(",")
        common = [one for one in str(value).split(",") if one in known]
        if not common:
            raise ValueError(f"it offers none of the {name} {value}")
        found[name] = ",".join(common)
    return found


def prove(
    attempt: Callable[[dict[str, Any]], str], options: Mapping[str, Any], own: Mapping[str, str]
) -> Found:
    """Try to log in by a key, with the options first.

    Args:
        attempt: connects with options of ssh; gives ssh's words where that fails, else "".
        options: what sshd is to demand.
        own: what ssh uses for the machine without, as `ssh -G` lists it.
    """
    try:
        problem = attempt(offered(options, own))
    except ValueError as error:
        problem = str(error)
    if not problem:
        return Found(True, True)
    plain = attempt({}) if options else problem
    return Found(not plain, False, plain or problem)


def notes(machine: str, found: Found, wants_keys: bool) -> list[str]:
    """Return what people have to know of a proof that failed, and what to do.

    Args:
        machine: its name.
        found: what came of the proof.
        wants_keys: passwords were to be switched off.
    """
    if not found.problem:
        return []
    if found.key_works:
        return [
            f"{machine}: SSH keeps Debian's own algorithms, as ssh here cannot connect with the "
            f"hardened ones ({found.problem}). Update OpenSSH here (9.0 is new enough), see that "
            "known_hosts has the machine's ED25519 key, and run this again; or write "
            "`ssh: {old_clients: true}` in hosts.yml."
        ]
    passwords = "still takes passwords" if wants_keys else "keeps its settings"
    return [
        f"{machine}: SSH {passwords}, as no key of yours lets you in without one "
        f"({found.problem}). Put a key there (`ssh-copy-id`; one with a passphrase has to be in "
        "ssh-agent) and run this again; or write `ssh: {passwords: true}` in hosts.yml if that is "
        "how it shall be."
    ]


def port_note(machine: str, port: int, old_port: int, problem: str) -> str:
    """Return what to do about a machine that listens on another port than it was reached by."""
    if problem:
        return (
            f"{machine}: SSH listens on port {port} too, but it does not let us in there "
            f"({problem}). Does a firewall in front of the machine, or a port that is forwarded, "
            f"stand between? Port {old_port} stays open, and `ansible_port` as it is."
        )
    return (
        f"{machine}: SSH answers on port {port} too. Write `ansible_port: {port}` in hosts.yml: "
        f"the next run comes in by it, and closes port {old_port}."
    )
