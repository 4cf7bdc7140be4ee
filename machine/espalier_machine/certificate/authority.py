"""The authority's directory: whether it answers, what its time is, and its name in CAA records."""

from __future__ import annotations

import email.utils
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from urllib.parse import urlsplit

from espalier_machine.certificate.errors import CertificateError

TIMEOUT = 20  # seconds
CLOCK = 300  # seconds that clocks may differ


@dataclass(frozen=True)
class Directory:
    """What the directory says: the authority's names in CAA records, and its profiles."""

    identities: tuple[str, ...]
    profiles: tuple[str, ...]


def directory(url: str) -> Directory:
    """Ask the authority for its directory.

    Raises CertificateError where it does not answer, or its clock and ours differ.
    """
    host = urlsplit(url).hostname
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            date, content = answer.headers["Date"], json.loads(answer.read(1_000_000))
    except urllib.error.HTTPError as error:
        wait = retry_after(error.headers.get("Retry-After", ""))
        raise CertificateError(
            f"{host} answers with the status {error.code}; it is asked again later.",
            by_authority=error.code == 429 or wait > 0,
            wait=wait,
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        hint = " (is this machine's clock right?)" if "not yet valid" in str(reason) else ""
        raise CertificateError(
            f"{host} cannot be asked for a certificate: {reason}{hint}"
        ) from None
    theirs = email.utils.parsedate_to_datetime(date).timestamp() if date else time.time()
    if abs(off := time.time() - theirs) > CLOCK:
        raise CertificateError(
            f"This machine's clock is {abs(off) / 60:.0f} minutes "
            f"{'ahead of' if off > 0 else 'behind'} that of {host}: `timedatectl set-ntp true`."
        )
    meta = content.get("meta", {})
    return Directory(tuple(meta.get("caaIdentities", ())), tuple(meta.get("profiles", ())))


def retry_after(text: str, now: float | None = None) -> float:
    """The seconds of a Retry-After header, which has a number or a date; 0 where it has neither."""
    if text.strip().isdigit():
        return float(text)
    try:
        at = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return 0
    return max(0, at - (time.time() if now is None else now))
