#!/usr/bin/env python3
"""Stands in front of pebble: lets requests through, or answers as the file `mode` says.

    normal      lets all through
    slow        lets all through, each after a minute
    limited     answers orders with the status 429, and wants to be left alone for 90 minutes

Every order is written to the file `orders`, a line each.
"""

from __future__ import annotations

import http.client
import json
import ssl
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODE, ORDERS = Path("mode"), Path("orders")
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
        if is_order := self.path.endswith("/order-plz"):
            with ORDERS.open("a") as file:
                file.write(f"{self.client_address[0]}\n")
        if mode == "slow":
            time.sleep(60)
        if mode == "limited" and is_order:
            headers = [("Content-Type", "application/problem+json"), ("Retry-After", "5400")]
            headers.append(("Replay-Nonce", self._nonce()))
            self._answer(429, headers, json.dumps(LIMITED).encode())
            return
        answer = self._ask(self.command, self.path, body)
        content = answer.read()
        kept = [
            (k, v)
            for k, v in answer.getheaders()
            if k.lower() not in ("transfer-encoding", "content-length")
        ]
        self._answer(answer.status, kept, content)

    do_GET = do_HEAD = do_POST = handle_one

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


server = ThreadingHTTPServer(("0.0.0.0", 14000), Front)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("acme.pem", "acme.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
