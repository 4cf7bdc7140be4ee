"""The end of the certificate by which other machines of the site know this one."""

from __future__ import annotations

import datetime
from pathlib import Path

from espalier_machine.common import x509

CERTIFICATES = Path("/etc/espalier/tls")
# Any run renews it a year before: one that is near its end has seen none for a long time, or the
# authority ends too.
NEAR = datetime.timedelta(days=60)


def ending(folder: Path = CERTIFICATES, now: datetime.datetime | None = None) -> str:
    """The day on which the certificate ends (YYYY-MM-DD); "" where that is far, or it has none."""
    found = _in_use(folder)
    return f"{found.ends:%Y-%m-%d}" if found and _is_near(found, now) else ""


def is_authority_ending(folder: Path = CERTIFICATES, now: datetime.datetime | None = None) -> bool:
    """Whether the site's authority ends soon too: no run gives a certificate that lasts longer."""
    authority = x509.read(folder / "authority.crt")
    return authority is not None and _is_near(authority, now)


def _is_near(found: x509.Certificate, now: datetime.datetime | None) -> bool:
    return found.ends - (now or datetime.datetime.now(datetime.UTC)) < NEAR


def _in_use(folder: Path) -> x509.Certificate | None:
    files = folder.glob("*/machine.crt")
    newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
    return x509.read(newest) if newest else None
