"""What the connection pool does and refuses."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Callable
from typing import Any

import pytest

ADMIN = (
    "runuser -u postgres -- psql -X -A -t -h /run/pgbouncer -p 6432 -U pgbouncer -d pgbouncer -c"
)


class Secret(str):
    """A text that stays out of what a failed test shows."""

    def __repr__(self) -> str:
        """Show none of it."""
        return "(secret)"


@pytest.fixture(scope="module")
def names(running: Callable[[str], list[str]]) -> list[str]:
    """The machines with a pool."""
    return running("pgbouncer")


@pytest.fixture(scope="module")
def pool(names: list[str], machine: Any) -> Any:
    """The machine with the pool in front of the primary."""
    return machine(names[0])


@pytest.fixture(scope="module")
def url(app: Any, project: str, names: list[str]) -> str:
    """Django's own way to the database."""
    text = app.file(f"/etc/espalier/{project}/environment").content_string
    return Secret(text.split('ESPALIER_DATABASE_URL="')[1].split('"')[0])


def psql(host: Any, url: str, sql: str) -> Any:
    """Ask by a URL; the password travels by the environment."""
    head, _, rest = url.partition("@")
    scheme, user, password = head.split(":")
    return host.run(
        "PGPASSWORD=%s psql -X -A -t -w -d %s -c %s", password, f"{scheme}:{user}@{rest}", sql
    )


def test_django_s_url_leads_through_the_pool(app: Any, url: str, pool: Any, project: str) -> None:
    assert psql(app, url, "SELECT 41 + 1").stdout.strip() == "42"
    assert f"{project}|{project}" in pool.check_output(f"{ADMIN} 'SHOW POOLS'")


def test_site_answers_through_the_pool(site: Any, pool: Any, project: str) -> None:
    def transactions() -> int:
        rows = pool.check_output(f"{ADMIN} 'SHOW STATS_TOTALS'").splitlines()
        return sum(int(row.split("|")[1]) for row in rows if row.startswith(f"{project}|"))

    before = transactions()
    assert site.get("/")[0].status == 200
    assert transactions() > before


@pytest.mark.breaks
def test_migrations_bypass_the_pooler(app: Any, project: str, url: str, pool: Any) -> None:
    text = app.file(f"/etc/espalier/{project}/environment").content_string
    direct = text.split('ESPALIER_DIRECT_DATABASE_URL="')[1].split('"')[0]
    pool.check_output(f"{ADMIN} PAUSE")
    try:
        assert psql(app, direct, "SELECT 41 + 1").stdout.strip() == "42"
    finally:
        pool.check_output(f"{ADMIN} RESUME")


def test_wrong_password_is_refused(app: Any, url: str) -> None:
    user, _, rest = url.partition("@")
    wrong = f"{user.rsplit(':', 1)[0]}:wrong@{rest}"
    done = psql(app, wrong, "SELECT 1")
    assert done.rc != 0
    assert "authentication failed" in done.stderr


def test_other_databases_and_users_are_refused(pool: Any, project: str) -> None:
    for user, database in (
        ("postgres", project),
        ("espalier_pooler", project),
        (project, "postgres"),
    ):
        command = (
            f"runuser -u nobody -- psql -X -w -h /run/pgbouncer -p 6432 -U {user} -d {database}"
        )
        assert pool.run(f"{command} -c 'SELECT 1'").rc != 0, (user, database)


def test_console_is_closed_to_others(pool: Any) -> None:
    command = ADMIN.replace("runuser -u postgres", "runuser -u nobody")
    assert pool.run(f"{command} 'SHOW POOLS'").rc != 0


def test_listens_only_where_the_topology_says(
    topology: Any, names: list[str], machine: Any
) -> None:
    for name in names:
        endpoints = topology["machines"][name]["listens"]["pgbouncer"]
        expected = {e["address"] for e in endpoints if not e["address"].startswith("/")}
        lines = machine(name).check_output("ss -Hltn sport = :6432").splitlines()
        assert {line.split()[3].rsplit(":", 1)[0] for line in lines} == expected


