"""Asks a slot over its unix socket whether it is ready, as nginx would."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
from contextlib import suppress

from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """`path` is the socket's; `timeout` (s) is for each read and write."""
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a probe got: an HTTP status (0: no answer at all) and the beginning of the body."""

    status: int
    body: str

    def is_good(self, release: Release) -> bool:
        """Whether it is this release that answers, and is ready."""
        if not release.record["overlay"]:
            # 400 is what Django answers to a host that ALLOWED_HOSTS lacks.
            return 0 < self.status < 500 and self.status != 400
        with suppress(ValueError, AttributeError):
            return self.status == 200 and json.loads(self.body).get("release") == release.id
        return False

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.status} {self.body.strip()[:500]}" if self.status else self.body


def probe(machine: Machine, slot: str, release: Release, timeout: float = 5) -> Answer:
    """Ask the slot once whether it is ready."""
    path = machine.config.probe_path if release.record["overlay"] else "/"
    return ask(machine, slot, path, timeout)


def ask(machine: Machine, slot: str, path: str, timeout: float = 5) -> Answer:
    """Ask the slot for a page, as nginx would; never raises for a slot that does not answer."""
    connection = UnixConnection(machine.socket(slot), timeout)
    headers = {"Host": machine.config.probe_host, "X-Forwarded-Proto": "https"}
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(65536).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"no answer ({error or type(error).__name__})")
    finally:
        connection.close()
