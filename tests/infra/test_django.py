"""How Django runs: its user, its sandbox, its secrets, and how it comes back."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import pytest

testinfra_hosts = ["ansible://django"]


def master(host: Any, project: str) -> int:
    """Give the process id of the live gunicorn."""
    for slot in ("blue", "green"):
        pid = host.check_output(f"systemctl show -P MainPID {project}-web@{slot}")
        if pid != "0":
            return int(pid)
    raise AssertionError("no gunicorn runs")


def wait_for_the_site(site: Any, seconds: float = 60) -> None:
    """Wait until the front page answers again."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if site.get("/")[0].status == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, f"the site does not answer after {seconds} s"
        time.sleep(0.5)


def test_runs_as_its_own_user(host: Any, project: str) -> None:
    assert host.check_output(f"stat -c %U /proc/{master(host, project)}") == project


def test_cannot_write_where_it_has_no_business(host: Any, project: str) -> None:
    # Through the process's own view of the file system, as its sandbox left it.
    view = f"/proc/{master(host, project)}/root"
    for path in ("/etc", "/usr/local", f"/srv/{project}/releases", f"/srv/{project}/venvs"):
        attempt = host.run(f"touch {view}{path}/intruder")
        assert attempt.rc != 0, path
        assert "Read-only file system" in attempt.stderr, path
    assert host.run(f"touch {view}/srv/{project}/media/.writable").rc == 0
    host.run(f"rm /srv/{project}/media/.writable")


def test_secrets_are_in_no_process_list_and_no_readable_file(host: Any, project: str) -> None:
    content = host.check_output(f"cat /etc/espalier/{project}/environment")
    secret = content.split('ESPALIER_SECRET_KEY="')[1].split('"')[0]
    password = content.split(f"postgresql://{project}:")[1].split("@")[0]
    processes = host.check_output("ps -e -o args")
    journal = host.check_output("journalctl -o cat --no-pager")
    for value in (secret, password):
        assert len(value) >= 32
        assert value not in processes
        assert value not in journal
    assert host.run(f"runuser -u nobody -- cat /etc/espalier/{project}/environment").rc != 0


def test_other_users_cannot_read_the_code_or_reach_the_socket(host: Any, project: str) -> None:
    assert host.run(f"runuser -u nobody -- ls /srv/{project}/releases").rc != 0
    assert host.run(f"runuser -u nobody -- ls /run/{project}").rc != 0


@pytest.mark.breaks
def test_comes_back_after_its_death(host: Any, project: str, site: Any) -> None:
    before = master(host, project)
    host.check_output(f"kill -KILL {before}")
    wait_for_the_site(site)
    deadline = time.monotonic() + 60
    while True:  # another machine may have answered
        with contextlib.suppress(AssertionError):
            if master(host, project) != before:
                return
        assert time.monotonic() < deadline, "gunicorn does not come back"
        time.sleep(0.5)


def test_visitors_share_the_connections_to_the_database(
    traffic: Any, topology: Any, machine: Any, project: str, is_lab: bool
) -> None:
    # Under WSGI the workers' threads bound them, under ASGI Django's pool does.
    if not is_lab:
        pytest.skip("a heavy load, so only in a lab")
    primary = machine(topology["services"]["postgresql_primary"][0])
    logins = f"('{project}', 'espalier_login_{project}')"
    sql = f"SELECT count(*) FROM pg_stat_activity WHERE usename IN {logins}"
    count = ["runuser -u postgres -- psql -X -A -t -c %s", sql]
    with traffic(visitors=100) as load:
        counted = [int(primary.check_output(*count)) for _ in range(20)]
    load.verify()
    assert 0 < max(counted) < 50


def test_what_the_server_says_reaches_the_journal(host: Any, project: str) -> None:
    log = host.check_output(f"journalctl -o cat --no-pager -t {project}-web")
    assert re.search("Booting worker|Started server process|Spawning worker", log)


def test_status_for_a_person(host: Any, project: str) -> None:
    text = host.check_output("release status")
    assert project in text
    assert "live" in text
    assert len(host.check_output("release list").splitlines()) >= 2
