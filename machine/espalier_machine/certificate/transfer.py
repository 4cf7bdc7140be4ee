"""A new web machine begins with a copy of a living certificate: out of here, and into there."""

from __future__ import annotations

import base64
import io
import shutil
import tarfile
from collections.abc import Collection

from espalier_machine.certificate import certbot
from espalier_machine.common import x509

# certbot's own files of the one certificate; each machine has the account from the inventory.
PARTS = ("live", "archive", "renewal")
CHAIN = certbot.CERTIFICATE.relative_to(certbot.CONFIG)


def export() -> str:
    """certbot's files of the certificate as base64 of a tar file; it holds the private key."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for part in PARTS:
            archive.add(certbot.CONFIG / part, part)
    return base64.b64encode(packed.getvalue()).decode()


def take(text: str, names: Collection[str]) -> bool:
    """Unpack what `export` gave, where it is better than what is here; gives whether it was."""
    certbot.CONFIG.mkdir(parents=True, exist_ok=True)
    staged = certbot.CONFIG / "incoming"
    shutil.rmtree(staged, ignore_errors=True)
    staged.mkdir(mode=0o700)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(text)), mode="r:gz") as archive:
        # Debian 12's Python has no filters; what comes here is from a machine of the same site.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, path: member)
        archive.extractall(staged)
    here, incoming = (x509.read(folder / CHAIN) for folder in (certbot.CONFIG, staged))
    if incoming is None or (here and not is_better(incoming, here, names)):
        shutil.rmtree(staged)
        return False
    # `live` last: it is what says that there is a certificate.
    for part in reversed(PARTS):
        shutil.rmtree(certbot.CONFIG / part, ignore_errors=True)
        (staged / part).rename(certbot.CONFIG / part)
    staged.rmdir()
    return True


def is_better(one: x509.Certificate, other: x509.Certificate, names: Collection[str]) -> bool:
    """Whether a certificate has more of the names than another one, or lasts longer."""
    has, had = (len(set(names) & set(of.names)) for of in (one, other))
    return has > had or (has == had and one.ends > other.ends)
