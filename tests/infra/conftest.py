"""What the tests of a real site share: the topology they expect, and a visitor to the site.

Run alone: ``pytest --ansible-inventory=inventories/<env> tests/infra``. Every expectation about
what runs where comes from the topology of that inventory.
"""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from espalier.audit import tools
from espalier.environment import plain_environment
from espalier.inventory.listing import ListingError, read_machines
from espalier.lab import commands as lab
from espalier.lab.inventory import parse_lab
from espalier.lab.process import LabError
from espalier.load.site import Site, site_of
from espalier.load.visitors import Load

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `espalier verify` treat a lab as any other site."""
    parser.addoption(
        "--break-nothing", action="store_true", help="run only what any site bears, in a lab too"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Use the kit's Ansible settings, wherever the tests are started from."""
    os.environ.setdefault("ANSIBLE_CONFIG", str(ROOT / "ansible.cfg"))
    config.addinivalue_line(
        "markers",
        "breaks: stops or spoils something on purpose, so only in a lab, and not while a load "
        'from elsewhere counts failures (-m "not breaks")',
    )
    if inventory := config.option.ansible_inventory:
        # Before testinfra asks Ansible for machines, and fails in its own words.
        try:
            read_machines(inventory)
        except ListingError as error:
            pytest.exit(str(error), returncode=1)


