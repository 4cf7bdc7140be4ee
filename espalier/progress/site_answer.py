"""Whether the site answers visitors, asked from the control machine."""

from __future__ import annotations

import http.client
import socket
import ssl

TIMEOUT = 5  # seconds


def answers(address: str, host: str, port: int = 443) -> bool:
    """Whether the front page comes, and is no server error.

    Args:
        address: of the machine that takes traffic.
        host: the name that visitors type.
        port: of HTTPS.
    """
    # It may be self-signed, and nothing secret is sent.
    context = ssl._create_unverified_context()
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT)
    try:
        plain = socket.create_connection((address, port), TIMEOUT)
        connection.sock = context.wrap_socket(plain, server_hostname=host)
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
