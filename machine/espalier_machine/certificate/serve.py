"""Hand a certificate to nginx: one file with key and chain, replaced whole; then a reload."""

from __future__ import annotations

import ssl
from pathlib import Path

from espalier_machine.certificate.config import SERVED
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.certificate.state import write
from espalier_machine.common.system import run
from espalier_machine.common.text import last_line


def serve(certificate: Path, key: Path, served: Path = SERVED) -> bool:
    """Serve a certificate; gives whether it was another one than before.

    Raises CertificateError where the two do not belong together, or nginx does not take them.
    """
    wanted = key.read_text().rstrip() + "\n" + certificate.read_text()
    if served.exists() and served.read_text() == wanted:
        return False
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    except (ssl.SSLError, OSError) as error:
        raise CertificateError(
            f"{certificate} and {key} cannot be served together: {error}."
        ) from None
    write(served, wanted, 0o600)
    done = run("systemctl", "reload", "nginx", timeout=60)
    if done.returncode and run("systemctl", "is-active", "--quiet", "nginx").returncode == 0:
        raise CertificateError(f"nginx was not reloaded: {last_line(done.stderr)}")
    return True
