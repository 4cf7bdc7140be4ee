"""What a visitor gets from the site."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import time
import uuid
from typing import Any

import pytest

from tests.infra.conftest import Visitor, ready

testinfra_hosts = ["ansible://nginx"]


@pytest.fixture
def site(host: Any, site: Any, topology: dict[str, Any]) -> Visitor:
    """The site as visitors of the current web machine see it."""
    return Visitor(topology["machines"][host.backend.host]["public_address"], site.domain)


def hashed_stylesheet(site: Any) -> str:
    """Find a style sheet with a hash in its name, large enough to be worth compressing."""
    for page in ("/", "/admin/login/", "/django-admin/login/"):
        body = site.get(page)[1].decode()
        for path in re.findall(r'href="(/[^"]*\.[0-9a-f]{12}\.css)"', body):
            if len(site.get(path)[1]) > 1000:
                return path
    raise AssertionError("no page links to a style sheet with a hashed name")


def test_front_page_answers_over_https(site: Any) -> None:
    response, body = site.get("/")
    assert response.status < 500
    assert response.status >= 300 or b"</html>" in body


def test_http_is_sent_to_https(site: Any) -> None:
    response, _ = site.get("/some/page/?q=1", scheme="http")
    assert response.status == 308
    assert response.headers["Location"] == f"https://{site.domain}/some/page/?q=1"


def test_http2_is_spoken(site: Any) -> None:
    done = subprocess.run(
        ["openssl", "s_client", "-alpn", "h2", "-connect", f"{site.address}:443"],
        input="",
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert "ALPN protocol: h2" in done.stdout


def test_old_tls_is_refused(site: Any) -> None:
    done = subprocess.run(
        [
            "openssl",
            "s_client",
            "-tls1_1",
            "-cipher",
            "ALL:@SECLEVEL=0",
            "-connect",
            f"{site.address}:443",
        ],
        input="",
        capture_output=True,
        text=True,
        errors="replace",
    )
    assert done.returncode != 0


def test_hashed_static_files_are_cached_for_ever_and_compressed_before(
    site: Any, app: Any, project: str
) -> None:
    static = f"/srv/{project}/current/static"
    if not app.run(f"find {static} -name '*.css' -size +1000c").stdout:
        pytest.skip("the project has no style sheet that is worth compressing")
    path = hashed_stylesheet(site)
    plain, content = site.get(path)
    assert plain.status == 200
    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    packed, body = site.get(path, Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(body) == content
    # Only a file that was compressed before has a length; nginx streams what it compresses itself.
    assert int(packed.headers["Content-Length"]) == len(body)


def test_pages_are_compressed(site: Any) -> None:
    for page in ("/", "/admin/login/", "/django-admin/login/"):
        if len(site.get(page)[1]) > 1000:
            response, body = site.get(page, Accept_Encoding="gzip")
            assert response.headers["Content-Encoding"] == "gzip"
            assert b"</html>" in gzip.decompress(body)
            return
    pytest.skip("the project has no page that is worth compressing")


def test_each_security_header_is_sent_once(site: Any) -> None:
    response, _ = site.get("/")
    for header in ("X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"):
        assert len(response.headers.get_all(header, [])) == 1, header
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Server"] == "nginx"


def test_cookies_are_for_https_only(site: Any) -> None:
    for page in ("/admin/login/", "/django-admin/login/"):
        response, _ = site.get(page)
        if response.status == 200:
            assert "Secure" in response.headers["Set-Cookie"]
            return
    pytest.skip("the project has no login page at /admin/")


def test_too_large_a_body_is_refused_before_django_sees_it(
    site: Any, host: Any, hostvars: Any
) -> None:
    limit = next(iter(hostvars.values()))["project"].get("upload_limit_mb", 25)
    response, _ = site.get("/", method="POST", Content_Length=str((limit + 1) * 1024 * 1024))
    assert response.status == 413


def test_health_is_for_the_machine_itself(site: Any, host: Any) -> None:
    assert site.get("/-/ready")[0].status == 403
    assert ready(host)["status"] == "ready"


def test_wrong_host_name_is_refused(site: Any) -> None:
    assert site.get("/", Host="elsewhere.example")[0].status == 400


def test_access_log_tells_what_django_took(site: Any, host: Any) -> None:
    marker = uuid.uuid4().hex
    response, _ = site.get(f"/?marker={marker}")
    for _ in range(20):
        lines = host.run(f"grep {marker} /var/log/nginx/access.log").stdout.splitlines()
        if lines:
            break
        time.sleep(0.5)
    entry = json.loads(lines[0])
    assert entry["status"] == response.status
    assert 0 <= float(entry["upstream_time"]) <= entry["request_time"] + 0.01
    assert entry["uri"] == f"/?marker={marker}"


def test_nginx_counts_its_connections_for_the_machine_itself(site: Any, host: Any) -> None:
    status = host.check_output(
        "python3 -c 'import urllib.request as u; "
        'print(u.urlopen("http://127.0.0.1:8081/nginx_status").read().decode())\''
    )
    assert "Active connections" in status
    assert b"Active connections" not in site.get("/nginx_status")[1]
