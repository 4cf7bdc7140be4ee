"""What replicas do: they follow, refuse writes, and find back whatever happened to them."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.conftest import ROOT, converge

AS_OWNER = "runuser -u postgres --"


def ask(host: Any, sql: str, database: str = "postgres") -> str:
    """Ask PostgreSQL on a machine as its administrator."""
    return host.check_output(f"{AS_OWNER} psql -X -A -t -d %s -c %s", database, sql).strip()


def eventually(check: Callable[[], object], tries: int = 240) -> None:
    """Wait for something that happens by itself; fails after two minutes."""
    for _ in range(tries):
        if check():
            return
        time.sleep(0.5)
    pytest.fail("it did not come about")


@pytest.fixture(scope="module")
def names(running: Callable[[str], list[str]]) -> list[str]:
    """The machines that hold a replica."""
    return running("postgresql_replica")


@pytest.fixture(scope="module")
def replicas(names: list[str], machine: Callable[[str], Any]) -> list[Any]:
    return [machine(name) for name in names]


@pytest.fixture(scope="module")
def primary(names: list[str], topology: dict[str, Any], machine: Callable[[str], Any]) -> Any:
    return machine(topology["services"]["postgresql_primary"][0])


@pytest.fixture
def broken(replicas: list[Any], is_lab: bool) -> Iterator[Any]:
    """A replica to break; it must follow again when the test is over."""
    if not is_lab:
        pytest.skip("breaks the replica: only in a lab")
    yield replicas[0]
    assert is_streaming(replicas[0])
    # Stopped while it still starts, it would get signals that PostgreSQL waits on for ever.
    eventually(lambda: replicas[0].run("systemctl is-active %s", unit(replicas[0])).rc == 0)


def follow(replica: Any) -> dict[str, Any]:
    """Do what the next run does on the replica's machine; gives what the command says."""
    version = replica.check_output("pg_lsclusters -h | awk '$2 == \"main\" {print $1}'").strip()
    return json.loads(replica.check_output("postgresql-replica follow %s", version))


def is_streaming(replica: Any) -> bool:
    done = replica.run(
        f'{AS_OWNER} psql -X -A -t -c "SELECT status FROM pg_stat_wal_receiver" postgres'
    )
    return done.stdout.strip() == "streaming"


def unit(replica: Any) -> str:
    return replica.check_output(
        'pg_lsclusters -h | awk \'$2 == "main" {print "postgresql@" $1 "-main"}\''
    ).strip()


def set_aside(replica: Any) -> set[str]:
    return set(
        replica.check_output("find /var/lib/postgresql -maxdepth 2 -name 'retired-*'").split()
    )


@pytest.fixture
def row(
    primary: Any, replicas: list[Any], project: str, is_lab: bool
) -> Iterator[Callable[[], None]]:
    """Write a row on the primary and wait until the first replica has it."""
    if not is_lab:
        pytest.skip("makes a table: only in a lab")
    ask(primary, "CREATE TABLE IF NOT EXISTS espalier_probe (mark text)", project)

    def travels() -> None:
        mark = uuid.uuid4().hex
        ask(primary, f"INSERT INTO espalier_probe VALUES ('{mark}')", project)
        sql = f"SELECT count(*) FROM espalier_probe WHERE mark = '{mark}'"

        def is_there(replica: Any) -> bool:
            # Until the replica has come so far, it has not even the table.
            done = replica.run(f"{AS_OWNER} psql -X -A -t -d %s -c %s", project, sql)
            return done.stdout.strip() == "1"

        for replica in replicas:
            eventually(lambda replica=replica: is_there(replica))

    yield travels
    ask(primary, "DROP TABLE espalier_probe", project)


def test_row_written_on_the_primary_is_read_on_every_replica(row: Callable[[], None]) -> None:
    row()


def test_replica_refuses_writes(replicas: list[Any], project: str) -> None:
    for replica in replicas:
        done = replica.run(
            f"{AS_OWNER} psql -X -d %s -c 'CREATE TABLE written_here (id int)'", project
        )
        assert done.rc != 0
        assert "read-only" in done.stderr


