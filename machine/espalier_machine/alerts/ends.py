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
    if found is None or found.ends - (now or datetime.datetime.now(datetime.UTC)) >= NEAR:
        return ""
    return f"{found.ends:%Y-%m-%d}"


def is_authority_ending(folder: Path = CERTIFICATES) -> bool:
    """Whether the certificate lasts as long as the site's authority: no run gives a longer one."""
    found, authority = _in_use(folder), x509.read(folder / "authority.crt")
    return found is not None and authority is not None and found.ends >= authority.ends


def _in_use(folder: Path) -> x509.Certificate | None:
    files = folder.glob("*/machine.crt")
    newest = max(files, key=lambda path: path.stat().st_mtime, default=None)
    return x509.read(newest) if newest else None
