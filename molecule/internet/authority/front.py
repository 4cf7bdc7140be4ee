#!/usr/bin/env python3
"""Stands in front of pebble: lets requests through, or answers as the file `mode` says.

    normal      lets all through
    due         says of every certificate that it is to be renewed now (ARI); lets all else through
    slow        lets all through, each after a minute
    limited     answers orders with the status 429, and wants to be left alone for 90 minutes

It answers as the lab's own authority (port 14000), and as Let's Encrypt and its staging (443).
Every order is written to the file `orders`, and every question when to renew to `questions`, a
line each with the name under which it was asked.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

MODE, ORDERS, QUESTIONS = Path("mode"), Path("orders"), Path("questions")
PAST = {"suggestedWindow": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}}
LIMITED = {
    "type": "urn:ietf:params:acme:error:rateLimited",
    "detail": "too many certificates already issued for this exact set of identifiers",
    "status": 429,
}


class Front(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        """Let it through, or not."""
        mode = MODE.read_text().strip() if MODE.exists() else "normal"
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        is_question = "/renewalInfo/" in self.path
        if is_order := self.path.endswith("/order-plz"):
            self._count(ORDERS)
        if is_question:
            self._count(QUESTIONS)
        if mode == "slow":
            time.sleep(60)
        if mode == "limited" and is_order:
            headers = [("Content-Type", "application/problem+json"), ("Retry-After", "5400")]
            headers.append(("Replay-Nonce", self._nonce()))
            self._answer(429, headers, json.dumps(LIMITED).encode())
            return
        if mode == "due" and is_question:
            headers = [("Content-Type", "application/json"), ("Retry-After", "1")]
            self._answer(200, headers, json.dumps(PAST).encode())
            return
        # Where Let's Encrypt has it, and where pebble does.
        path = "/dir" if self.path == "/directory" else self.path
        answer = self._ask(self.command, path, body)
        content = answer.read()
        left_out = ["transfer-encoding", "content-length"]
        # The next question may come at once, and not only in some hours.
        left_out += ["retry-after"] if is_question else []
        kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in left_out]
        kept += [("Retry-After", "1")] if is_question else []
        self._answer(answer.status, kept, content)

    do_GET = do_HEAD = do_POST = handle_one

    def _count(self, file: Path) -> None:
        with file.open("a") as lines:
            lines.write(f"{self.headers['Host']} {self.client_address[0]}\n")

    def _nonce(self) -> str:
        return self._ask("HEAD", "/nonce-plz", b"").headers["Replay-Nonce"]

    def _ask(self, method: str, path: str, body: bytes) -> http.client.HTTPResponse:
        context = ssl.create_default_context(cafile="root.pem")
        connection = http.client.HTTPSConnection("127.0.0.1", 14001, context=context)
        headers = {key: value for key, value in self.headers.items() if key != "Content-Length"}
        connection.request(method, path, body or None, headers)
        return connection.getresponse()

    def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for key, value in headers:
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def serve(port: int) -> None:
    """Answer on a port for good."""
    server = ThreadingHTTPServer(("0.0.0.0", port), Front)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain("acme.pem", "acme.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


Thread(target=serve, args=(443,), daemon=True).start()
serve(14000)
