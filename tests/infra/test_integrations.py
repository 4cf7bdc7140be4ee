"""What is around a project: its database's extensions, a proxy in front, a mail server."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from espalier.environment import plain_environment
from espalier.inventory.read import read
from espalier.inventory.site import Site
from espalier.readiness.mail import send
from tests.infra.conftest import ROOT, playbook

testinfra_hosts = ["ansible://postgresql_primary"]

# What somebody may claim: an address that is not theirs, under every name that there is for it.
CLAIM = "203.0.113.9"
CLAIMED = {
    "X-Forwarded-For": f"192.0.2.1, {CLAIM}",
    "X-Real-IP": "192.0.2.2",
    "CF-Connecting-IP": CLAIM,
    "X-Forwarded-Host": "evil.example",
}
# Run on a machine: it asks the site for a page, and prints status, Location and body.
ASK = """
import http.client, json, ssl, sys
scheme, address, path, headers = sys.argv[1:]
if scheme == "https":
    connection = http.client.HTTPSConnection(address, context=ssl._create_unverified_context())
else:
    connection = http.client.HTTPConnection(address)
connection.request("GET", path, headers=json.loads(headers))
answer = connection.getresponse()
print(json.dumps([answer.status, answer.getheader("Location"), answer.read().decode()]))
"""


@pytest.fixture(scope="module")
def declared(hostvars: dict[str, Any]) -> dict[str, Any]:
    """What project.yml says."""
    return next(iter(hostvars.values()))["project"]


@pytest.fixture
def ask(
    machine: Callable[[str], Any], hostvars: dict[str, Any], declared: dict[str, Any], site: Any
) -> Callable[..., tuple[int, str, str]]:
    """Ask the site from the machine that is a trusted proxy, or from another one."""
    trusted = [
        name
        for name, values in hostvars.items()
        if values["private_address"] in declared.get("trusted_proxies", ())
    ]
    if not trusted:
        pytest.skip("no machine of this inventory is a trusted proxy")
    others = [name for name in hostvars if name not in trusted]

    def get(is_trusted: bool, scheme: str, path: str, **claimed: str) -> tuple[int, str, str]:
        headers = {"Host": site.domain, **CLAIMED}
        headers |= {name.replace("_", "-"): value for name, value in claimed.items()}
        output = machine((trusted if is_trusted else others)[0]).check_output(
            "python3 -c %s %s %s %s %s", ASK, scheme, site.address, path, json.dumps(headers)
        )
        return tuple(json.loads(output))

    return get


def test_extensions_are_there_and_a_page_needs_them(
    declared: dict[str, Any], host: Any, site: Any, project: str
) -> None:
    if project != "places":
        pytest.skip("only the project of the scenario `integrations` has maps")
    names = host.check_output(
        "runuser -u postgres -- psql -XAt %s -c 'SELECT extname FROM pg_extension'", project
    ).split()
    assert {"postgis", "vector", "pg_trgm"} <= set(names)
    response, body = site.get("/")
    assert response.status == 200
    assert b">London<" in body


def test_owner_may_not_create_an_extension_that_is_not_trusted(python: Any, project: str) -> None:
    if project != "places":
        pytest.skip("only the project of the scenario `integrations` has maps")
    said = python(
        "import django, json; django.setup()\n"
        "from django.db import connection\n"
        "try: connection.cursor().execute('CREATE EXTENSION dblink')\n"
        "except Exception as error: print(json.dumps(str(error)))"
    )
    assert "permission denied to create extension" in said


@pytest.mark.breaks
def test_no_extension_is_made_beside_functions_that_could_mislead_it(
    host: Any, inventory_path: str, project: str
) -> None:
    if project != "places":
        pytest.skip("only the project of the scenario `integrations` has maps")
    psql = f"runuser -u postgres -- psql -XAt {project} -c %s"
    host.check_output(
        psql, "CREATE FUNCTION format(integer) RETURNS text LANGUAGE sql AS 'SELECT 1'"
    )
    host.check_output(psql, f"ALTER FUNCTION format(integer) OWNER TO {project}")
    wanted = json.dumps({"postgresql_extensions": ["postgis", "vector", "dblink"]})
    try:
        done = subprocess.run(
            playbook(inventory_path, "--tags", "postgresql", "--extra-vars", wanted),
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=plain_environment(),
        )
        assert done.returncode != 0
        assert "functions of the project's own in its schema public (format)" in done.stdout
    finally:
        host.check_output(psql, "DROP FUNCTION format(integer)")
    names = host.check_output(psql, "SELECT extname FROM pg_extension")
    assert "dblink" not in names.split()


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_trusted_proxy_says_who_the_visitor_is(
    ask: Any, scheme: str, machine: Any, topology: dict[str, Any]
) -> None:
    page = f"/visitor/?{uuid.uuid4().hex}"
    status, _, body = ask(True, scheme, page, X_Forwarded_Proto="https")
    seen = json.loads(body)
    assert (status, seen["is_secure"]) == (200, True)
    # The last address that is no proxy of ours; what a visitor wrote stands before it.
    assert (seen["HTTP_X_FORWARDED_FOR"], seen["HTTP_X_REAL_IP"]) == (CLAIM, CLAIM)
    assert seen["REMOTE_ADDR"] == CLAIM
    assert seen["HTTP_CF_CONNECTING_IP"] == CLAIM
    assert logged(machine(topology["services"]["nginx"][0]), page)["client"] == CLAIM


def test_anybody_else_is_who_connects(ask: Any, machine: Any, topology: dict[str, Any]) -> None:
    page = f"/visitor/?{uuid.uuid4().hex}"
    status, _, body = ask(False, "https", page, X_Forwarded_Proto="http")
    seen = json.loads(body)
    assert (status, seen["is_secure"]) == (200, True)
    assert CLAIM not in body
    web = machine(topology["services"]["nginx"][0])
    assert logged(web, page)["client"] == seen["HTTP_X_REAL_IP"] == seen["REMOTE_ADDR"]


@pytest.mark.parametrize(
    ("is_trusted", "scheme", "claimed"),
    [(True, "https", "http"), (True, "http", ""), (False, "http", "https")],
)
def test_who_came_by_plain_http_is_redirected(
    ask: Any, site: Any, is_trusted: bool, scheme: str, claimed: str
) -> None:
    status, location, _ = ask(is_trusted, scheme, "/visitor/", X_Forwarded_Proto=claimed)
    assert (status, location) == (308, f"https://{site.domain}/visitor/")


def logged(web: Any, page: str) -> dict[str, Any]:
    """The line of nginx's log about a page; nginx writes it within a second."""
    for _ in range(50):
        if lines := web.run("grep -F %s /var/log/nginx/access.log", page).stdout.splitlines():
            return json.loads(lines[-1])
        time.sleep(0.1)
    raise AssertionError(f"{page} is not in the log")


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


