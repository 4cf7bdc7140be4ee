"""The queue: jobs reach workers once, whatever stops or restarts; and WebSockets, which it feeds.

With the project examples/apiary, whose jobs fill jars: one that was filled twice, or never, shows.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest

from espalier.load.sessions import OnlyThisSite
from espalier.load.site import Site
from tests.infra.conftest import posting

ROOT = Path(__file__).resolve().parents[2]
testinfra_hosts = ["ansible://queue"]

UNIT = "redis-server@queue"
GOING_AWAY = {1001, 1012}  # codes of RFC 6455: the server leaves, or starts anew


@pytest.fixture(scope="module", autouse=True)
def _tier(running: Callable[[str], list[str]]) -> None:
    running("queue")


@pytest.fixture(scope="module")
def apiary(project: str) -> None:
    """Skip what only the example project with jobs can show."""
    if project != "apiary":
        pytest.skip("needs the pages of examples/apiary")


class Hive:
    """What a visitor of the example does: ask for jars, and see which are full."""

    def __init__(self, site: Any) -> None:
        """Visit the site."""
        self.site = site

    def ask(self, name: str, seconds: float = 0) -> None:
        """Ask for a jar whose filling takes so long; the answer does not wait for it."""
        form = urlencode({"name": name, "seconds": seconds}).encode()
        with posting(self.site, "/") as post:
            assert post(form, "application/x-www-form-urlencoded").status == 302

    def release(self) -> str:
        """Give the release that answers."""
        return json.loads(self.site.get("/jars.json")[1])["release"]

    def jars(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Give the jars whose names begin so, by name."""
        found = json.loads(self.site.get("/jars.json")[1])["jars"]
        return {jar["name"]: jar for jar in found if jar["name"].startswith(prefix)}

    def wait_until_full(self, prefix: str, seconds: float = 90) -> dict[str, dict[str, Any]]:
        """Wait until all are full, and see that none was filled twice."""
        deadline = time.monotonic() + seconds
        while any(jar["fillings"] == 0 for jar in self.jars(prefix).values()):
            assert time.monotonic() < deadline, f"never filled: {self.jars(prefix)}"
            time.sleep(0.3)
        jars = self.jars(prefix)
        assert {jar["fillings"] for jar in jars.values()} == {1}, jars
        return jars

    async def listen(self, then: Callable[[Any], Awaitable[None]]) -> tuple[list[Any], int]:
        """Open the WebSocket, call `then` with it, read until it ends.

        Gives what was heard, and the code that the site closed it with: 0 if it did not.
        """
        site = Site(self.site.address, self.site.domain)
        headers = {"Origin": site.base}
        async with (
            aiohttp.ClientSession(
                site.base, connector=aiohttp.TCPConnector(resolver=OnlyThisSite(site), ssl=False)
            ) as session,
            session.ws_connect("/hum/", headers=headers, autoclose=False) as hum,
        ):
            heard = [await hum.receive_json(timeout=30)]
            task = asyncio.ensure_future(then(hum))
            while (message := await hum.receive()).type is aiohttp.WSMsgType.TEXT:
                heard.append(json.loads(message.data))
            await task
            return heard, message.data if message.type is aiohttp.WSMsgType.CLOSE else 0


@pytest.fixture
def hive(site: Any, apiary: None) -> Hive:
    """A visitor of the example's site."""
    return Hive(site)


