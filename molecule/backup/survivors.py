"""A machine of several is lost, and those that are left go on."""

from __future__ import annotations

import time

from lab import (
    KEEPER,
    LAB,
    SECOND,
    STAGING,
    TO_S3,
    VPS,
    Writer,
    answers,
    backups,
    findings,
    move_to,
    numbers,
    on,
    power_off,
    power_on,
    psql,
    restore,
    set_hosts,
    set_variables,
    site,
    visited,
    write_row,
)

from tests.steps import demand, soon

MAKE = "systemctl start espalier-backup.service"
HELD = "/run/systemd/system/espalier-backup.service.d"
COPYING = "^pgbackrest .* backup$"
STATE = "systemctl show --property=ActiveState --value espalier-backup.service"


def replica_lost() -> None:
    """A replica is lost while it makes the backup: the primary makes one, and all is well again."""
    set_hosts(tiers=["replicas"], db=["vps1", "db2"], backup=[])
    set_variables(backup={**TO_S3, "path": "/orchard/replica"})
    # The primary would make the first one at once, and then none for most of a day.
    on(VPS, f"mkdir -p {HELD}; printf '[Unit]\\nConditionPathExists=/no\\n' > {HELD}/held.conf")
    on(VPS, "systemctl daemon-reload")
    site()
    # Half a second after it began it stands still, so that it is lost before it has ended.
    on(
        SECOND,
        "systemctl start --no-block espalier-backup.service\n"
        f"for i in $(seq 300); do pgrep -f '{COPYING}' > /dev/null && break; sleep 0.1; done\n"
        f"sleep 0.5; pkill -STOP -f '{COPYING}'",
    )
    demand("activating" in on(SECOND, STATE), "its backup had ended before it was lost")
    power_off(SECOND)
    on(VPS, f"rm -r {HELD}; systemctl daemon-reload")
    psql(VPS, "CREATE TABLE IF NOT EXISTS goes_on (id int); INSERT INTO goes_on VALUES (1)")

    def is_made() -> bool:
        on(VPS, f"{MAKE} || true")
        return [one["kind"] for one in backups()["machines"]["vps1"]["backups"]] == ["full"]

    demand(soon(is_made, 120), f"the primary makes no backup: {findings()}")
    power_on(SECOND)
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    demand(soon(lambda: psql(VPS, streaming) == "1", 90), "the replica does not follow again")
    on(SECOND, MAKE)
    demand(not findings("red"), findings())


def primary_lost() -> None:
    """The primary is lost for ever: a new machine has its data, and those that are left follow."""
    set_hosts(tiers=["replicas"], db=["vps1", "db2"], backup=["backup1"])
    set_variables(backup={"to": "machine", "path": "/orchard/survivors"})
    site()
    made = lambda: backups()["machines"]["backup1"]["backups"]  # noqa: E731
    demand(soon(lambda: bool(made()), 90), f"no first backup: {findings()}")
    on(VPS, "systemctl start espalier-uploads-backup.service")
    before = count, last = write_row(VPS)
    psql(VPS, "SELECT pg_create_restore_point('survivors'); SELECT pg_switch_wal()")
    time.sleep(5)
    # It is lost in the minute after a restore: what that has undone must not come back.
    psql(VPS, f"DROP TABLE {Writer.TABLE}")
    restore("--before", f"DROP TABLE {Writer.TABLE}")
    timeline = psql(VPS, "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)")
    history = f"find / -xdev -path '*/survivors/*' -name {timeline}.history"
    demand(soon(lambda: bool(on(KEEPER, history))), f"{timeline}.history was not archived")
    power_off(VPS)
    # The machine of the staging is a new one, once the kit has left it.
    project = LAB.home / "project"
    if project.exists():
        words = ["remove", "-e", "staging", "--yes", "orchard"]
        LAB.run(["espalier", *words], cwd=project)
    move_to(STAGING)
    refused = " ".join(site(status=2).split())
    demand("espalier restore --to latest" in refused, refused)
    said = restore("--to", "latest", "--plan")
    demand("is new" in said, said)
    refused = " ".join(site(status=2).split())
    demand("espalier restore --to latest" in refused, f"a site began without its data: {refused}")
    restore("--to", "latest")
    demand(numbers(STAGING) == before, f"{before} before, and {numbers(STAGING)} after")
    psql(STAGING, f"INSERT INTO {Writer.TABLE} VALUES ({last + 1})")
    demand(soon(lambda: numbers(SECOND) == (count + 1, last + 1)), "the replica does not follow")
    with visited() as visit:
        time.sleep(5)
    demand(visit.is_clean(), visit.said())
    on(KEEPER, MAKE)
    demand(answers(SECOND) and not findings("red"), findings())
