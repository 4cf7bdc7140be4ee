"""A visitor of a site in the lab, who verifies its certificate or not."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """What a visitor sees: the status, the headers, and the certificate (DER)."""

    status: int
    headers: http.client.HTTPMessage
    certificate: bytes


def front_page(address: str, name: str, authority: Path | None = None) -> Page:
    """Return the front page of a site.

    Args:
        address: of the machine that is asked.
        name: which site.
        authority: file with whom to trust; None trusts everybody.

    Raises:
        ssl.SSLError: the certificate is not trusted, or not for the name.
        OSError, http.client.HTTPException: nothing answers, or no page.
    """
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    if authority is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(name, timeout=10, context=context)
    connection._create_connection = lambda *_, **__: socket.create_connection((address, 443), 10)  # type: ignore[attr-defined]
    try:
        connection.connect()
        served = connection.sock.getpeercert(binary_form=True) or b""
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
    finally:
        connection.close()
    return Page(response.status, response.headers, served)
