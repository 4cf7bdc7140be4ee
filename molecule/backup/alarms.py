"""Somebody outside of the machines, whom they tell: takes what `webhook` of `alerts` gets."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lab import STORE, on

from tests.steps import demand, soon

PORT = 8026  # as in site/hosts.yml
STATE = "/var/lib/espalier/alerts/state.json"
PATIENCE = 90  # seconds: a look comes each minute, and where a unit fails


class Alarms:
    """Takes what machines tell, from the first step on that asks for it."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self.texts: list[str] = []
        self._server: ThreadingHTTPServer | None = None

    def forget(self, *addresses: str) -> None:
        """Have machines forget what they told, and what waits; begin with what comes from now."""
        if self._server is None:
            self._server = ThreadingHTTPServer((STORE.address, PORT), receiver(self.texts))
            threading.Thread(target=self._server.serve_forever, daemon=True).start()
        for address in addresses:
            on(address, f"rm -f {STATE}; systemctl start espalier-alerts.service")
        self.texts.clear()

    def demand(self, words: str, seconds: float = PATIENCE) -> None:
        """Demand that a message with these words comes, or has come."""
        came = soon(lambda: any(words in text for text in self.texts), seconds)
        demand(came, f"nobody was told {words!r}, but {self.texts}")


def receiver(texts: list[str]) -> type[BaseHTTPRequestHandler]:
    """What answers: it keeps the text of each message."""

    class Receiver(BaseHTTPRequestHandler):
        """Takes a message."""

        def do_POST(self) -> None:
            """Keep its text."""
            content = self.rfile.read(int(self.headers["Content-Length"]))
            texts.append(json.loads(content)["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            """Say nothing."""

    return Receiver


ALARMS = Alarms()