def test_django_reads_from_replicas_under_its_own_name(
    replicas: list[Any], project: str, site: Any
) -> None:
    sql = (
        "SELECT DISTINCT application_name FROM pg_stat_activity "
        f"WHERE usename IN ('{project}', 'espalier_login_{project}')"
    )

    def seen() -> bool:
        site.get("/")
        return all("django" in ask(r, sql).splitlines() for r in replicas)

    eventually(seen)


def test_wal_travels_over_tls_only(primary: Any, names: list[str]) -> None:
    sql = "SELECT count(*) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid) WHERE ssl"
    assert ask(primary, sql) == str(len(names))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("sslmode=disable", "no encryption"),
        ("password=wrong passfile=/dev/null", "password authentication failed"),
    ],
)
def test_primary_refuses_a_replica_without_tls_or_password(
    replicas: list[Any], wrong: str, said: str
) -> None:
    conninfo = ask(replicas[0], "SHOW primary_conninfo")
    if "sslmode" in wrong:
        conninfo = conninfo.replace("channel_binding=require", "")
    done = replicas[0].run(
        f"{AS_OWNER} psql -X -w -c IDENTIFY_SYSTEM -d %s", f"{conninfo} replication=true {wrong}"
    )
    assert done.rc != 0
    assert said in done.stderr


def test_replica_follows_the_site_s_own_primary_and_no_other(replicas: list[Any]) -> None:
    known = ask(replicas[0], "SHOW primary_conninfo") + " replication=true"
    identify = f"{AS_OWNER} psql -X -w -c IDENTIFY_SYSTEM -d %s"
    assert replicas[0].run(identify, known).rc == 0
    other = replicas[0].run(identify, f"{known} sslrootcert=/etc/ssl/certs/ca-certificates.crt")
    assert other.rc != 0
    assert "certificate verify failed" in other.stderr


def test_primary_keeps_a_slot_for_each_replica_and_no_other(primary: Any, names: list[str]) -> None:
    slots = ask(primary, "SELECT slot_name, active FROM pg_replication_slots ORDER BY 1")
    assert slots.splitlines() == [f"espalier_{name}|t" for name in sorted(names)]


def test_slots_cannot_fill_the_disk(primary: Any, names: list[str]) -> None:
    sql = "SELECT setting::int FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"
    assert int(ask(primary, sql)) > 0  # -1: no bound


def test_replica_has_what_the_primary_s_wal_needs(primary: Any, replicas: list[Any]) -> None:
    sql = (
        "SELECT name, setting FROM pg_settings WHERE name IN "
        "('max_connections', 'max_wal_senders', 'max_worker_processes', "
        "'max_prepared_transactions', 'max_locks_per_transaction')"
    )

    def settings(host: Any) -> dict[str, int]:
        pairs = (line.split("|") for line in ask(host, sql).splitlines())
        return {name: int(value) for name, value in pairs}

    needed = settings(primary)
    for replica in replicas:
        assert all(settings(replica)[name] >= value for name, value in needed.items())


@pytest.mark.breaks
def test_site_answers_without_its_replicas_and_they_come_back(
    broken: Any, replicas: list[Any], site: Any, row: Callable[[], None]
) -> None:
    for replica in replicas:
        replica.check_output("systemctl stop %s", unit(replica))
    for _ in range(20):
        assert site.get("/")[0].status == 200
    for replica in replicas:
        assert follow(replica)["changed"]
    row()


