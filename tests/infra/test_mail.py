"""The mail of a project: what its server takes, and what the command says of the rest."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from espalier.environment import plain_environment
from espalier.inventory.read import read
from espalier.inventory.site import Site
from espalier.readiness.mail import send
from tests.infra.conftest import ROOT

testinfra_hosts = ["ansible://postgresql_primary"]


class Post:
    """A mail server's answers, and what it took."""

    def __init__(self) -> None:
        """Begin with an empty box."""
        self.taken: list[Any] = []

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        """Know everybody but one."""
        if address.startswith("nobody@"):
            return "550 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        """Take a message."""
        self.taken.append(envelope)
        return "250 Taken"


@pytest.fixture
def mail_server(declared: dict[str, Any]) -> Iterator[Post]:
    """A mail server where project.yml says that it is, which is this machine."""
    email = declared.get("email") or {}
    if email.get("port") != 2525:
        pytest.skip("this site's mail server is a real one, or none")
    post = Post()
    controller = Controller(post, hostname=email["host"], port=email["port"])
    controller.start()
    yield post
    controller.stop()


def check_mail(inventory_path: str, address: str) -> dict[str, Any]:
    """What `espalier check --mail` finds about mail."""
    program = str(Path(sys.executable).with_name("espalier"))
    words = [program, "check", "-i", inventory_path, "--mail", address, "--json"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, env=plain_environment())
    found = [one for one in json.loads(done.stdout)["findings"] if one["check"] == "mail"]
    assert len(found) == 1, done.stdout + done.stderr
    return found[0]


def test_a_message_of_the_site_reaches_its_server(mail_server: Post, inventory_path: str) -> None:
    finding = check_mail(inventory_path, "anna@example.com")
    assert finding["level"] == "ok", finding
    (message,) = mail_server.taken
    assert message.rcpt_tos == ["anna@example.com"]
    assert b"\nFrom: Places <places@places.example>" in message.content.replace(b"\r\n", b"\n")


def test_a_server_that_refuses_is_told_in_its_words(mail_server: Post, inventory_path: str) -> None:
    finding = check_mail(inventory_path, "nobody@example.com")
    assert finding["level"] == "failed"
    assert "does not take mail to nobody@example.com: 550 No such user here" in finding["text"]
    assert not mail_server.taken


def test_a_server_that_is_not_there_is_told(declared: dict[str, Any], inventory_path: str) -> None:
    if (declared.get("email") or {}).get("port") != 2525:
        pytest.skip("this site's mail server is a real one, or none")
    finding = check_mail(inventory_path, "anna@example.com")
    assert finding["level"] == "failed"
    assert "nothing listens at 198.18.46.1:2525" in finding["text"]


TLS_PORT = 2526
USER, PASSWORD = "shop", "r1ght-one"


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate for an address that is its own authority, and its key beside it."""
    file = folder / f"{name}.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    argv += ["-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{name}"]
    argv += ["-keyout", str(file.with_suffix(".key")), "-out", str(file)]
    subprocess.run(argv, check=True, capture_output=True)
    return file


class TlsController(Controller):
    """A server whose first client, itself, takes any certificate."""

    def _trigger_server(self) -> None:
        with socket.create_connection((self.hostname, self.port), 5) as plain:
            context = ssl._create_unverified_context()
            (context.wrap_socket(plain) if self.ssl_context else plain).recv(100)


def may_log_in(server: Any, session: Any, envelope: Any, kind: str, given: Any) -> AuthResult:
    """Know one user."""
    good = (given.login, given.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)


@pytest.fixture(scope="module")
def certificates(
    declared: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, app: Any
) -> Iterator[Callable[[str], Path]]:
    """Make certificates; the app machine trusts that of the server in project.yml alone."""
    email = declared.get("email") or {}
    if email.get("port") != 2525:
        pytest.skip("this site's mail server is a real one, or none")
    folder = tmp_path_factory.mktemp("certificates")
    trusted = "/usr/local/share/ca-certificates/test-mail.crt"
    text = certificate(folder, email["host"]).read_text()
    app.check_output("echo %s > %s && update-ca-certificates 2>&1", text, trusted)

    def get(name: str) -> Path:
        file = folder / f"{name}.pem"
        return file if file.exists() else certificate(folder, name)

    yield get
    app.check_output("rm %s && update-ca-certificates --fresh 2>&1", trusted)


