"""Asks this machine's own nginx for the live release."""

from __future__ import annotations

import http.client
import ssl
import time
from contextlib import closing
from urllib.parse import urlsplit

from espalier_machine.release.machine import Machine
from espalier_machine.release.probe import Answer
from espalier_machine.release.record import Release

PROBE_FRONT = 15  # seconds


class NamedConnection(http.client.HTTPSConnection):
    """HTTPS to an address that tells in the handshake which site is meant, as a browser does."""

    def __init__(self, address: str, name: str, timeout: float) -> None:
        """`address` may have a port; `timeout` (s) is for each read and write."""
        super().__init__(address, timeout=timeout)
        self.name = name

    def connect(self) -> None:
        """Connect, and ask for the name: under another one nginx answers nobody."""
        http.client.HTTPConnection.connect(self)
        # Nothing leaves the machine: whose certificate it is does not matter.
        context = ssl._create_unverified_context()
        self.sock = context.wrap_socket(self.sock, server_hostname=self.name)


def connect(front: str, name: str, timeout: float) -> http.client.HTTPConnection:
    """A connection to where nginx answers, `front`, for the site of that name."""
    parts = urlsplit(front)
    if parts.scheme == "https":
        return NamedConnection(parts.netloc, name, timeout)
    return http.client.HTTPConnection(parts.netloc, timeout=timeout)


def ask_front(front: str, name: str, path: str, timeout: float = 5) -> Answer:
    """Ask nginx for a page once, following no redirect; never raises where nobody answers."""
    try:
        with closing(connect(front, name, timeout)) as connection:
            connection.request("GET", path, headers={"Host": name})
            response = connection.getresponse()
            return Answer(response.status, response.read(65536).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"no answer ({error or type(error).__name__})")


def probe_front(machine: Machine, release: Release, timeout: float = PROBE_FRONT) -> Answer:
    """The release's answer through nginx, which may ask other machines too, or the last other.

    It is asked again until it is this release's, for `timeout` seconds; with 0, only once.
    """
    config = machine.config
    path = config.probe_path if release.record["overlay"] else "/"
    deadline = time.monotonic() + timeout
    while True:
        answer = ask_front(config.front, config.probe_host, path)
        if answer.is_good(release) or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)
