"""The cache: Django uses it, nobody else can, and its loss slows the site but breaks nothing."""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from espalier.load.site import Site
from espalier.load.visitors import Load
from tests.infra.conftest import posting

testinfra_hosts = ["ansible://redis"]


@pytest.fixture(scope="module", autouse=True)
def _tier(running: Callable[[str], list[str]]) -> None:
    running("redis")


@pytest.fixture
def django(python: Callable[[str], Any]) -> Callable[[str], Any]:
    """Run Python in the live release, with its settings loaded."""
    return lambda code: python("import json, django\ndjango.setup()\n" + code)


@pytest.fixture
def commands(redis_commands: Callable[..., Any]) -> Callable[..., list[str]]:
    """Send redis commands, by default as the site's own user; gives answers or error messages."""
    return redis_commands("ESPALIER_CACHE_URL")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Wait until something is so; only a machine that is broken takes so long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds} s: {what}"
        time.sleep(0.3)


# --- what it is for -------------------------------------------------------------------------------


def test_value_cached_by_one_process_is_read_by_another_and_lies_in_redis(
    django: Any, commands: Any
) -> None:
    key, value = f"test-{uuid.uuid4().hex}", uuid.uuid4().hex
    begin = "from django.core.cache import cache\n"
    assert django(f"{begin}print(json.dumps(cache.set('{key}', '{value}', 60)))") is not False
    assert django(f"{begin}print(json.dumps(cache.get('{key}')))") == value
    (found,) = commands(["SCAN", "0", "MATCH", f"*{key}", "COUNT", "1000000"])
    assert key in found
    assert django(f"{begin}print(json.dumps(cache.delete('{key}')))") is True


def test_page_cached_by_the_project_is_the_same_for_everybody(site: Any, project: str) -> None:
    if project != "orchard":
        pytest.skip("needs a page of the example project")
    written = {
        re.search(r'datetime="([^"]+)"', site.get("/almanac/")[1].decode())[1] for _ in range(8)
    }
    # Eight requests reach several processes; two minutes at most, should one end meanwhile.
    assert len(written) <= 2


# --- who may do what ------------------------------------------------------------------------------


def test_other_clients_are_refused(commands: Any) -> None:
    (refused,) = commands(["PING"], password="wrong")
    assert "invalid username-password pair or user is disabled" in refused
    (refused,) = commands(["PING"], username="default", password="")
    assert "invalid username-password pair or user is disabled" in refused
    (refused,) = commands(["PING"], username="", password="")
    assert "authenticated" in refused  # the driver's greeting is refused already


@pytest.mark.parametrize(
    "command",
    [
        *("CONFIG GET dir", "CONFIG SET dir /etc", "DEBUG SLEEP 0", "FLUSHALL", "KEYS *", "SAVE"),
        *("SHUTDOWN NOSAVE", "MONITOR", "ACL LIST", "REPLICAOF 198.18.255.1 6379", "CLIENT LIST"),
        *("EVAL return(1) 0", "MODULE LIST", "BLPOP nothing 1", "SCRIPT FLUSH", "SLOWLOG GET"),
    ],
)
def test_the_site_s_user_has_no_power_over_the_server(commands: Any, command: str) -> None:
    (refused,) = commands(command.split())
    # DEBUG is refused to everybody.
    assert "no permissions to run" in refused or "DEBUG command not allowed" in refused


@pytest.mark.parametrize("service", ["redis", "queue"])
def test_other_machines_are_not_answered_at_all(
    host: Any, topology: dict[str, Any], is_lab: bool, service: str
) -> None:
    if not is_lab:
        pytest.skip("only a lab's network is certain to let us ask")
    machine = topology["machines"][host.backend.host]
    port = machine["listens"][service][0]["port"]
    assert host.socket(f"tcp://{machine['address']}:{port}").is_listening
    with pytest.raises(OSError, match="timed out"):
        socket.create_connection((machine["address"], port), timeout=2)


def test_password_is_in_no_process_list_journal_or_readable_file(
    host: Any, app: Any, project: str
) -> None:
    environment = app.check_output(f"cat /etc/espalier/{project}/environment")
    password = re.search(r'ESPALIER_CACHE_URL="redis://[^:]+:([^@]+)@', environment)[1]
    assert len(password) >= 32
    for machine in (host, app):
        assert password not in machine.check_output("ps -e -o args")
        assert password not in machine.check_output("journalctl -o cat --no-pager")
    # Where redis runs there is only a hash of it, which is nobody's business either.
    assert password not in host.check_output("cat /etc/redis/redis.conf")
    assert host.run("runuser -u nobody -- cat /etc/redis/redis.conf").rc != 0


# --- what it may cost -----------------------------------------------------------------------------