def test_other_machines_are_refused(
    topology: Any, names: list[str], machine: Any, project: str, url: str
) -> None:
    password = url.split("@")[0].rsplit(":", 1)[1]
    for name in names:
        here = topology["machines"][name]
        if len(here["listens"]["pgbouncer"]) < 2:
            pytest.skip("the pool has no network address")
        for other, placed in topology["machines"].items():
            # On the pool's own machine Django comes by the socket, never by the private address.
            if placed["address"] in here["clients"]["pgbouncer"] or not placed["services"]:
                continue
            command = "PGPASSWORD=%s psql -Xw -h %s -p 6432 -U %s -d 'dbname=%s connect_timeout=3'"
            command += " -c 'SELECT 1'"
            done = machine(other).run(command, password, here["address"], project, project)
            assert done.rc != 0, other


def test_password_is_written_down_nowhere(pool: Any, url: str) -> None:
    password = url.split("@")[0].rsplit(":", 1)[1]
    assert pool.run("grep -rq %s /etc/pgbouncer", password).rc == 1


@pytest.mark.breaks
def test_many_clients_share_few_connections(app: Any, pool: Any, url: str, project: str) -> None:
    size = int(
        pool.check_output(
            f"{ADMIN} 'SHOW CONFIG' | sed -n 's/^default_pool_size|\\([0-9]*\\)|.*/\\1/p'"
        )
    )
    head, _, rest = url.partition("@")
    scheme, user, password = head.split(":")
    clients = 5 * size
    target = shlex.quote(f"{scheme}:{user}@{rest}")
    done = app.run(
        f"for i in $(seq {clients}); do "
        f"PGPASSWORD={password} psql -X -A -t -w -d {target} -c 'SELECT pg_sleep(0.2)' "
        '>/dev/null & pids="$pids $!"; done; '
        "bad=0; for p in $pids; do wait $p || bad=$((bad+1)); done; echo $bad"
    )
    assert done.stdout.strip() == "0", done.stderr
    backends = pool.check_output(
        "runuser -u postgres -- psql -X -A -t -c %s",
        f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{project}' "
        "AND backend_type = 'client backend' AND usename <> 'espalier_pooler'",
    )
    assert int(backends) <= size + 5 + 2


@pytest.mark.breaks
def test_requests_wait_while_postgresql_restarts(pool: Any, site: Any) -> None:
    """What a run does where a setting needs a restart: PAUSE, restart, RESUME."""
    failed: list[int] = []
    done = threading.Event()

    def visit() -> None:
        while not done.is_set():
            status = site.get("/")[0].status
            if status != 200:
                failed.append(status)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    try:
        unit = pool.check_output(
            'pg_lsclusters -h | awk \'$2 == "main" {print "postgresql@" $1 "-main"}\''
        ).strip()
        pool.check_output(f"{ADMIN} PAUSE")
        pool.check_output("systemctl restart %s", unit)
        pool.check_output(f"{ADMIN} RESUME")
    finally:
        done.set()
        for visitor in visitors:
            visitor.join()
    assert failed == []


@pytest.mark.breaks
def test_reload_drops_no_client(app: Any, pool: Any, url: str) -> None:
    head, _, rest = url.partition("@")
    scheme, user, password = head.split(":")
    if app.backend.host != pool.backend.host:
        pytest.skip("Django and the pool are on different machines")
    done = app.run(
        "(sleep 0.5; echo 'SELECT 1;'; sleep 3; echo 'SELECT 2;') "
        "| PGPASSWORD=%s psql -X -A -t -w -d %s & sleep 1.5; systemctl reload pgbouncer; wait $!",
        *(password, f"{scheme}:{user}@{rest}"),
    )
    assert done.stdout.split() == ["1", "2"]
