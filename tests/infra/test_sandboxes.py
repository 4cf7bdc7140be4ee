"""Each service has the rights that it needs and no other: systemd's own score, and effects."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from fnmatch import fnmatch
from typing import Any

import pytest

from espalier.audit.expectations import expectations, limit_of

testinfra_hosts = ["ansible://all"]

CONNECT = """
import socket, sys
try: socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
except OSError as error: print(type(error).__name__, error.errno)
"""


@pytest.fixture(name="project")
def _project(host: Any) -> str:
    """The site's name, on machines that do not run it too."""
    text = host.file("/etc/ansible/facts.d/espalier.fact").content_string
    return str(json.loads(text)["site"])


@pytest.fixture
def limits(project: str) -> dict[str, float]:
    """The limits, by pattern of a unit's name."""
    return expectations().limits(project)


def services(host: Any, limits: dict[str, float]) -> dict[str, float]:
    """The machine's services that have a limit, by their names."""
    loaded = host.check_output("systemctl list-units --all --type=service --plain --no-legend")
    names = [line.split()[0] for line in loaded.splitlines()]
    # Started by a timer, or when the machine is shut down.
    files = host.check_output("ls /etc/systemd/system").splitlines()
    names += [name.replace("@.", "@x.") for name in files if name.endswith(".service")]
    return {
        name: limit_of(name, limits)
        for name in names
        if any(fnmatch(name, pattern) for pattern in limits)
    }


@pytest.fixture
def inside(host: Any) -> Callable[..., Any]:
    """Run a command where a service's main process is: it sees the files that the process sees."""

    def run(unit: str, command: str, user: str = "root") -> Any:
        pid = host.check_output("systemctl show --value --property=MainPID %s", unit)
        if pid == "0":
            pytest.skip(f"{unit} does not run here")
        if "NoNewPrivs:\t1" not in host.file(f"/proc/{pid}/status").content_string:
            pytest.skip(f"{unit} runs as it was started before, until its next start")
        become = f"setpriv --reuid={user} --regid={user} --clear-groups"
        with host.sudo():
            return host.run(f"nsenter --target {pid} --mount -- {become} sh -c %s", command)

    return run


@pytest.fixture
def web_unit(host: Any, project: str) -> str:
    """The unit of the live release."""
    found = host.run("systemctl list-units --plain --no-legend %s", f"{project}-web@*.service")
    if not found.stdout.strip():
        pytest.skip("Django does not run here")
    return str(found.stdout.split()[0])


def test_each_service_has_few_rights(host: Any, limits: dict[str, float]) -> None:
    too_many = {}
    for unit, limit in services(host, limits).items():
        said = host.check_output("systemd-analyze security --no-pager %s", unit).splitlines()[-1]
        found = re.search(r"exposure level for \S+: ([\d.]+)", said)
        assert found, said
        if float(found[1]) > limit:
            too_many[unit] = (float(found[1]), limit)
    assert too_many == {}


def test_the_site_sees_no_home_and_nothing_of_a_build(
    inside: Any, web_unit: str, project: str
) -> None:
    seen = inside(web_unit, f"ls -A /root /home /srv/{project}/build")
    assert re.findall(r"^[^/\s].*", seen.stdout, re.MULTILINE) == []
    # By the project's user, who may read the directory above.
    logins = inside(web_unit, f"ls /etc/espalier/{project}/build", user=project)
    assert logins.rc != 0 and "Permission denied" in logins.stderr
    assert inside(web_unit, "touch /etc/mark /srv/mark").rc != 0


def test_nginx_reads_static_files_and_no_code(inside: Any, web_unit: str, project: str) -> None:
    root = f"/srv/{project}"
    assert inside("nginx", f"ls {root}/static", user="www-data").rc == 0
    assert inside("nginx", f"ls {root}/media", user="www-data").rc == 0
    assert "Permission denied" in inside("nginx", f"ls {root}/releases", user="www-data").stderr
    # Not even by root's process of nginx.
    seen = inside("nginx", "ls -A /root /home /var/lib/postgresql")
    assert re.findall(r"^[^/\s].*", seen.stdout, re.MULTILINE) == []
    assert "Read-only" in inside("nginx", f"touch /etc/nginx/mark {root}/mark").stderr


def test_postgresql_writes_its_data_alone(host: Any, inside: Any) -> None:
    units = host.check_output("systemctl list-units --plain --no-legend 'postgresql@*-main*'")
    if not units:
        pytest.skip("PostgreSQL does not run here")
    unit = units.split()[0]
    assert "Read-only" in inside(unit, "touch /etc/mark /usr/mark").stderr
    assert inside(unit, "test -w /var/lib/postgresql", user="postgres").rc == 0
    main = host.check_output("systemctl show --value --property=MainPID %s", unit)
    assert "CapEff:\t0000000000000000" in host.file(f"/proc/{main}/status").content_string


def test_the_project_connects_only_to_what_it_names(
    host: Any, declared: dict[str, Any], web_unit: str, project: str
) -> None:
    if declared.get("egress") is None:
        pytest.skip("needs a project with `egress`")
    # Nothing listens at either port of the lab's own computer, which says so where it is asked.
    address, port = declared["egress"][0].split(":")

    def connect(number: int, group: str) -> str:
        become = f"setpriv --reuid={project} --regid={group} --clear-groups"
        with host.sudo():
            return str(host.check_output(f"{become} python3 -c %s %s {number}", CONNECT, address))

    assert connect(int(port), project) == "ConnectionRefusedError 111"
    assert connect(int(port) + 1, project) == "OSError 113"
    # As a build's downloads do.
    assert connect(int(port) + 1, f"{project}-build") == "ConnectionRefusedError 111"
