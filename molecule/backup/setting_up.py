"""Backups are switched on: on a site without, on an older cluster, on a new one, in vain."""

from __future__ import annotations

from lab import LAB, TO_S3, VPS, backups, findings, on, psql, set_variables, site, visited

from tests.steps import demand, soon


def without() -> None:
    """A site without backups says so, each time."""
    set_variables()
    for words in (site(), LAB.espalier("status"), LAB.espalier("check")):
        demand("Nothing is copied anywhere" in words, words)
    demand("Nothing is copied" in LAB.espalier("backups", status=1), "backups said nothing")


def refused() -> None:
    """A destination that does not keep what it is given is refused, and nothing is changed."""
    before = psql(VPS, "SHOW archive_command")
    for wrong, words in (
        ({"bucket": "nothing"}, "bucket"),
        ({"endpoint": "198.18.106.1:9444"}, "198.18.106.1"),
    ):
        set_variables(backup={**TO_S3, **wrong})
        said = site(status=2)
        demand(words in said and "Nothing was changed" in said, said)
    secrets = LAB.site_directory / ".secrets/backup_secret_key"
    right = secrets.read_text()
    secrets.write_text("wrong\n")
    set_variables(backup=TO_S3)
    said = site(status=2)
    demand("Nothing was changed" in said and "wrong" not in said.replace("wrong key", ""), said)
    secrets.write_text(right)
    demand(psql(VPS, "SHOW archive_command") == before, "something was changed")


def switched_on() -> None:
    """An older cluster restarts once, as the plan says, while the pool holds its clients."""
    set_variables()
    # As a version before 0.14 made it.
    on(VPS, "sed -i '/^archive_/d' /etc/postgresql/*/main/postgresql.conf")
    file = LAB.site_directory / "hosts.yml"
    file.write_text(file.read_text().replace("tiers: []", "tiers: [pgbouncer]"))
    site()
    on(VPS, "systemctl restart postgresql@$(ls /etc/postgresql)-main")
    demand(psql(VPS, "SHOW archive_mode") == "off", "the cluster is no older one")
    set_variables(backup=TO_S3)
    plan = LAB.espalier("plan")
    demand("archive_mode" in plan, f"the plan does not name the restart: {plan}")
    began = psql(VPS, "SELECT pg_postmaster_start_time()")
    with visited() as visit:
        said = site()
    demand("keep a copy" in said, f"nothing was said of the passphrase: {said}")
    demand(psql(VPS, "SELECT pg_postmaster_start_time()") != began, "PostgreSQL did not restart")
    demand(psql(VPS, "SHOW archive_mode") == "on", "PostgreSQL does not archive")
    LAB.say(visit.said())
    demand(visit.is_clean(), visit.said())
    demand(soon(lambda: bool(backups()["machines"]["vps1"]["backups"]), 60), "no first backup")
    demand(backups()["colour"] == "amber", findings())  # not proven yet
    demand("No change" in site(), "a second run changed something")


def begun() -> None:
    """A new site with backups from the start: no restart, and the first backup is there."""
    set_variables(backup=TO_S3)
    said = site()
    demand("keep a copy" in said, f"nothing was said of the passphrase: {said}")
    demand(soon(lambda: bool(backups()["machines"]["vps1"]["backups"]), 60), "no first backup")
    # The run has begun it, before the timer of a machine that has just booted.
    saved = "test -e /var/lib/espalier/uploads-backup/begun && echo saved; true"
    demand(soon(lambda: "saved" in on(VPS, saved), 30), "no first copy of uploads")