def reader_password(inventory_path: str) -> str:
    """What `espalier secrets show` prints."""
    program = str(Path(sys.executable).with_name("espalier"))
    words = [program, "secrets", "show", "reader_password", "-i", inventory_path]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return shown.stdout.strip()


@pytest.fixture
def reader(declared: dict[str, Any], host: Any, inventory_path: str) -> Callable[..., Any]:
    """Ask a database as a user who may only read, on the primary or over the network."""
    readers = (declared.get("database") or {}).get("readers")
    if not readers:
        pytest.skip("this site's database has no readers")

    def ask(statement: str, database: str = "places", address: str = "/run/postgresql") -> Any:
        return host.run(
            "PGPASSWORD=%s psql -XAt -h %s -U %s -d %s -c %s",
            reader_password(inventory_path),
            address,
            next(iter(readers)),
            database,
            statement,
        )

    return ask


def test_a_reader_reads_every_table_and_changes_none(
    reader: Callable[..., Any], python: Any, host: Any, project: str
) -> None:
    assert reader("SELECT name FROM places_place ORDER BY 1").stdout.split() == ["London", "Paris"]
    refused = "permission denied"
    assert refused in reader("DELETE FROM places_place").stderr
    assert refused in reader("CREATE TABLE mine (a integer)").stderr
    assert refused in reader("SELECT rolpassword FROM pg_authid").stderr
    # A table that the project makes later, by whichever login.
    sql = "import django; django.setup()\nfrom django.db import connection\n"
    run = sql + "connection.cursor().execute({!r})"
    python(run.format("CREATE TABLE later AS SELECT 7 AS number"))
    try:
        assert reader("SELECT number FROM later").stdout.strip() == "7"
    finally:
        python(run.format("DROP TABLE later"))


