"""The database is lost, in part or with its machine, and comes back."""

from __future__ import annotations

import re
import time
from datetime import datetime

from lab import (
    LAB,
    NEW,
    TO_S3,
    VPS,
    Writer,
    answers,
    backups,
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
    writing,
)

from tests.steps import demand, soon

ARCHIVE_TIMEOUT = 60


def dropped_table() -> None:
    """A table is dropped under load: the moment before comes back to the row; and so once more."""
    for _ in range(2):
        with writing(VPS) as writer:
            time.sleep(3)
            psql(VPS, f"DROP TABLE {Writer.TABLE}")
            acknowledged = max(writer.acknowledged)
        psql(VPS, f"CREATE TABLE {Writer.TABLE} (id int PRIMARY KEY)")
        psql(VPS, "CREATE TABLE IF NOT EXISTS since (id int)")
        began = time.monotonic()
        said = restore("--before", f"DROP TABLE {Writer.TABLE}")
        count, last = numbers(VPS)
        LAB.say(f"{count} rows are back in {time.monotonic() - began:.0f} s, the last is {last}")
        demand(last == acknowledged, f"{acknowledged} was acknowledged, and {last} is the last")
        demand(count == last, f"{count} rows up to {last}")
        demand(psql(VPS, "SELECT to_regclass('since')") == "", "what came after is there too")
        aside = re.search(r"\S+/replaced-[0-9-]+", said)
        demand(aside, f"nothing was set aside: {said}")
        on(VPS, f"test -d {aside[0]}/base" if aside else "false")


def named_transaction() -> None:
    """A transaction by its id: it is in, and the next one is not. And a moment before a restore."""
    psql(VPS, f"INSERT INTO {Writer.TABLE} VALUES (1000001)")
    insert = (
        f"BEGIN; INSERT INTO {Writer.TABLE} VALUES (1000002); SELECT pg_current_xact_id(); COMMIT"
    )
    number = psql(VPS, insert)
    time.sleep(1)
    between = datetime.now().astimezone()
    time.sleep(1)
    psql(VPS, f"INSERT INTO {Writer.TABLE} VALUES (1000003)")
    restore("--transaction", number)
    demand(numbers(VPS)[1] == 1000002, f"the last row is {numbers(VPS)}")
    psql(VPS, f"INSERT INTO {Writer.TABLE} VALUES (1000004)")
    time.sleep(1)
    # What the site had then, although a restore has left that history since.
    psql(VPS, f"INSERT INTO {Writer.TABLE} VALUES (1000005)")
    restore("--to", between.isoformat())
    demand(numbers(VPS)[1] == 1000002, f"the last row is {numbers(VPS)}")
    restore("--to", "latest")
    demand(numbers(VPS)[1] == 1000002, f"the last row is {numbers(VPS)}")


def killed() -> None:
    """PostgreSQL is killed, then the machine: what was acknowledged and is missing elsewhere."""
    # One is left that knows where the database was.
    set_hosts(tiers=[], db=["vps1"], backup=[], spare=["db2"])
    set_variables(backup={**TO_S3, "path": "/orchard/killed"})
    site()
    demand(soon(lambda: bool(backups()["machines"]["vps1"]["backups"]), 90), "no first backup")
    psql(VPS, f"TRUNCATE {Writer.TABLE}")
    with writing(VPS) as writer:
        time.sleep(5)
        on(VPS, "kill -9 $(head -1 /var/lib/postgresql/*/main/postmaster.pid)")
        demand(soon(lambda: answers(VPS), 60), "PostgreSQL does not come back by itself")
        time.sleep(2)
    acknowledged = max(writer.acknowledged)
    demand(numbers(VPS)[1] >= acknowledged, f"{acknowledged} was acknowledged, {numbers(VPS)}")
    with writing(VPS) as writer:
        time.sleep(ARCHIVE_TIMEOUT + 20)
        power_off(VPS)
    gone = time.time()
    began = time.monotonic()
    move_to(NEW)
    said = restore("--to", "latest")
    demand("is new" in said, said)
    took = time.monotonic() - began
    last = numbers(NEW)[1]
    missing = [when for number, when in writer.acknowledged.items() if number > last]
    lost = gone - min(missing, default=gone)
    LAB.say(f"RPO {lost:.0f} s ({len(missing)} rows), RTO {took:.0f} s")
    demand(lost <= ARCHIVE_TIMEOUT + 5, f"{lost:.0f} s of what was acknowledged are missing")
    demand(last > 0, "no row came back")
    with visited() as visit:
        time.sleep(5)
    demand(visit.is_clean(), visit.said())
    # The machine that was thought to be gone is there again: it must not add to the backups.
    power_on(VPS)
    demand(soon(lambda: answers(VPS), 90), "the old machine does not come back")
    psql(NEW, "SELECT pg_create_restore_point('new'); SELECT pg_switch_wal()")
    time.sleep(3)
    said = on(VPS, "systemctl start espalier-backup.service || journalctl -u espalier-backup -n 5")
    demand("restored on another machine" in said, said)
    psql(VPS, "SELECT pg_create_restore_point('old'); SELECT pg_switch_wal()")
    time.sleep(3)
    archived = psql(
        VPS, "SELECT last_archived_time > pg_postmaster_start_time() FROM pg_stat_archiver"
    )
    demand(archived != "t", "the old machine pushes WAL beside the new one")
    on(NEW, "systemctl start espalier-uploads-backup.service")
    on(VPS, "touch /srv/orchard/media/stray")
    unit = "espalier-uploads-backup"
    said = on(VPS, f"systemctl start {unit}.service || journalctl -u {unit} -n 5")
    demand("restored on another machine" in said, said)