@pytest.mark.breaks
def test_replica_that_fell_too_far_behind_is_copied_anew(
    broken: Any, primary: Any, names: list[str], row: Callable[[], None]
) -> None:
    before = set_aside(broken)
    broken.check_output("systemctl stop %s", unit(broken))
    ask(primary, "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    ask(primary, "ALTER SYSTEM SET max_wal_size = '32MB'")
    ask(primary, "SELECT pg_reload_conf()")
    try:
        state = (
            f"SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'espalier_{names[0]}'"
        )
        for _ in range(20):
            ask(primary, "SELECT pg_logical_emit_message(false, 'x', 'x')")
            ask(primary, "SELECT pg_switch_wal()")
            ask(primary, "CHECKPOINT")
            if ask(primary, state) == "lost":
                break
        assert ask(primary, state) == "lost"
    finally:
        ask(primary, "ALTER SYSTEM RESET ALL")
        ask(primary, "SELECT pg_reload_conf()")
    assert "no longer keeps" in follow(broken)["did"]
    assert len(set_aside(broken) - before) == 1
    row()


@pytest.mark.breaks
def test_replica_with_a_history_of_its_own_is_copied_anew(
    broken: Any, row: Callable[[], None]
) -> None:
    before = set_aside(broken)
    ask(broken, "SELECT pg_promote()")
    assert "no replica" in follow(broken)["did"]
    assert len(set_aside(broken) - before) == 1
    row()


@pytest.mark.breaks
def test_copy_that_was_cut_off_is_finished_by_the_next_run(
    broken: Any, row: Callable[[], None]
) -> None:
    data = "/var/lib/postgresql/*/main"
    broken.check_output("systemctl stop %s", unit(broken))
    broken.check_output(f"rm {data}/standby.signal")
    name = f"cut-{uuid.uuid4().hex[:8]}"
    version = unit(broken).split("@")[1].split("-")[0]
    # On the machine itself, as the copy takes a second only.
    broken.check_output(
        f"systemd-run --unit={name} postgresql-replica follow {version} && "
        f"timeout 60 sh -c 'until test -d {data}.joining; do sleep 0.02; done' && "
        f"systemctl kill --kill-whom=all -s KILL {name}"
    )
    follow(broken)
    assert broken.run(f"ls -d {data}.joining").rc != 0
    row()


@pytest.mark.breaks
def test_machine_that_left_the_inventory_is_shown_the_door(
    broken: Any, primary: Any, names: list[str], inventory_path: str, tmp_path: Path
) -> None:
    """It still runs, and nobody can tell it: its stream ends and its slot is given back."""
    smaller = tmp_path / "inventory"
    shutil.copytree(inventory_path, smaller)
    listed = yaml.safe_load((smaller / "hosts.yml").read_text())["all"]
    listed["vars"]["tiers"].remove("replicas")
    for name in names:
        del listed["hosts"][name]
        for group in listed["children"].values():
            group["hosts"].pop(name, None)
    (smaller / "hosts.yml").write_text(yaml.safe_dump({"all": listed}, sort_keys=False))
    project = smaller / "group_vars/all/project.yml"
    project.write_text(project.read_text().replace("examples/", f"{ROOT}/examples/"))
    assert is_streaming(broken)
    try:
        converge(str(smaller))
        assert ask(primary, "SELECT count(*) FROM pg_replication_slots") == "0"
        # It tries to come back, every second.
        time.sleep(3)
        assert ask(primary, "SELECT count(*) FROM pg_stat_replication") == "0"
        assert not is_streaming(broken)
    finally:
        converge(inventory_path)
    eventually(lambda: is_streaming(broken))


@pytest.mark.breaks
def test_disk_that_is_too_small_is_said_and_leaves_the_old_copy(broken: Any) -> None:
    """The copy is not made where it would not fit."""
    broken.check_output("systemctl stop %s", unit(broken))
    version = unit(broken).split("@")[1].split("-")[0]
    code = (
        "import collections, shutil; u = collections.namedtuple('u', 'free'); "
        "shutil.disk_usage = lambda path: u(2**20); "
        "from espalier_machine.replica import cluster, copy; "
        f"copy.copy_primary(cluster.Replica('{version}'), 'a test')"
    )
    zipapp = broken.check_output("ls -t /usr/local/lib/espalier/postgresql-replica-*.pyz | head -1")
    done = broken.run("PYTHONPATH=%s python3 -c %s", zipapp.strip(), code)
    assert done.rc != 0
    assert "Give this machine a larger disk" in done.stderr
    assert follow(broken)["changed"]  # its slot is gone, so it is copied now
