"""The end of the certificate by which other machines of the site know this one."""

from __future__ import annotations

import datetime
from contextlib import suppress
from pathlib import Path

from espalier_machine.common.system import run

CERTIFICATES = Path("/etc/espalier/tls")
# Any run renews it a year before: one that is near its end has seen none for a long time.
NEAR = datetime.timedelta(days=60)


def ending(folder: Path = CERTIFICATES, now: datetime.datetime | None = None) -> str:
    """The day on which the certificate ends (YYYY-MM-DD); "" where that is far, or it has none."""
    files = sorted(folder.glob("*/machine.crt"), key=lambda path: path.stat().st_mtime)
    if not files:
        return ""
    done = run("openssl", "x509", "-noout", "-enddate", "-in", str(files[-1]))
    with suppress(ValueError):
        text = done.stdout.strip().removeprefix("notAfter=")
        ends = datetime.datetime.strptime(text, "%b %d %H:%M:%S %Y GMT")
        ends = ends.replace(tzinfo=datetime.UTC)
        return f"{ends:%Y-%m-%d}" if ends - (now or _now()) < NEAR else ""
    return ""


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