def test_nothing_is_written_to_disk(commands: Any) -> None:
    (info,) = commands(["INFO", "persistence"])
    assert "'rdb_saves': 0" in info
    assert "'aof_enabled': 0" in info


@pytest.mark.breaks
def test_full_cache_drops_pages_and_never_refuses_one(
    python: Any, commands: Any, hostvars: dict[str, Any], host: Any
) -> None:
    (before,) = commands(["INFO", "memory"])
    bound = int(re.search(r"'maxmemory': (\d+)", before)[1])
    memory = hostvars[host.backend.host].get("memory_mb")
    if memory:
        assert 0 < bound < 0.75 * memory * 1024 * 1024
    used = python(
        'import json, os, redis\nclient = redis.Redis.from_url(os.environ["ESPALIER_CACHE_URL"])\n'
        f"for number in range({bound // 500_000} + 20):\n"
        "    client.set(f'test-fill-{number}', os.urandom(500_000))\n"
        "print(json.dumps([client.info('memory')['used_memory'], "
        "client.info('stats')['evicted_keys'], client.flushdb()]))"
    )
    assert used[0] <= bound
    assert used[1] > 0


# --- its loss -------------------------------------------------------------------------------------


@pytest.fixture
def visitor(site: Any, django: Any, project: str) -> Iterator[Callable[[], int]]:
    """Log somebody in; gives a function that asks for the admin, 200 as long as the login holds."""
    if site.get("/admin/login/")[0].status != 200:
        pytest.skip("the project has no login page at /admin/")
    name, password = f"test-{uuid.uuid4().hex[:12]}", uuid.uuid4().hex
    users = "from django.contrib.auth import get_user_model\nUser = get_user_model()\n"
    django(f"{users}User.objects.create_superuser('{name}', 'a@b.example', '{password}')")
    form = urlencode({"username": name, "password": password}).encode()
    with posting(site, "/admin/login/?next=/admin/") as post:
        answer = post(form, "application/x-www-form-urlencoded")
    assert answer.status == 302, answer.status
    cookies = SimpleCookie("; ".join(answer.headers.get_all("Set-Cookie")))
    session = cookies["sessionid"].value
    yield lambda: site.get("/admin/", Cookie=f"sessionid={session}")[0].status
    django(f"{users}User.objects.filter(username='{name}').delete()")


@pytest.mark.breaks
def test_login_survives_an_emptied_and_a_restarted_cache(
    host: Any, visitor: Any, commands: Any
) -> None:
    assert visitor() == 200
    assert commands(["FLUSHDB"]) == ["True"]
    assert visitor() == 200
    commands(["SET", "test-lost", "x"])
    host.check_output("systemctl restart redis-server")
    # A cache keeps nothing over a restart, or it would have written it down.
    wait_for(lambda: commands(["EXISTS", "test-lost"]) == ["0"], "redis answers, and is empty")
    assert visitor() == 200


@pytest.fixture
def visitors(site: Any, project: str, tmp_path: Path) -> Iterator[Load]:
    """Read and write, pages that use the cache and pages that do not, while a test breaks it."""
    ledger = tmp_path / "ledger" if project == "orchard" else None
    with Load(Site(site.address, site.domain), ledger_path=ledger) as load:
        yield load
    load.verify()


def answered(visitors: Load, more: int) -> None:
    """Wait until so many more requests were answered."""
    wanted = len(visitors.answers) + more
    wait_for(lambda: len(visitors.answers) >= wanted, f"{more} more requests answered", 120)


@pytest.mark.breaks
def test_killed_redis_breaks_nothing_and_comes_back(
    host: Any, commands: Any, visitors: Load, visitor: Any
) -> None:
    for _ in range(3):
        host.check_output("systemctl kill --signal=KILL redis-server")
        answered(visitors, 100)
    assert visitor() == 200
    wait_for(lambda: commands(["PING"]) == ["True"], "redis is back")


@pytest.mark.breaks
@pytest.mark.parametrize(
    ("stop", "start"),
    [
        ("systemctl stop redis-server", "systemctl start redis-server"),
        # It hangs: connections are still accepted, and nothing is ever answered.
        (
            "systemctl kill --signal=STOP redis-server",
            "systemctl kill --signal=CONT redis-server",
        ),
    ],
    ids=["stopped", "hanging"],
)
def test_absent_redis_breaks_nothing(
    host: Any,
    site: Any,
    commands: Any,
    visitors: Load,
    visitor: Any,
    stop: str,
    start: str,
) -> None:
    host.check_output(stop)
    try:
        answered(visitors, 300)
        assert visitor() == 200
    finally:
        host.check_output(start)
    wait_for(lambda: commands(["PING"]) == ["True"], "redis is back")
    answered(visitors, 100)
