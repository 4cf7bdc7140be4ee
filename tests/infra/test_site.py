"""What a visitor gets from the site."""

from __future__ import annotations

import contextlib
import gzip
import ipaddress
import json
import re
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from espalier.audit import nginx, tls
from espalier.audit.expectations import expectations
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


def shake_hands(site: Any, *options: str, name: str = "") -> subprocess.CompletedProcess[str]:
    """Begin a TLS connection, and say nothing."""
    asked = ["-servername", name or site.domain]
    return subprocess.run(
        ["openssl", "s_client", *asked, *options, "-connect", f"{site.address}:443"],
        input="",
        capture_output=True,
        text=True,
        errors="replace",
    )


def test_http2_is_spoken(site: Any) -> None:
    assert "ALPN protocol: h2" in shake_hands(site, "-alpn", "h2").stdout


@pytest.mark.parametrize(
    "options",
    [
        ("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:ECDHE-RSA-AES256-SHA384"),
        ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-CCM:ECDHE-ECDSA-CAMELLIA256-SHA384"),
        ("-tls1_3", "-groups", "P-521"),
    ],
)
def test_old_tls_is_refused(site: Any, options: tuple[str, ...]) -> None:
    done = shake_hands(site, *options)
    assert "alert" in done.stderr, done.stderr
    assert done.returncode != 0


@pytest.mark.parametrize("options", [("-tls1_2",), ("-tls1_3",)])
def test_new_tls_is_spoken(site: Any, options: tuple[str, ...]) -> None:
    assert shake_hands(site, *options).returncode == 0


def test_a_visitor_who_comes_back_saves_a_round_of_keys(site: Any, tmp_path: Path) -> None:
    session = str(tmp_path / "session")
    shake_hands(site, "-tls1_2", "-sess_out", session)
    assert "Reused, TLSv1.2" in shake_hands(site, "-tls1_2", "-sess_in", session).stdout


def test_keys_withstand_a_quantum_computer_where_debian_can(site: Any, host: Any) -> None:
    ask = f"openssl s_client -connect 127.0.0.1:443 -servername {site.domain} < /dev/null 2>&1"
    if "X25519MLKEM768" not in host.run("openssl list -kem-algorithms").stdout:
        pytest.skip("Debian 12's OpenSSL does not know X25519MLKEM768")
    assert "Negotiated TLS1.3 group: X25519MLKEM768" in host.run(ask).stdout


def test_mozilla_s_scanner_finds_nothing_but_the_placeholder(site: Any, auditor: Any) -> None:
    level = expectations().tls
    (row,) = tls.rows(
        "", level, auditor("sslyze", *tls.arguments(level, site.address, site.domain))
    )
    # What a certificate of an authority has not.
    allowed = {"certificate_path_validation", "maximum_certificate_lifespan"}
    assert set(row.faults) <= allowed, row.found


def test_gixy_finds_nothing(host: Any, tmp_path: Path, auditor: Any) -> None:
    config = tmp_path / "nginx.conf"
    config.write_text(host.check_output("nginx -T 2> /dev/null"))
    (row,) = nginx.rows("", auditor("gixy", *nginx.arguments(str(config))))
    assert row.result == "ok"


@pytest.fixture
def named(declared: dict[str, Any]) -> None:
    """Skip what is for a site with names: one that is asked by its address answers to any."""
    if not declared.get("domains"):
        pytest.skip("the site has no domain")
    for domain in declared["domains"]:
        with contextlib.suppress(ValueError):
            ipaddress.ip_address(domain)
            pytest.skip(f"the site is asked by its address {domain}")


@pytest.mark.usefixtures("named")
def test_other_names_are_not_answered(site: Any, declared: dict[str, Any]) -> None:
    if not declared.get("trusted_proxies"):
        for asked in (("-servername", "elsewhere.example"), ("-noservername",)):
            done = subprocess.run(
                ["openssl", "s_client", *asked, "-connect", f"{site.address}:443"],
                input="",
                capture_output=True,
                text=True,
            )
            assert "unrecognized name" in done.stderr
            assert "BEGIN CERTIFICATE" not in done.stdout
        with pytest.raises(ConnectionResetError):
            site.get("/", scheme="http", Host="elsewhere.example")
    assert site.get("/", Host="elsewhere.example")[0].status == 421


def test_health_is_answered_by_plain_http_to_the_machine_itself_alone(site: Any, host: Any) -> None:
    assert site.get("/-/alive", scheme="http")[0].status == 403
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1/-/alive').status)"
    assert host.check_output("python3 -c %s", ask) == "200"


def test_hashed_static_files_are_cached_for_ever_and_compressed_before(
    site: Any, app: Any, project: str, is_lab: bool
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
    if not is_lab and not app.run(f"find {static} -name '*.br'").stdout:
        return  # a release of before 0.13
    smaller, shorter = site.get(path, Accept_Encoding="gzip, br")
    assert smaller.headers["Content-Encoding"] == "br"
    assert smaller.headers["Vary"] == "Accept-Encoding"
    assert int(smaller.headers["Content-Length"]) == len(shorter) < len(body)


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


@pytest.mark.breaks  # for a minute, the login of who runs the tests
def test_login_is_limited_and_pages_are_not(site: Any, declared: dict[str, Any]) -> None:
    path = declared.get("login_paths", ["/accounts/login/"])[0]
    posts = [site.get(path, method="POST") for _ in range(40)]
    statuses = [response.status for response, _ in posts]
    assert 429 not in statuses[:15]
    assert statuses.count(429) >= 10
    refused = next(response for response, _ in posts if response.status == 429)
    assert refused.headers["Retry-After"] == "10"
    assert 429 not in {site.get(path)[0].status for _ in range(40)}
    assert site.get("/", method="POST")[0].status != 429


@pytest.mark.parametrize("headers", [{"X_Long": "x" * 70000}, {"Cookie": "x" * 17000}])
def test_too_long_headers_are_refused(site: Any, headers: dict[str, str]) -> None:
    assert site.get("/", **headers)[0].status == 400


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