@pytest.fixture
def name() -> str:
    """A beginning that no other jar has."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def new_release(inventory_path: str, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Release the example with something changed, as a developer does; goes back in the end."""
    inventory, code = tmp_path / "inventory", tmp_path / "apiary"
    shutil.copytree(inventory_path, inventory)
    shutil.copytree(ROOT / "examples" / "apiary", code)
    file = inventory / "group_vars/all/project.yml"
    file.write_text(file.read_text().replace("examples/apiary", str(code)))

    def espalier(command: str) -> str:
        program = str(Path(sys.executable).with_name("espalier"))
        done = subprocess.run(
            [program, command, "--json", "-i", str(inventory)],
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def release() -> str:
        with (code / "hive/tasks.py").open("a") as tasks:
            tasks.write(f"\n# {uuid.uuid4()}\n")
        return espalier("release")

    yield release
    espalier("rollback")


# --- jobs -----------------------------------------------------------------------------------------


def test_job_that_a_page_asks_for_is_done_by_a_worker(hive: Hive, name: str) -> None:
    hive.ask(name)
    assert hive.wait_until_full(name)[name]["filled_by"] == hive.release()


@pytest.mark.breaks
def test_release_lets_a_worker_finish_and_loses_no_job(
    hive: Hive, name: str, new_release: Callable[[], str]
) -> None:
    before = hive.release()
    hive.ask(f"{name} slow", seconds=12)
    for number in range(10):
        hive.ask(f"{name} {number}")
    new_release()
    after = hive.release()
    assert after != before
    for number in range(10, 20):
        hive.ask(f"{name} {number}")
    jars = hive.wait_until_full(name)
    assert jars[f"{name} slow"]["filled_by"] == before  # it was in hand
    assert jars[f"{name} 19"]["filled_by"] == after


@pytest.mark.breaks
def test_killed_queue_has_every_job_again(
    hive: Hive, name: str, host: Any, app: Any, project: str
) -> None:
    worker = f"{project}-process@worker-1"
    app.check_output("systemctl stop %s", worker)
    try:
        for number in range(5):
            hive.ask(f"{name} {number}")
        time.sleep(2)  # appendfsync everysec; what a killed process wrote is the kernel's at once
        host.check_output("systemctl kill --signal=KILL %s", UNIT)
    finally:
        app.check_output("systemctl start %s", worker)
    assert len(hive.wait_until_full(name)) == 5


@pytest.mark.breaks
def test_restarted_queue_is_found_again_by_pages_and_workers(
    hive: Hive, name: str, host: Any
) -> None:
    hive.ask(f"{name} before")
    host.check_output("systemctl restart %s", UNIT)
    hive.ask(f"{name} after")
    hive.wait_until_full(name)


def test_beat_runs_once(hive: Hive) -> None:
    # It asks for an inspection every two seconds; two of them would ask twice as often.
    found = json.loads(hive.site.get("/jars.json")[1])["inspections"]
    time.sleep(20)
    now = json.loads(hive.site.get("/jars.json")[1])["inspections"]
    new = [at for at in now if at not in found]
    assert 6 <= len(new) <= 13, new


def test_project_that_reads_its_environment_is_told_of_the_queue(python: Any, apiary: None) -> None:
    ask = "os.environ['REDIS_URL'] == os.environ['ESPALIER_QUEUE_URL']"
    assert python(f"import json, os\nprint(json.dumps({ask}))")


# --- WebSockets -----------------------------------------------------------------------------------


def test_websocket_says_what_it_hears_and_what_workers_do(hive: Hive, name: str) -> None:
    async def talk(hum: Any) -> None:
        await hum.send_json({"number": 1})
        await asyncio.to_thread(hive.ask, name)
        await asyncio.sleep(15)  # longer than any reader's patience with a silent redis
        await hum.send_json({"number": 2})
        await asyncio.sleep(2)
        await hum.close()

    heard, _ = asyncio.run(hive.listen(talk))
    assert heard[0] == {"release": hive.release()}
    assert {"echo": {"number": 1}} in heard
    assert {"echo": {"number": 2}} in heard
    assert name in [one["filled"]["name"] for one in heard if "filled" in one]


@pytest.mark.breaks
def test_release_closes_websockets_and_the_next_one_is_new(
    hive: Hive, new_release: Callable[[], str]
) -> None:
    before = hive.release()

    async def release(hum: Any) -> None:
        await asyncio.to_thread(new_release)

    heard, code = asyncio.run(hive.listen(release))
    assert heard[0] == {"release": before}
    assert code in GOING_AWAY

    async def leave(hum: Any) -> None:
        await hum.close()

    heard, _ = asyncio.run(hive.listen(leave))
    assert heard[0] == {"release": hive.release()} != {"release": before}


# --- who may do what ------------------------------------------------------------------------------


@pytest.fixture
def commands(redis_commands: Callable[..., Any]) -> Callable[..., list[str]]:
    """Send redis commands, by default as the site's own user; gives answers or error messages."""
    return redis_commands("ESPALIER_QUEUE_URL")


@pytest.mark.parametrize(
    "command",
    [
        *("CONFIG GET dir", "DEBUG SLEEP 0", "FLUSHALL", "KEYS *", "SHUTDOWN NOSAVE", "MONITOR"),
        *("ACL LIST", "REPLICAOF 198.18.255.1 6379", "SCRIPT DEBUG SYNC", "FUNCTION LIST", "SAVE"),
    ],
)
def test_the_site_s_user_has_no_power_over_the_server(commands: Any, command: str) -> None:
    (refused,) = commands(command.split())
    assert "no permissions to run" in refused or "DEBUG command not allowed" in refused


def test_other_clients_are_refused(commands: Any) -> None:
    (refused,) = commands(["PING"], password="wrong")
    assert "invalid username-password pair or user is disabled" in refused
