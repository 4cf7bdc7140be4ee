"""Other places for the copies, and more machines: SFTP, a machine that keeps them, a replica."""

from __future__ import annotations

import re
import time
from datetime import datetime

from lab import (
    KEEPER,
    SECOND,
    VPS,
    Writer,
    answers,
    archive_now,
    backups,
    drill,
    findings,
    numbers,
    on,
    power_off,
    power_on,
    psql,
    restore,
    sample,
    set_hosts,
    set_variables,
    site,
    uploads_red,
    write_row,
    writing,
)

from tests.steps import demand, soon

OTHER_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"


def sftp() -> None:
    """OpenSSH's SFTP: the run says which line the account needs, and then it is as any other.

    Debian 12 has none for it, and a run says so.
    """
    on(
        KEEPER,
        "id copies > /dev/null 2>&1 || useradd --create-home copies; mkdir -p ~copies/.ssh; "
        "rm -f ~copies/.ssh/authorized_keys; chown copies ~copies/.ssh",
    )
    key = " ".join(on(KEEPER, "cat /etc/ssh/ssh_host_ecdsa_key.pub").split()[:2])
    place = {"to": "sftp", "host": KEEPER, "user": "copies", "path": "/home/copies/shop"}
    set_variables(backup={**place, "host_key": OTHER_HOST_KEY})
    said = site(status=2)
    if on(VPS, "cut -d. -f1 /etc/debian_version").strip() == "12":
        demand("whose pgBackRest has no SFTP" in " ".join(said.split()), said)
        return
    demand(key in " ".join(said.split()), f"the run does not show the server's key: {said}")
    set_variables(backup={**place, "host_key": key})
    said = " ".join(site(status=2).split())
    line = re.search(r"ssh-ed25519 \S+( espalier-backup)?", said)
    demand(line, f"the run does not say which line the account needs: {said}")
    if line:
        on(KEEPER, f"echo '{line[0]}' > ~copies/.ssh/authorized_keys")
    site()
    demand(soon(lambda: bool(backups()["machines"]["vps1"]["backups"]), 60), "no first backup")
    demand(drill(VPS), f"the drill failed: {findings()}")
    demand(sample(), f"the sample failed: {uploads_red()}")
    before = write_row(VPS)
    restore("--to", "latest")
    demand(numbers(VPS) == before, f"{before}, and {numbers(VPS)} after the restore")
    demand(backups()["colour"] == "green", findings())


def keeper() -> None:
    """A machine of the inventory keeps the copies, and two have the database."""
    set_hosts(tiers=["replicas"], db=["vps1", "db2"], backup=["backup1"])
    set_variables(backup={"to": "machine"})
    site()
    for address in (VPS, SECOND):
        demand("cipher" not in on(address, "cat /etc/pgbackrest/pgbackrest.conf"), "a passphrase")
    made = lambda: [one["label"] for one in backups()["machines"]["backup1"]["backups"]]  # noqa: E731
    demand(soon(lambda: len(made()) == 1, 90), f"no first backup: {findings()}")
    demand(sample(), f"the sample failed: {uploads_red()}")
    compared()
    # The replica is lost: the primary is asked.
    power_off(SECOND)
    on(KEEPER, "systemctl start espalier-backup.service")
    demand(len(made()) == 2, f"no backup without the replica: {findings()}")
    power_on(SECOND)
    demand(soon(lambda: answers(SECOND), 90), "the replica does not come back")
    with writing(VPS) as writer:
        time.sleep(3)
        moment = datetime.now().astimezone()
        time.sleep(3)
    restore("--to", moment.isoformat())
    seen = [number for number, when in writer.acknowledged.items() if when < moment.timestamp()]
    count, last = numbers(VPS)
    demand(last >= max(seen), f"{max(seen)} was acknowledged before, and {last} is the last")
    demand(last < max(writer.acknowledged), "what came after is there too")
    psql(VPS, f"INSERT INTO {Writer.TABLE} VALUES ({last + 1})")
    demand(soon(lambda: numbers(SECOND) == (count + 1, last + 1)), "the replica does not follow")
    # Without the replica, and with it again.
    for tiers, databases in (([], ["vps1"]), (["replicas"], ["vps1", "db2"])):
        set_hosts(tiers=tiers, db=databases, backup=["backup1"])
        site()
        on(KEEPER, "systemctl start espalier-backup.service")
        demand(not findings("red"), findings())
    from_backup()


def from_backup() -> None:
    """The replica that the last run has made was built from the backup; its primary was spared."""
    log = on(SECOND, "cat /var/log/postgresql/postgresql-*-main.log")
    demand("restored log file" in log, f"the primary was copied: {log[-2000:]}")
    demand(psql(SECOND, "SHOW restore_command") == "", "it still asks the archive")
    streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
    demand(psql(VPS, streaming) == "1", "it does not stream")


def compared() -> None:
    """The keeper has no database of the site: it compares with what the primary wrote down."""
    psql(VPS, "DROP TABLE IF EXISTS espalier_rows", "postgres")  # of an earlier run
    archive_now()
    demand(drill(KEEPER), f"the drill failed: {findings()}")
    demand(any("no rows of the site" in one for one in findings("amber")), findings())
    count = "systemctl start espalier-row-count.service"
    on(VPS, count)
    archive_now()
    demand(drill(KEEPER), f"the drill failed: {findings()}")
    found = backups()
    report = found["machines"]["backup1"]["drill"]
    demand(report["compared"] > 0 and report["live_rows"] > 0, report)
    demand(found["colour"] == "green", findings())
    psql(VPS, "UPDATE espalier_rows SET rows = rows + 5000", "postgres")
    archive_now()
    demand(not drill(KEEPER), "a copy with fewer rows than the site passed the drill")
    demand(any("not what the site has" in one for one in findings("red")), findings())
    on(VPS, count)
    archive_now()
    demand(drill(KEEPER), f"the drill failed: {findings()}")
