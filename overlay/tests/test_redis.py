"""The cache and the sessions on a real redis, and without it."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overlay.tests.conftest import Run

pytest.importorskip("redis")
pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="redis is not installed")

PRELUDE = """
import json, os, signal, subprocess, threading, time
import django; django.setup()
from django.core.cache import cache, caches
from django.test import Client
directory = os.environ["REDIS"]
def pid():
    return int(open(f"{directory}/pid").read())
def start():
    subprocess.run(["redis-server", f"{directory}/redis.conf"], check=True)
def kill():
    os.kill(pid(), signal.SIGKILL)
def hang():
    os.kill(pid(), signal.SIGSTOP)
def go_on():
    os.kill(pid(), signal.SIGCONT)
def wait(what):
    while not what():
        time.sleep(0.02)
def away():
    return cache._cache.outage.away
def back():
    wait(lambda: not away())
def get(path, c):
    response = c.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return response.json()
def tell(value):
    print(json.dumps(value))
"""
USER = """
from django.contrib.auth.models import User
User.objects.create_user("ada", password="ada")
c = Client(); c.post("/login")
"""


@pytest.fixture
def redis() -> Iterator[Path]:
    """Run a redis on a socket only; return its directory."""
    directory = Path(tempfile.mkdtemp(prefix="espalier-redis-"))
    (directory / "redis.conf").write_text(
        f"port 0\nunixsocket {directory}/socket\ndaemonize yes\npidfile {directory}/pid\n"
        f'dir {directory}\nsave ""\nuser default off\nuser tiny on >pa/ss ~* &* +@all\n'
    )
    subprocess.run(["redis-server", directory / "redis.conf"], check=True, stdout=-3)
    try:
        yield directory
    finally:
        ask(directory, "SHUTDOWN", "NOSAVE")
        shutil.rmtree(directory)


def ask(directory: Path, *command: str) -> str:
    """Return what redis answers."""
    cli = ["redis-cli", "-s", directory / "socket", "--user", "tiny", "--pass", "pa/ss"]
    return subprocess.run([*cli, *command], capture_output=True, text=True).stdout.strip()


@pytest.fixture
def outcome(run: Run, redis: Path) -> Any:
    """Return `outcome(code)`: what the code tells, with a migrated database."""
    environ = {
        "ESPALIER_SETTINGS": "tiny.grown",
        "ESPALIER_ALLOWED_HOSTS": "testserver",
        "ESPALIER_CACHE_URL": f"unix://tiny:pa%2Fss@{redis}/socket?db=0",
        "REDIS": str(redis),
    }
    assert run("manage.py", "migrate", "--verbosity", "0", **environ).returncode == 0

    def outcome(code: str, **more: str) -> Any:
        result = run("-c", f"{PRELUDE}\n{code}", **{**environ, **more})
        assert result.returncode == 0, result.stderr
        outcome.log = result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return outcome


# What Django's tests of a cache would do, and what it does without redis.
OPERATIONS = """
def do(name):
    try:
        return {
            "get": lambda: cache.get("k", "default"),
            "set": lambda: cache.set("k", 1),
            "add": lambda: cache.add("new", 1),
            "touch": lambda: cache.touch("k", 60),
            "delete": lambda: cache.delete("k"),
            "has_key": lambda: "k" in cache,
            "get_many": lambda: cache.get_many(["k"]),
            "set_many": lambda: cache.set_many({"k": 1, "l": 2}),
            "delete_many": lambda: cache.delete_many(["k", "l"]),
            "incr": lambda: cache.incr("k"),
            "get_or_set": lambda: cache.get_or_set("k", lambda: 5),
            "clear": cache.clear,
        }[name]()
    except ValueError:
        return "ValueError"
names = ["set", "add", "get", "touch", "has_key", "get_many", "incr", "set_many", "delete",
         "get_or_set", "delete_many", "clear"]
"""
WITHOUT = [
    None,
    False,
    "default",
    False,
    False,
    {},
    "ValueError",
    ["k", "l"],
    False,
    5,
    None,
    False,
]


def test_with_redis_it_is_django_s_cache(outcome: Any):
    assert outcome(f"{OPERATIONS}\ntell([do(n) for n in names])") == [
        *(None, True, 1, True, True, {"k": 1}, 2, [], True, 5, None, True)
    ]


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_without_redis_everything_is_a_miss_at_no_cost(outcome: Any, how: str):
    code = f"""{OPERATIONS}
cache.set("k", 1)
{how}()
times, results = [], []
for name in names:
    before = time.monotonic(); results.append(do(name)); times.append(time.monotonic() - before)
