"""What Django took reaches the log of each nginx on the way, and no visitor; on real ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest

from tests.unit.nginx_configs import ELSEWHERE, EVERYTHING, MACHINE, PROXIED, inputs, render

PROGRAM = shutil.which("nginx", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="nginx is not installed")
SITES: dict[str, dict[str, Any]] = {
    "web": {
        **MACHINE,
        **EVERYTHING,
        "nginx_upstreams": ELSEWHERE[:1],
        "nginx_static_directory": "",
        "nginx_microcache": [{"path": "/kept/", "seconds": 60}],
    },
    "app": {**PROXIED, "nginx_listen": [], "nginx_upstreams": []},
}
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


class Django(BaseHTTPRequestHandler):
    """Answers every page, and says what it took."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("X-Espalier-Timing", "view=shop:page;app=0.5")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"page")

    def address_string(self) -> str:
        """Return nobody: a socket has no address."""
        return ""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Site:
    """A web machine's nginx, and an app machine's with a toy in place of Django."""

    def __init__(self, directory: Path) -> None:
        """Take a directory for all that they write."""
        self.directory = directory
        self.ports = {name: _free_port() for name in ("443", "80", "8443", "web", "app")}
        self.running: list[subprocess.Popen[bytes]] = []
        self.django = ThreadingUnixStreamServer(str(directory / "web.sock"), Django)
        (directory / "web.sock").chmod(0o777)

    def start(self) -> None:
        """Start all three."""
        threading.Thread(target=self.django.serve_forever, daemon=True).start()
        make_certificates(self.directory)
        render(self.directory, {name: inputs("bookworm", site) for name, site in SITES.items()})
        for name in ("app", "web"):
            (self.directory / name).mkdir()
            config = self.directory / f"{name}.conf"
            config.write_text(self.here(name, config.read_text()))
            command = [str(PROGRAM), "-c", str(config), "-e", str(self.directory / f"{name}/error")]
            checked = subprocess.run([*command, "-t"], capture_output=True, text=True)
            assert checked.returncode == 0, checked.stderr
            self.running.append(subprocess.Popen([*command, "-g", "daemon off;"]))
        for name in ("443", "8443"):
            _wait_for(self.ports[name])

    def stop(self) -> None:
        """End all three."""
        for process in self.running:
            process.terminate()
            process.wait(10)
        self.django.shutdown()
        self.django.server_close()

    def here(self, name: str, text: str) -> str:
        """A configuration for this machine: with ports and paths of the test's own."""
        own = self.directory / name
        (self.directory / "maintenance.map").touch()
        temporary = "".join(f"{one}_temp_path {own}/{one};\n" for one in TEMPORARY)
        for old, new in (
            # Not nobody, who may not enter a directory of the tests.
            ("user www-data;\n", "user root;\n" if os.geteuid() == 0 else ""),
            ("include /etc/nginx/modules-enabled/*.conf;\n", ""),
            ("    brotli_static on;\n", ""),
            ("http {\n", f"http {{\n{temporary}"),
            ("/run/nginx.pid", f"{own}/pid"),
            ("/var/log/nginx", str(own)),
            ("/run/nginx-microcache", f"{own}/kept"),
            ("/etc/nginx/maintenance.map", f"{self.directory}/maintenance.map"),
            ("/srv/shop/web.sock", f"{self.directory}/web.sock"),
            ("/etc/espalier/tls/4f2a", str(self.directory)),
            ("/etc/espalier/tls/authority.crt", f"{self.directory}/authority.crt"),
            ("127.0.0.1:8443", "127.0.0.3:8443"),
            ("10.0.0.2:8443", "127.0.0.1:8443"),
            ("8443", str(self.ports["8443"])),
            ("127.0.0.1:8081", f"127.0.0.1:{self.ports[name]}"),
        ):
            text = text.replace(old, new)
        text = re.sub(r"listen \[::\].*;\n", "", text)
        text = re.sub(r"(listen \*:)(80|443)", lambda m: m[1] + str(self.ports[m[2]]), text)
        text = re.sub(r"/etc/nginx/tls/\S+\.(crt|key)", rf"{self.directory}/machine.\1", text)
        return text

    def get(self, path: str, *headers: str) -> str:
        """Ask the web machine as a visitor does; gives the headers of the answer."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        lines = [
            f"GET {path} HTTP/1.1",
            "Host: shop.example",
            "Connection: close",
            *headers,
            "",
            "",
        ]
        with (
            socket.create_connection(("127.0.0.1", self.ports["443"]), 5) as plain,
            context.wrap_socket(plain, server_hostname="shop.example") as visitor,
        ):
            visitor.sendall("\r\n".join(lines).encode())
            answer = b""
            while more := visitor.recv(65536):
                answer += more
        return answer.decode().partition("\r\n\r\n")[0].lower()

    def logged(self, uri: str, count: int) -> list[dict[str, Any]]:
        """The web machine's lines about an address, once there are so many."""
        for _ in range(100):
            text = (self.directory / "web/access.log").read_text()
            lines = [one for one in map(json.loads, text.splitlines()) if one["uri"] == uri]
            if len(lines) >= count:
                return lines
            time.sleep(0.1)
        raise AssertionError(text)


