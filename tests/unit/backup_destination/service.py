"""A service that speaks S3's language, and what is said of a destination that is tried."""

from __future__ import annotations

import http.server
from collections.abc import Mapping
from email.utils import formatdate
from time import time
from typing import Any, NamedTuple

from plugins.module_utils.backup_destination.machine import try_machine
from plugins.module_utils.backup_destination.problem import Problem
from plugins.module_utils.backup_destination.s3 import try_s3
from plugins.module_utils.backup_destination.sftp import try_sftp

TRIALS = {"s3": try_s3, "sftp": try_sftp, "machine": try_machine}
SECRETS = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG"}
MD5 = "z8ojqO1ydT3gvfOibQTW0A=="  # of what is written, in base64


class Reply(NamedTuple):
    """What the service answers in place of what it would."""

    status: int
    code: str = ""
    more: str = ""
    headers: Mapping[str, str] = {}


class Service(http.server.ThreadingHTTPServer):
    """A service that speaks S3's language, on loopback."""

    def __init__(self) -> None:
        """Have an empty bucket."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.headers: dict[str, str] = {}
        self.skew = 0

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Settings that lead there."""
        known = {"to": "s3", "bucket": "shop-backups", "endpoint": self.endpoint}
        return {**known, "region": "eu-central-1", "path": "/shop/live", **changes}

    def problem(self, **changes: Any) -> str:
        """Try it; gives the sentence with a name for host and port."""
        return attempt(self.settings(**changes))[0].replace(self.endpoint, "s3.example.com")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a request."""

    server: Service

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
        """Send an answer."""
        self.send_response_only(status)
        self.send_header("Date", formatdate(time() + self.server.skew, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        for name, value in {**self.server.headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self) -> None:
        """Keep an object, give it, or delete it."""
        store, path = self.server.objects, self.path
        name = path.rpartition("/")[2]
        self.server.requests.append(f"{self.command} {name.partition('-try-')[0]}")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if reply := self.server.replies.get(self.command):
            body = f"<Error><Code>{reply.code}</Code>{reply.more}</Error>" if reply.code else "<p>"
            self.answer(reply.status, body.encode(), reply.headers)
        elif self.command == "PUT" and self.headers["Content-MD5"] != MD5:
            self.answer(400)
        elif self.command == "PUT":
            store[path] = content
            self.answer(200)
        elif self.command == "DELETE":
            store.pop(path, None)
            self.answer(204)
        elif path in store:
            self.answer(200, store[path])
        else:
            self.answer(404)

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_request

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def attempt(
    settings: dict[str, Any], secrets: dict[str, str] = SECRETS, scheme: str = "http"
) -> tuple[str, dict[str, Any]]:
    """Try a destination; gives the problem and what else was seen."""
    seen = {"clock_skew": None, "has_backups": False, "info_begins": "", "free_bytes": None}
    more = {"scheme": scheme} if settings["to"] == "s3" else {}
    try:
        TRIALS[settings["to"]](settings, secrets, "shop", seen, **more)
    except Problem as error:
        return str(error), seen
    return "", seen