def test_a_reader_comes_from_its_own_addresses_only(
    reader: Callable[..., Any], declared: dict[str, Any], hostvars: dict[str, Any], topology: Any
) -> None:
    primary = hostvars[topology["services"]["postgresql_primary"][0]]
    if primary["private_address"] in str(declared["database"]["readers"]):
        pytest.skip("the primary is itself a machine that reads")
    said = reader("SELECT 1", address=primary["private_address"]).stderr
    assert "no pg_hba.conf entry" in said


@pytest.fixture
def from_here(
    declared: dict[str, Any], hostvars: dict[str, Any], topology: Any, inventory_path: str
) -> Callable[..., Any]:
    """Ask the primary as a reader over the network, from this machine; gives the first value."""
    readers = (declared.get("database") or {}).get("readers") or {}
    primary = hostvars[topology["services"]["postgresql_primary"][0]]["private_address"]
    lab = primary.rpartition(".")[0] + ".1"
    if lab not in str(readers):
        pytest.skip("this machine may not read")

    def ask(statement: str, password: str = "", sslmode: str = "require") -> Any:
        given = password or reader_password(inventory_path)
        with psycopg.connect(
            host=primary,
            user=next(iter(readers)),
            password=given,
            dbname="places",
            sslmode=sslmode,
        ) as connection:
            return connection.execute(statement).fetchone()[0]

    return ask


def test_a_reader_comes_over_the_network_by_tls_alone(from_here: Callable[..., Any]) -> None:
    assert from_here("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
    assert from_here("SELECT count(*) FROM places_place") == 2
    with pytest.raises(psycopg.OperationalError, match="no encryption"):
        from_here("SELECT 1", sslmode="disable")


@pytest.mark.breaks
def test_the_password_of_readers_is_rotated_while_visitors_come(
    from_here: Callable[..., Any], inventory_path: str, uninterrupted: Any
) -> None:
    old = reader_password(inventory_path)
    program = str(Path(sys.executable).with_name("espalier"))
    done = subprocess.run(
        [program, "secrets", "rotate", "reader_password", "-i", inventory_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=plain_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    new = reader_password(inventory_path)
    assert new != old
    assert old not in done.stdout + done.stderr
    assert new not in done.stdout + done.stderr
    assert from_here("SELECT 1") == 1
    with pytest.raises(psycopg.OperationalError):
        from_here("SELECT 1", password=old)


def test_another_database_is_the_owner_s_and_the_project_knows_where(
    declared: dict[str, Any], python: Any
) -> None:
    more = (declared.get("database") or {}).get("databases")
    if not more:
        pytest.skip("this site has one database")
    found = python(
        "import json, os, psycopg\n"
        f"url = os.environ['ESPALIER_DATABASE_{more[0].upper()}_URL']\n"
        "with psycopg.connect(url) as connection:\n"
        "    connection.execute('CREATE TABLE t AS SELECT 1')\n"
        "    connection.rollback()\n"
        "    print(json.dumps(connection.info.dbname))"
    )
    assert found == more[0]