@pytest.fixture
def tls_server(
    declared: dict[str, Any], certificates: Callable[[str], Path]
) -> Iterator[Callable[..., Post]]:
    """Start a mail server that wants TLS and a login."""
    email = declared["email"]
    with ExitStack() as stack:

        def start(tls: str, subject: str = email["host"]) -> Post:
            file = certificates(subject)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(file, file.with_suffix(".key"))
            post = Post()
            wanted = {"auth_required": True, "authenticator": may_log_in}
            if tls == "ssl":
                # What aiosmtpd itself takes for a connection without TLS.
                wanted |= {"ssl_context": context, "auth_require_tls": False}
            else:
                wanted |= {"tls_context": context, "require_starttls": True}
            server = TlsController(post, hostname=email["host"], port=TLS_PORT, **wanted)
            server.start()
            stack.callback(server.stop)
            return post

        yield start


@pytest.fixture
def site_described(inventory_path: str) -> Site:
    """The site as commands read it."""
    return read(Path(inventory_path), name_of=lambda project: project["name"])


@pytest.fixture
def by(app: Any, project: str) -> Iterator[Callable[..., None]]:
    """Have the site send mail another way, for as long as the test runs."""
    file = f"/etc/espalier/{project}/environment"
    app.check_output("cp -a %s /root/environment", file)

    def change(tls: str, password: str = PASSWORD, port: int = TLS_PORT) -> None:
        given = {"PORT": port, "TLS": tls, "USER": USER, "PASSWORD": password}
        lines = "".join(f'ESPALIER_EMAIL_{name}="{value}"\n' for name, value in given.items())
        pattern = "ESPALIER_EMAIL_(" + "|".join(given) + ")="
        app.check_output(
            "grep -vE %s /root/environment > %s; echo %s >> %s", pattern, file, lines, file
        )

    yield change
    app.check_output("cp -a /root/environment %s && rm /root/environment", file)


@pytest.mark.breaks
@pytest.mark.parametrize("tls", ["starttls", "ssl"])
def test_mail_goes_over_tls_with_a_password(
    tls_server: Any, by: Any, site_described: Site, tls: str
) -> None:
    post = tls_server(tls)
    by(tls)
    finding = send(site_described, "anna@example.com")
    assert finding.level == "ok", finding
    assert [one.rcpt_tos for one in post.taken] == [["anna@example.com"]]


@pytest.mark.breaks
@pytest.mark.parametrize(
    ("server", "stated", "words"),
    [
        ({"tls": "starttls"}, {"tls": "starttls", "password": "wr0ng-one"}, "refuses the user or"),
        ({"tls": "ssl"}, {"tls": "ssl", "password": "wr0ng-one"}, "refuses the user or the pass"),
        ({"tls": "starttls"}, {"tls": "ssl"}, "does not begin with TLS: write `tls: starttls`"),
        ({"tls": "ssl"}, {"tls": "starttls"}, "`tls: ssl`"),
        ({"tls": "starttls"}, {"tls": "none"}, "takes no password that way: check"),
        ({"tls": "starttls", "subject": "192.0.2.1"}, {"tls": "starttls"}, "is not good"),
        ({"tls": "ssl", "subject": "192.0.2.1"}, {"tls": "ssl"}, "is not good"),
        ({"tls": "ssl"}, {"tls": "ssl", "port": 2527}, "nothing listens at"),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_what_is_wrong_with_tls_or_the_password_is_told(
    tls_server: Any,
    by: Any,
    site_described: Site,
    server: dict[str, str],
    stated: dict[str, Any],
    words: str,
) -> None:
    post = tls_server(**server)
    by(**stated)
    finding = send(site_described, "anna@example.com")
    assert finding.level == "failed"
    assert words in finding.text
    assert "0ne" not in finding.text
    assert not post.taken