def playbook(inventory: str, *arguments: str) -> list[str]:
    """Give the command that converges an inventory's machines, as a user types it."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [program, "site.yml", "-i", inventory, *arguments]


def converge(inventory: str, *arguments: str) -> str:
    """Converge an inventory's machines; gives what the run said, fails if it failed."""
    done = subprocess.run(
        playbook(inventory, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=plain_environment(),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def inventory_path(request: pytest.FixtureRequest) -> str:
    """The inventory that was named on the command line."""
    path = request.config.option.ansible_inventory
    if not path:
        pytest.exit(
            "say which site to test: pytest --ansible-inventory=inventories/<env> tests/infra"
        )
    return str(Path(path).resolve())


@pytest.fixture(scope="session")
def hostvars(inventory_path: str) -> dict[str, Any]:
    """The variables of every machine, as ``ansible-inventory --list`` gives them."""
    try:
        found = read_machines(inventory_path)
        if "lab" in next(iter(found.values())):
            # Requests to a lab machine that is not there would leave this machine.
            lab.status(parse_lab(found))
    except (ListingError, LabError) as error:
        pytest.exit(str(error), returncode=1)
    return found


@pytest.fixture(scope="session")
def auditor() -> Callable[..., str]:
    """Run an auditor as the audit does: ``auditor("gixy", "-f", "json", …)``."""
    if not Path(sys.executable).with_name("molecule").exists():
        pytest.skip("`espalier verify --security` asks this, and fetches the tool")
    return tools.run


@pytest.fixture(scope="session")
def declared(hostvars: dict[str, Any]) -> dict[str, Any]:
    """What project.yml says."""
    return next(iter(hostvars.values()))["project"]


@pytest.fixture(scope="session")
def topology(hostvars: dict[str, Any]) -> dict[str, Any]:
    """The computed map: which service on which machine, who talks to whom."""
    return next(iter(hostvars.values()))["topology"]


@pytest.fixture(scope="session")
def running(topology: dict[str, Any]) -> Callable[[str], list[str]]:
    """Give the machines that run a service; skips a test of a service that no machine runs."""

    def machines(service: str) -> list[str]:
        found = topology["services"][service]
        if not found:
            pytest.skip(f"no machine runs {service}: its tier is off")
        return found

    return machines


@pytest.fixture(scope="session")
def is_lab(hostvars: dict[str, Any], pytestconfig: pytest.Config) -> bool:
    """Whether the machines are throw-away: only those are broken on purpose."""
    is_for_any_site = pytestconfig.getoption("--break-nothing")
    return "lab" in next(iter(hostvars.values())) and not is_for_any_site


@pytest.fixture(autouse=True)
def _break_only_the_lab(request: pytest.FixtureRequest) -> None:
    """Skip a test that is marked `breaks` unless the machines are throw-away."""
    if request.node.get_closest_marker("breaks") and not request.getfixturevalue("is_lab"):
        pytest.skip("breaks things, so only in a lab")


class NamedConnection(HTTPSConnection):
    """HTTPS to an address, which is asked for a name; any certificate is taken, as the lab's."""

    def __init__(self, address: str, name: str, timeout: float) -> None:
        """``timeout``, in seconds, is for each read and write."""
        super().__init__(address, timeout=timeout)
        self.name = name

    def connect(self) -> None:
        """Connect as a browser does that knows the address from DNS."""
        HTTPConnection.connect(self)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock, server_hostname=self.name)


class Visitor:
    """A browser's stand-in: asks the site's web machine for pages, whatever DNS says."""

    def __init__(self, address: str, domain: str) -> None:
        """Visit the machine at ``address`` under the name ``domain``."""
        self.address, self.domain = address, domain

    def connection(self, scheme: str = "https", timeout: float = 30) -> HTTPConnection:
        """Open a connection to the site."""
        if scheme == "http":
            return HTTPConnection(self.address, timeout=timeout)
        return NamedConnection(self.address, self.domain, timeout)

    def get(
        self, path: str, scheme: str = "https", method: str = "GET", **headers: str
    ) -> tuple[HTTPResponse, bytes]:
        """Ask for a page; gives the answer and its body."""
        connection = self.connection(scheme)
        sent = {"Host": self.domain} | {k.replace("_", "-"): v for k, v in headers.items()}
        connection.request(method, path, headers=sent)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


@contextmanager
def posting(site: Any, page: str) -> Iterator[Callable[..., Any]]:
    """Fetch a form; gives a function that posts to it."""
    response, body = site.get(page)
    cookie = re.search(r"csrftoken=[^;]+", response.headers["Set-Cookie"])
    token = re.search(rb'csrfmiddlewaretoken" value="([^"]+)', body)
    assert cookie and token
    connection = site.connection()

    def post(body: bytes, kind: str) -> Any:
        headers = {"Host": site.domain, "Cookie": cookie[0], "Content-Type": kind}
        headers |= {"Referer": f"https://{site.domain}{page}", "X-CSRFToken": token[1].decode()}
        connection.request("POST", page, body, headers)
        response = connection.getresponse()
        response.read()
        return response

    yield post
    connection.close()


@pytest.fixture(scope="session")
def site(hostvars: dict[str, Any]) -> Visitor:
    """The site as its visitors see it."""
    site = site_of(hostvars)
    return Visitor(site.address, site.domain)


@pytest.fixture(scope="session")
def machine(inventory_path: str) -> Callable[[str], Any]:
    """Give a testinfra host by its inventory name."""
    import testinfra

    def get(name: str) -> Any:
        return testinfra.get_host(f"ansible://{name}", ansible_inventory=inventory_path)

    return get


@pytest.fixture(scope="session")
def app(machine: Callable[[str], Any], topology: dict[str, Any]) -> Any:
    """The first machine that runs Django."""
    return machine(topology["services"]["django"][0])


@pytest.fixture(scope="session")
def project(app: Any) -> str:
    """The name of the project that runs on the site."""
    return json.loads(app.file("/etc/ansible/facts.d/espalier.fact").content_string)["projects"][0]


# As a machine of Debian has it; curl is not on all.
READY = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1/-/ready", timeout=30).read().decode())
"""


def ready(web: Any) -> dict[str, Any]:
    """What a machine with nginx tells itself of the site's health; {} where it is not well."""
    done = web.run("python3 -c %s", READY)
    return dict(json.loads(done.stdout)) if done.rc == 0 else {}


# Runs as the site's processes do: their user, environment files, code and interpreter.
AS_THE_SITE = (
    "systemd-run --pipe --wait --quiet --collect --property=User={project} "
    "--property=EnvironmentFile=/etc/espalier/{project}/environment "
    "--property=EnvironmentFile={slot}/release.env --property=WorkingDirectory={slot}/code "
    "--setenv=PYTHONDONTWRITEBYTECODE=1 {slot}/venv/bin/python -c %s"
)
AS_A_CLIENT = """
import json, os, redis
client = redis.Redis(**(redis.connection.parse_url(os.environ["{variable}"]) | {changed!r}))
answers = []
for command in {sent!r}:
    try: answers.append(str(client.execute_command(*command)))
    except redis.RedisError as error: answers.append(str(error))
print(json.dumps(answers))
"""


@pytest.fixture
def python(app: Any, project: str) -> Callable[[str], Any]:
    """Run Python as the live release does; gives what it prints, read as JSON."""
    status = json.loads(app.check_output("release --project %s --json status", project))
    command = AS_THE_SITE.format(
        project=project, slot=f"/srv/{project}/slots/{status['live']['slot']}"
    )

    def run(code: str) -> Any:
        output = app.check_output(command, code)
        return json.loads(output.splitlines()[-1]) if output else None

    return run


@pytest.fixture
def redis_commands(python: Callable[[str], Any]) -> Callable[[str], Callable[..., list[str]]]:
    """Give, for the environment variable with a URL, what sends commands to that redis."""

    def client(variable: str) -> Callable[..., list[str]]:
        return lambda *sent, **changed: python(
            AS_A_CLIENT.format(variable=variable, changed=changed, sent=list(sent))
        )

    return client


@pytest.fixture
def release(app: Any, project: str) -> Callable[..., dict[str, Any]]:
    """Run the release command on the app machine; gives what it says as JSON, and its status."""

    def run(*arguments: str) -> dict[str, Any]:
        done = app.run(
            "release --project %s --json " + " ".join(["%s"] * len(arguments)), project, *arguments
        )
        answer = json.loads(done.stdout) if done.stdout.strip() else {}
        return answer | {"status": done.rc, "stderr": done.stderr}

    return run


@pytest.fixture
def traffic(site: Visitor) -> Callable[..., Any]:
    """Give visitors to the site: ``with traffic(paths=("/",), visitors=3) as load: …``."""

    def start(paths: Sequence[str] = ("/",), visitors: int = 3, pause: float = 0.01) -> Load:
        return Load(Site(site.address, site.domain), visitors, pause=pause, paths=paths)

    return start


@pytest.fixture
def uninterrupted(traffic: Callable[..., Any]) -> Iterator[Any]:
    """Keep asking for pages while a test runs; fail it if one answer was missing or an error."""
    # Some dozens of requests a second: what is tested meanwhile needs the processors, too.
    with traffic(pause=0.05) as load:
        yield load
    load.verify()