before = time.monotonic()
for _ in range(1000): cache.get("k")
times.append(time.monotonic() - before)
{"start" if how == "kill" else "go_on"}()
back()
cache.set("k", 3)
tell([results, sorted(times)[-2], cache.get("k")])"""
    results, second_longest, after = outcome(code)
    assert results == WITHOUT
    assert after == 3
    assert second_longest < 0.25  # only the first one waits for redis
    assert outcome.log.count("redis is away") == 1
    assert outcome.log.count("redis is back") == 1


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_no_page_fails_when_redis_goes_under_load(outcome: Any, how: str):
    code = f"""{USER}
statuses, users = [], []
stop = threading.Event()
def load():
    mine = Client(raise_request_exception=False); mine.cookies = c.cookies
    while not stop.is_set():
        response = mine.get("/whoami")
        statuses.append(response.status_code); users.append(response.content)
threads = [threading.Thread(target=load) for _ in range(4)]
for thread in threads: thread.start()
def some_more():
    count = len(statuses)
    wait(lambda: len(statuses) > count + 100)
some_more(); {how}(); wait(away); some_more()
{"start" if how == "kill" else "go_on"}(); back(); some_more()
stop.set()
for thread in threads: thread.join()
tell([sorted(set(statuses)), sorted(set(map(bytes.decode, users)))])"""
    assert outcome(code) == [[200], ['{"user": "ada"}']]


def test_a_session_is_read_from_the_cache_and_a_lost_cache_logs_nobody_out(outcome: Any):
    code = f"""{USER}
from django.db import connection
from django.test.utils import CaptureQueriesContext
def sessions_read():
    with CaptureQueriesContext(connection) as queries:
        assert get("/whoami", c)["user"] == "ada"
    return sum("django_session" in q["sql"] for q in queries)
seen = [sessions_read()]
cache.clear()
tell([*seen, sessions_read(), sessions_read()])"""
    assert outcome(code) == [0, 1, 0]


def test_who_logged_out_while_redis_hung_stays_logged_out(outcome: Any):
    code = f"""{USER}
stolen = Client(); stolen.cookies = c.cookies.copy()
seen = [get("/whoami", stolen)["user"]]
hang()
c.get("/logout")
seen.append(get("/whoami", stolen)["user"])
go_on(); back()
tell([*seen, get("/whoami", stolen)["user"]])"""
    assert outcome(code) == ["ada", "", ""]


def test_nothing_that_changed_in_an_outage_is_stale_afterwards(outcome: Any):
    code = """
for key in "abcd": cache.set(key, "old")
hang()
cache.set("a", "new"); cache.delete("b"); cache.set_many({"c": "new"})
go_on(); back()
tell(cache.get_many("abcd"))"""
    assert outcome(code) == {"d": "old"}


def test_a_forgotten_number_of_changes_empties_the_cache(outcome: Any):
    code = """
cache.set("old", 1)
hang()
cache.get("old")
for i in range(10001): cache.set(i, i)
go_on(); back()
tell([cache.get("old"), cache.get(0)])"""
    assert outcome(code) == [None, None]


def test_a_redis_that_refuses_is_not_away(outcome: Any, redis: Path):
    ask(redis, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    code = """
cache.set("k", "old")
client = cache._cache.get_client(write=True)
client.config_set("maxmemory", "1")
cache.set("k", "new")
client.config_set("maxmemory", "0")
tell([cache.get("k"), away()])"""
    assert outcome(code) == [None, False]


def test_a_value_of_another_release_is_a_miss(outcome: Any):
    code = """
client = cache._cache.get_client(write=True)
client.set(cache.make_key("k"), b"cno_such_module\\nThing\\n.")
tell(cache.get("k", "miss"))"""
    assert outcome(code) == "miss"


def test_a_fork_has_connections_and_threads_of_its_own(outcome: Any):
    code = """
cache.set("k", 1)
hang(); cache.get("k")
child = os.fork()
if child == 0:
    cache.get("k")
    go_on(); back(); cache.set("k", 2)
    os._exit(0)
os.waitpid(child, 0); back()
tell(cache.get("k"))"""
    assert outcome(code) == 2


def test_the_names_in_redis_begin_with_the_project(outcome: Any, redis: Path):
    outcome("cache.set('k', 1); tell(1)")
    assert ask(redis, "KEYS", "*") == "tiny:1:k"


def test_keys_are_counted_and_an_outage_is_a_miss(outcome: Any):
    code = """
from espalier_overlay import timed_calls
from espalier_overlay.times import Times, current
timed_calls.measure_caches()
def ask():
    times = Times()
    token = current.set(times)
    values = [cache.get("a"), cache.get("b", 2), cache.get_many(["a", "b"])]
    current.reset(token)
    return [values, times.hits, times.misses, times.cache > 0]
cache.set("a", 1)
found = [ask()]
kill()
tell([*found, ask()])
"""
    assert outcome(code) == [[[1, 2, {"a": 1}], 2, 2, True], [[None, 2, {}], 0, 4, True]]
