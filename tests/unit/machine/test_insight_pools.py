"""Real redis and pgbouncer, with the configuration that the roles write, are asked for figures."""

from __future__ import annotations

import contextlib
import hashlib
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest

from espalier_machine.insight.pgbouncer import Pgbouncer, pools, stats
from espalier_machine.insight.protocol import Answer
from espalier_machine.insight.redis import Client, Redis, RedisError, place
from tests.unit.playbooks import ROOT

SERVER, POOLER = shutil.which("redis-server"), shutil.which("pgbouncer")


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def render(role: str, directory: Path, port: int) -> Path:
    """What the role writes, but for where it keeps its data."""
    loader = jinja2.FileSystemLoader(ROOT / "templates" / role)
    environment = jinja2.Environment(loader=loader, trim_blocks=True)
    environment.filters["hash"] = lambda text, _: hashlib.sha256(text.encode()).hexdigest()
    known: dict[str, Any] = {
        "ansible_managed": "Written by a test.",
        f"{role}_listen": [{"address": "127.0.0.1", "port": port}],
        f"{role}_user": "shop",
        f"{role}_password": "secret",
        f"{role}_old_password": "before",
        f"{role}_memory_mb": 64,
    }
    text = environment.get_template(f"{role}.conf.j2").render(known)
    for folder in ("/run/redis", "/var/lib/redis-queue"):
        text = text.replace(f"dir {folder}", f"dir {directory}")
    file = directory / f"{role}.conf"
    file.write_text(text)
    own = environment.get_template("insight.conf.j2").render(known)
    file.with_name(f"insight-{file.name}").write_text(own)
    return file


@contextlib.contextmanager
def running(role: str, directory: Path, *, is_of_before: bool = False) -> Iterator[Path]:
    config = render(role, directory, free_port())
    own = [] if is_of_before else ["--include", str(config.with_name(f"insight-{config.name}"))]
    process = subprocess.Popen(["redis-server", str(config), *own], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(place(config.read_text()), 2).close()
                break
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield config
    finally:
        process.terminate()
        process.wait()


def test_redis_that_runs_since_before_is_asked_again_after_its_next_start(tmp_path: Path) -> None:
    with running("redis", tmp_path, is_of_before=True) as config:
        errors: list[str] = []
        assert Redis("redis", config, errors).figures(1.0) is None
        assert errors == [
            "redis was not asked for a while: it runs since before it was given a user for this, "
            "and has it from its next start on."
        ]


def as_project(config: Path) -> Client:
    """A connection as the project's user."""
    client = Client(config)
    client._socket = socket.create_connection(place(config.read_text()), 2)
    client._ask("AUTH", "shop", "secret")
    return client


@pytest.mark.skipif(not SERVER, reason="redis is not installed")
def test_cache_tells_figures_and_nothing_else(tmp_path: Path) -> None:
    with running("redis", tmp_path) as config:
        errors: list[str] = []
        cache = Redis("redis", config, errors)
        cache.figures(1)
        project = as_project(config)
        project.ask("SET", "a", "1")
        for key in ("a", "a", "a", "b"):
            project.ask("GET", key)
        found = cache.figures(2)
        assert found
        assert (found["hits"], found["misses"], found["evicted"]) == (1.5, 0.5, 0)
        assert found["operations"] >= 2.5
        assert found["limit_mb"] == 51
        assert 0.1 < found["memory_mb"] < 20
        assert errors == []
        client = Client(config)
        for command in ("GET a", "SET a 2", "FLUSHALL", "CONFIG GET dir", "KEYS *", "DBSIZE"):
            with pytest.raises(RedisError, match="no permissions"):
                client.ask(*command.split())


@pytest.mark.skipif(not SERVER, reason="redis is not installed")
def test_queue_tells_how_many_jobs_wait(tmp_path: Path) -> None:
    with running("queue", tmp_path) as config:
        project = as_project(config)
        for name, jobs in (("celery", 3), ("mail", 1), ("_kombu.binding.celery", 9)):
            for job in range(jobs):
                project.ask("LPUSH", name, str(job))
        project.ask("SET", "celery-task-meta-1", "x")
        errors: list[str] = []
        queue = Redis("The queue", config, errors)
        assert queue.queues() == {"celery": 3, "mail": 1}
        with pytest.raises(RedisError, match="no permissions"):
            Client(config).ask("LRANGE", "celery", "0", "1")
        assert errors == []


def test_redis_that_is_away_is_said_once_and_costs_nothing(tmp_path: Path) -> None:
    errors: list[str] = []
    cache = Redis("redis", render("redis", tmp_path, free_port()), errors)
    assert [cache.figures(1) for _ in range(3)] == [None, None, None]
    assert len(errors) == 1 and errors[0].startswith("redis was not asked for a while: ")


def answer(text: str) -> Answer:
    made = Answer()
    header, *rows = text.splitlines()
    made.columns = header.split()
    made.rows = [list(row.split()) for row in rows]
    return made


def test_pools_of_all_databases_but_its_own() -> None:
    shown = (
        "database user cl_active cl_waiting cl_cancel_req sv_active sv_idle maxwait maxwait_us\n"
        "pgbouncer pgbouncer 1 0 0 0 0 0 0\n"
        "shop shop 10 4 0 8 2 1 250000\n"
        "shop reader 1 0 0 1 0 0 0\n"
    )
    assert pools(answer(shown)) == {
        "clients_active": 11,
        "clients_waiting": 4,
        "servers_active": 9,
        "servers_idle": 2,
        "longest_wait": 1.25,
    }
    told = (
        "database total_xact_count total_query_count total_xact_time total_wait_time\n"
        "pgbouncer 1 1 0 0\n"
        "shop 100 250 2500000 500000\n"
    )
    assert stats(answer(told)) == {
        "waited": 0.5,
        "transaction_seconds": 2.5,
        "transactions": 100,
        "queries": 250,
    }


@pytest.mark.skipif(not POOLER, reason="pgbouncer is not installed")
def test_real_pgbouncer_is_asked_by_its_socket() -> None:
    directory = Path(tempfile.mkdtemp(prefix="espalier-pool-"))
    port = free_port()
    (directory / "pgbouncer.ini").write_text(
        f"[databases]\nshop = host={directory} port=1\n[pgbouncer]\nlisten_addr =\n"
        f"listen_port = {port}\nunix_socket_dir = {directory}\nauth_type = trust\nlogfile =\n"
        f"auth_file = {directory}/users\n"
    )
    (directory / "users").write_text('"shop" ""\n')
    shutil.chown(directory, "postgres", "postgres")
    words = ["runuser", "-u", "postgres", "--", str(POOLER), "-q", f"{directory}/pgbouncer.ini"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not (directory / f".s.PGSQL.{port}").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        errors: list[str] = []
        known = Pgbouncer(errors, directory, port)
        known.ask()
        until = time.monotonic() + 2
        while known.second(1) is None and time.monotonic() < until:
            assert known.session
            if select.select([known.session], [], [], 0.2)[0]:
                known.receive()
        assert errors == []
        assert known.second(1) == {
            "clients_active": 0,
            "clients_waiting": 0,
            "servers_active": 0,
            "servers_idle": 0,
            "longest_wait": 0,
            "waited": 0,
            "transaction_seconds": 0,
            "transactions": 0,
            "queries": 0,
        }
        known.close()
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)
