"""What a certificate says, as openssl reads it."""

from __future__ import annotations

import datetime
import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from espalier_machine.common.system import run


@dataclass(frozen=True)
class Certificate:
    """The first certificate of a file: its names, its life, its SHA-256, and who vouches for it."""

    names: tuple[str, ...]
    begins: datetime.datetime
    ends: datetime.datetime
    fingerprint: str
    is_self_signed: bool = False

    @property
    def life(self) -> float:
        """How long it is valid in all, in seconds."""
        return (self.ends - self.begins).total_seconds()

    def spent(self, now: float) -> float:
        """The part of its life that is over; more than 1 once it has expired."""
        return (now - self.begins.timestamp()) / self.life


def read(path: Path) -> Certificate | None:
    """The first certificate of a file; None where there is none."""
    fields = ["-startdate", "-enddate", "-subject", "-issuer", "-fingerprint", "-sha256"]
    fields += ["-ext", "subjectAltName"]
    done = run("openssl", "x509", "-noout", "-in", str(path), *fields)
    return parse(done.stdout) if done.returncode == 0 else None


def parse(output: str) -> Certificate:
    """What openssl has printed."""
    found = dict(re.findall(r"^(\w[\w ]*)=(.*)$", output, re.MULTILINE))
    names = re.findall(r"(DNS|IP Address):([^,\s]+)", output)
    # openssl writes an IPv6 address in full.
    return Certificate(
        tuple(n if kind == "DNS" else str(ipaddress.ip_address(n)) for kind, n in names),
        _time(found["notBefore"]),
        _time(found["notAfter"]),
        found["sha256 Fingerprint"],
        found["subject"] == found["issuer"],
    )


def _time(text: str) -> datetime.datetime:
    parsed = datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y GMT")
    return parsed.replace(tzinfo=datetime.UTC)
