"""Whether a site answers, asked as visitors do."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from espalier.progress.site_answer import answers


class Site(http.server.BaseHTTPRequestHandler):
    """Serves one domain well, and every other one badly."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(404 if self.headers["Host"] == "shop.example" else 502)
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Write nothing."""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Give the port of a site with a certificate that nobody has signed."""
    key, certificate = tmp_path / "key", tmp_path / "certificate"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x"
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request.split(), *files], check=True, capture_output=True)
    server = http.server.HTTPServer(("127.0.0.1", 0), Site)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def test_site_answers_unless_it_has_a_server_error(port: int) -> None:
    assert answers("127.0.0.1", "shop.example", port)
    assert not answers("127.0.0.1", "other.example", port)


def test_machine_that_is_gone_does_not_answer() -> None:
    assert not answers("127.0.0.1", "shop.example", 1)
    assert not answers("", "shop.example", 1)