def make_certificates(directory: Path) -> None:
    """Write an authority, and a machine's certificate by it."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    names = f"subjectAltName=DNS:{MACHINE['nginx_proxy_name']}"
    authority = ["-keyout", "authority.key", "-out", "authority.crt", "-subj", "/CN=site"]
    machine = ["-keyout", "machine.key", "-out", "machine.crt", "-subj", "/CN=machine"]
    by = ["-CA", "authority.crt", "-CAkey", "authority.key", "-addext", names]
    for arguments in (authority, [*machine, *by]):
        subprocess.run(
            ["openssl", "req", "-x509", *key, *arguments],
            cwd=directory,
            check=True,
            capture_output=True,
        )


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that runs."""
    found = Site(tmp_path_factory.mktemp("n"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


def test_the_log_has_it_and_a_visitor_does_not(site: Site) -> None:
    answer = site.get("/page")
    assert answer.startswith("http/1.1 200")
    assert "x-espalier" not in answer
    (line,) = site.logged("/page", 1)
    assert line["timing"] == "view=shop:page;app=0.5"
    assert line["personal"] == ""
    assert 0 <= float(line["connect_time"]) <= float(line["header_time"])
    assert float(line["header_time"]) <= float(line["upstream_time"])


def test_a_page_from_the_cache_does_not_tell_visitors_either(site: Site) -> None:
    answers = [site.get("/kept/") for _ in range(2)]
    assert ["x-cache: miss" in answers[0], "x-cache: hit" in answers[1]] == [True, True]
    assert not any("x-espalier" in one for one in answers)
    first, second = site.logged("/kept/", 2)
    assert float(first["upstream_time"]) >= 0
    # What tells that nginx answered by itself: `timing` is of the request that was kept.
    assert second["upstream_time"] in ("", "-")


def test_who_has_a_cookie_or_logs_in_is_personal(site: Site) -> None:
    site.get("/cookie", "Cookie: a=b")
    site.get("/login", "Authorization: Basic YTpi")
    assert site.logged("/cookie", 1)[0]["personal"] == "yes"
    assert site.logged("/login", 1)[0]["personal"] == "yes"
    assert "x-cache: bypass" in site.get("/kept/", "Cookie: a=b")


def test_where_nginx_answers_itself_there_are_no_times(site: Site) -> None:
    assert site.get("/media/none/").startswith("http/1.1 4")
    (line,) = site.logged("/media/none/", 1)
    assert {line[key] for key in ("connect_time", "header_time", "timing")} <= {"", "-"}
