"""The keys by which ssh tells machines apart: which ones a machine shows, and which are known."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from espalier.inventory.known_hosts import paths
from espalier.inventory.ssh_config import command, is_direct, option, settings

SCAN_TIMEOUT = 5  # seconds
# The best first, as ssh prefers them: one of them is enough to compare.
KINDS = ("ED25519", "ECDSA", "RSA")
SIGNED_BY = {"ssh-rsa": "rsa-sha2-512,rsa-sha2-256"}  # others sign under their own name
# In the words of OpenSSH, about a key that an authority has signed.
CERTIFICATE = re.compile(r"Server host certificate: \S+ (SHA256:[^\s,]+)")
ACCEPTED = re.compile(r"is known and matches the \S+ host certificate")


@dataclass(frozen=True)
class HostKey:
    """One key of a machine: its algorithm, and its public part in base64."""

    algorithm: str
    blob: str

    @property
    def kind(self) -> str:
        """What providers call it: ED25519, ECDSA or RSA."""
        return self.algorithm.removeprefix("ssh-").partition("-")[0].upper()

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` writes it: SHA256 of the public part, in base64."""
        digest = hashlib.sha256(base64.b64decode(self.blob)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        """The fingerprint, and which kind of key it is of."""
        return f"{self.fingerprint} ({self.kind})"


@dataclass(frozen=True)
class Compared:
    """A machine's keys beside those that are known.

    Attributes:
        name: under which known_hosts has the machine: `203.0.113.10`, or `[203.0.113.10]:2222`.
        files: where ssh looks for them, those of the inventory or of the person first.
        shown: the keys that the machine shows now, the best first; none if it does not answer.
        known: those that are known of it, or that a known authority has signed.
        is_checked: whether ssh refuses others (`StrictHostKeyChecking` is not `no`).
        direct: whether the machine is reached without a bastion.
        address: where ssh connects to: `ansible_host`, or what a `HostName` makes of it.
        revoked: keys that are not to be accepted.
    """

    name: str
    files: tuple[str, ...]
    shown: tuple[HostKey, ...]
    known: frozenset[HostKey]
    is_checked: bool = True
    direct: bool = True
    address: str = ""
    revoked: frozenset[HostKey] = frozenset()

    @property
    def matching(self) -> HostKey | None:
        """The best key that the machine shows and that is known."""
        return next((key for key in self.shown if key in self.known), None)

    @property
    def changed(self) -> HostKey | None:
        """A key of a kind that is known, and is another one than that; None if one matches."""
        kinds = {key.kind for key in self.known}
        return None if self.matching else next((k for k in self.shown if k.kind in kinds), None)

    @property
    def refused(self) -> HostKey | None:
        """A revoked key that the machine shows; None if another one of its keys matches."""
        return None if self.matching else next((k for k in self.shown if k in self.revoked), None)

    @property
    def is_unknown(self) -> bool:
        """Whether the machine answers, and nothing is known of it."""
        return bool(self.shown) and not self.known and not self.refused

    @property
    def to_keep(self) -> tuple[HostKey, ...]:
        """The keys that may be kept together: those that are known, or else the best one.

        No other one: a machine can show anybody's public key beside its own, and ssh-keyscan asks
        for no proof. Only a key that somebody has compared is worth something.
        """
        return tuple(key for key in self.shown if key in self.known) or self.shown[:1]

    @property
    def lines(self) -> list[str]:
        """What known_hosts would have to say of the machine."""
        return lines(self.name, self.to_keep)


def lines(name: str, keys: Iterable[HostKey]) -> list[str]:
    """The lines of known_hosts for a machine."""
    return [f"{name} {key.algorithm} {key.blob}" for key in keys]


class Stored(NamedTuple):
    """What known_hosts says of a machine: its keys, revoked ones, whether there is an authority."""

    keys: frozenset[HostKey] = frozenset()
    revoked: frozenset[HostKey] = frozenset()
    authority: bool = False


def parse(text: str, marker: str = "") -> list[HostKey]:
    """The keys in lines of known_hosts that have a marker, or none; the best first."""
    found = (line.split() for line in text.splitlines() if not line.startswith("#"))
    marked = (words if words and words[0][0] == "@" else ["", *words] for words in found)
    keys = {HostKey(*words[2:4]) for words in marked if words[0] == marker and len(words) >= 4}
    return sorted((k for k in keys if k.kind in KINDS), key=lambda key: KINDS.index(key.kind))


def compare(config: Path, destination: str, variables: Mapping[str, Any]) -> Compared:
    """Ask a machine for its keys, and look up those that are known.

    Args:
        config: the ssh configuration (`ssh_config.config_file`).
        destination: the machine's name in it.
        variables: how Ansible reaches it.
    """
    # ssh itself is asked, as a person's own configuration has a say too.
    found = settings(config, destination)
    # But a path with a space in it cannot be read from its answer.
    own = option(variables, "UserKnownHostsFile", destination)
    files = paths(own) if own else found["userknownhostsfile"].split()
    files += found.get("globalknownhostsfile", "").split()
    alias, port = found.get("hostkeyalias"), found["port"]
    host = alias or found["hostname"]
    name = host if port == "22" or alias else f"[{host}]:{port}"
    said = stored(files, name)
    shown = _shown(config, destination, found, said.keys)
    known, revoked = said.keys, said.revoked
    if name != host and not (said.keys or said.authority):
        # As ssh does: without the port, where only a key that is the same counts.
        said = stored(files, host)
        known, revoked = said.keys & frozenset(shown), revoked | said.revoked
    if said.authority and known.isdisjoint(shown):
        signed = _certified(config, destination)
        known |= {key for key in shown if key.fingerprint == signed}
    return Compared(
        name,
        tuple(str(Path(file).expanduser()) for file in files),
        tuple(shown),
        known - revoked,
        found.get("stricthostkeychecking") not in ("false", "no", "off"),
        is_direct(found),
        found["hostname"],
        revoked,
    )


def stored(files: Iterable[str], name: str) -> Stored:
    """What files have for a name, as ssh-keygen finds it: hashed names, patterns and markers."""
    text = ""
    for file in (Path(one).expanduser() for one in files):
        if file.is_file():
            argv = ["ssh-keygen", "-F", name, "-f", str(file)]
            text += subprocess.run(argv, capture_output=True, text=True).stdout
    revoked = frozenset(parse(text, "@revoked"))
    return Stored(frozenset(parse(text)), revoked, "\n@cert-authority " in text)


def _shown(
    config: Path, destination: str, found: Mapping[str, str], known: Collection[HostKey]
) -> list[HostKey]:
    """The keys that a machine shows; behind a bastion, the one that ssh agrees upon."""
    if is_direct(found):
        return scan(found["hostname"], int(found["port"]))
    with tempfile.TemporaryDirectory(prefix="espalier-ssh-") as folder:
        file = Path(folder, "known_hosts")
        options = {
            "UserKnownHostsFile": file,
            "GlobalKnownHostsFile": "none",
            "StrictHostKeyChecking": "accept-new",
            "HashKnownHosts": "no",
        }
        if known:  # ssh asks first for a kind that it can compare; here its file is empty
            kinds = ",".join(dict.fromkeys(SIGNED_BY.get(k.algorithm, k.algorithm) for k in known))
            options["HostKeyAlgorithms"] = f"^{kinds}"
        _greet(config, destination, options)
        return parse(file.read_text()) if file.exists() else []


def _certified(config: Path, destination: str) -> str:
    """The fingerprint of a machine's key whose certificate ssh accepts; "" where it does not."""
    words = _greet(config, destination, {"LogLevel": "DEBUG1"})
    found = CERTIFICATE.search(words)
    return found[1] if found and ACCEPTED.search(words) else ""


def _greet(config: Path, destination: str, options: Mapping[str, Any]) -> str:
    """Have ssh look at a machine's host key, and log in nowhere; gives what ssh says."""
    fixed = {
        "PreferredAuthentications": "none",
        "BatchMode": "yes",
        "ControlPath": "none",
        "ConnectTimeout": SCAN_TIMEOUT,
    }
    given = {**options, **fixed}.items()
    flags = [word for name, value in given for word in ("-o", f"{name}={value}")]
    argv = [*command(config, destination, flags), "true"]
    return subprocess.run(
        argv, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
    ).stderr


def scan(host: str, port: int) -> list[HostKey]:
    """The keys that a machine shows, the best first; none if it does not answer."""
    argv = ["ssh-keyscan", "-T", str(SCAN_TIMEOUT), "-p", str(port), "--", host]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return parse(done.stdout)
