"""The keys by which ssh tells machines apart: which ones a machine shows, and which are known."""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier.inventory.known_hosts import paths
from espalier.inventory.ssh_config import command, is_direct, option, settings

SCAN_TIMEOUT = 5  # seconds
# The best first, as ssh prefers them: one of them is enough to compare.
KINDS = ("ED25519", "ECDSA", "RSA")
SIGNED_BY = {"ssh-rsa": "rsa-sha2-512,rsa-sha2-256"}  # others sign under their own name


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
        known: those that are known of it.
        is_checked: whether ssh refuses others (`StrictHostKeyChecking` is not `no`).
        direct: whether the machine is reached without a bastion.
    """

    name: str
    files: tuple[str, ...]
    shown: tuple[HostKey, ...]
    known: frozenset[HostKey]
    is_checked: bool = True
    direct: bool = True

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
    def is_unknown(self) -> bool:
        """Whether the machine answers, and nothing is known of it."""
        return bool(self.shown) and not self.known

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


def parse(text: str) -> list[HostKey]:
    """The keys in lines of known_hosts, the best first. Comments and certificates are none."""
    found = [words for line in text.splitlines() if len(words := line.split()) >= 3]
    keys = {HostKey(*words[1:3]) for words in found if not words[0].startswith("#")}
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
    host, port = found.get("hostkeyalias", found["hostname"]), found["port"]
    name = host if port == "22" or "hostkeyalias" in found else f"[{host}]:{port}"
    known = frozenset(key for file in files for key in stored(Path(file).expanduser(), name))
    return Compared(
        name,
        tuple(str(Path(file).expanduser()) for file in files),
        tuple(_shown(config, destination, found, known)),
        known,
        found.get("stricthostkeychecking") not in ("false", "no", "off"),
        is_direct(found),
    )


def stored(file: Path, name: str) -> list[HostKey]:
    """The keys that a file has for a name; its names may be hashed."""
    if not file.is_file():
        return []
    argv = ["ssh-keygen", "-F", name, "-f", str(file)]
    return parse(subprocess.run(argv, capture_output=True, text=True).stdout)


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
            "PreferredAuthentications": "none",
            "BatchMode": "yes",
            "ControlPath": "none",
            "ConnectTimeout": SCAN_TIMEOUT,
        }
        if known:  # ssh asks first for a kind that it can compare; here its file is empty
            kinds = ",".join(dict.fromkeys(SIGNED_BY.get(k.algorithm, k.algorithm) for k in known))
            options["HostKeyAlgorithms"] = f"^{kinds}"
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        argv = [*command(config, destination, flags), "true"]
        subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL)
        return parse(file.read_text()) if file.exists() else []


def scan(host: str, port: int) -> list[HostKey]:
    """The keys that a machine shows, the best first; none if it does not answer."""
    argv = ["ssh-keyscan", "-T", str(SCAN_TIMEOUT), "-p", str(port), "--", host]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    return parse(done.stdout)
