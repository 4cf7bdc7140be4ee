#!/usr/bin/env python3
"""What is lost, and what comes back: backups, restores, drills, and each way in which they fail.

    backup.py                       as CI does; the lab of molecule/backup/inventory must be up
    backup.py smoke                 what CI runs on every commit
    backup.py dropped_table drills  some steps alone

What each command wrote is in .lab/backup/commands.log.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import time
from datetime import datetime
from pathlib import Path

from destinations import BUCKET, OTHER_KEYS
from lab import (
    KEEPER,
    LAB,
    NEW,
    SECOND,
    STAGING,
    STORE,
    TO_S3,
    VPS,
    Writer,
    answers,
    backups,
    drill,
    findings,
    move_to,
    numbers,
    on,
    power_off,
    power_on,
    prepare,
    psql,
    restore,
    set_hosts,
    set_variables,
    site,
    visited,
    writing,
)

from tests.steps import ROOT, demand, soon

ARCHIVE_TIMEOUT = 60
# Programs for the site's machine: files below the uploads, and a row with the sum of each.
ROWS = """
import hashlib, os, subprocess, sys
from pathlib import Path
MEDIA = Path("/srv/orchard/media/proof")
def sql(text):
    words = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "orchard"]
    return subprocess.run(words, input=text, text=True, check=True, capture_output=True).stdout
def store(number):
    content = os.urandom(2000)
    path = MEDIA / f"{number % 10}" / f"tree {number}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
"""
FILES = (
    ROWS
    + """
lines = "".join(f"{number}\\t{store(number)}\\n" for number in range(1000))
sql("DROP TABLE IF EXISTS proof; CREATE TABLE proof (id int PRIMARY KEY, sum text);"
    f"COPY proof FROM STDIN;\\n{lines}\\\\.\\n")
"""
)
# Of the 500 from a number on: 100 are changed, 100 deleted, and as many new ones come.
CHANGES = (
    ROWS
    + """
first = int(sys.argv[1])
for number in range(first, first + 100):
    sql(f"UPDATE proof SET sum = '{store(number)}' WHERE id = {number}")
for number in range(first + 100, first + 200):
    sql(f"DELETE FROM proof WHERE id = {number}")
    (MEDIA / f"{number % 10}" / f"tree {number}.jpg").unlink()
for number in range(first + 2000, first + 2100):
    sql(f"INSERT INTO proof VALUES ({number}, '{store(number)}')")
"""
)
OTHER_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
PROJECT = "group_vars/all/project.yml"
PEOPLE = """
from django.contrib.auth.models import User
for i in range(20):
    User.objects.get_or_create(username=f"u{i}", defaults=dict(email=f"u{i}@orchard.test"))
""".strip()
STATE = "SELECT failed_count, pg_postmaster_start_time() FROM pg_stat_archiver"
REAL = "SELECT count(*) FROM auth_user WHERE email LIKE '%orchard.test'"
COMPARE = (
    ROWS
    + """
rows = [line.split("|") for line in sql("SELECT id, sum FROM proof").split()]
wrong = []
for number, expected in rows:
    path = MEDIA / f"{int(number) % 10}" / f"tree {number}.jpg"
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
    wrong += [number] if found != expected else []
print(f"{len(rows)} rows, {len(wrong)} wrong {wrong[:5]}")
"""
)


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
    on(VPS, "systemctl restart postgresql@*-main")
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


def uploads() -> None:
    """1,000 files, some changed and some deleted around a moment: each row has its file again."""
    on(VPS, f"python3 - <<'END'\n{FILES}END")
    files = "systemctl start espalier-uploads-backup.service"
    on(VPS, files)
    on(VPS, f"python3 - 0 <<'END'\n{CHANGES}END")
    time.sleep(2)
    moment = datetime.now().astimezone()
    time.sleep(2)
    on(VPS, f"python3 - 500 <<'END'\n{CHANGES}END")
    on(VPS, files)
    restore("--to", moment.isoformat())
    said = on(VPS, f"python3 - <<'END'\n{COMPARE}END").strip()
    LAB.say(said)
    demand(said.startswith("1000 rows, 0 wrong"), said)
    demand("replaced" in on(VPS, "ls -d /srv/orchard/*"), "nothing was set aside")


def killed() -> None:
    """PostgreSQL is killed, then the machine: what was acknowledged and is missing elsewhere."""
    set_hosts(tiers=[], db=["vps1"], backup=[])
    set_variables(backup={**TO_S3, "path": "/orchard/killed"})
    site()
    demand(soon(lambda: bool(backups()["machines"]["vps1"]["backups"]), 90), "no first backup")
    psql(VPS, f"TRUNCATE {Writer.TABLE}")
    with writing(VPS) as writer:
        time.sleep(5)
        on(VPS, "pkill -9 -u postgres -f 'postgres.*main' || true")
        time.sleep(2)
        # Debian's unit has no Restart: somebody is told, and starts it.
        on(VPS, "pg_ctlcluster $(pg_lsclusters -h | awk '{print $1, $2; exit}') start")
        demand(soon(lambda: answers(VPS), 60), "PostgreSQL does not come back")
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
    missing = [when for number, when in writer.acknowledged.items() if number > numbers(NEW)[1]]
    lost = gone - min(missing, default=gone)
    LAB.say(f"RPO {lost:.0f} s ({len(missing)} rows), RTO {took:.0f} s")
    demand(lost <= ARCHIVE_TIMEOUT + 5, f"{lost:.0f} s of what was acknowledged are missing")
    demand(numbers(NEW)[1] > 0, "no row came back")
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


def drills() -> None:
    """A drill proves the newest backup; one byte of it is changed: the drill is red."""
    demand(drill(VPS), f"the drill failed: {findings()}")
    found = backups()
    demand(found["colour"] == "green", findings())
    report = found["machines"]["vps1"]["drill"]
    demand(report["transaction"] > 0, report)
    figures = {key: report[key] for key in ("seconds", "rto_seconds", "rows", "peak_mb")}
    LAB.say(f"drill: {figures}")
    demand("a restore was proven" in LAB.espalier("status", status=None), "status says nothing")
    files = (STORE.folder / BUCKET).rglob("bundle/*")
    newest = max((path for path in files if path.is_file()), key=lambda path: path.stat().st_mtime)
    flip(newest)
    demand(not drill(VPS), "a spoilt backup passed the drill")
    demand(any("drill failed" in one for one in findings("red")), findings())
    flip(newest)
    demand(drill(VPS), f"the drill failed: {findings()}")


def flip(path: Path) -> None:
    """Change one byte in the middle of a file, or change it back."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def told() -> list[str]:
    """What the minutely look fails with: by its failure somebody is told."""
    on(VPS, "systemctl start espalier-backup-watch.service || true", status=None)
    state = on(VPS, "systemctl is-failed espalier-backup-watch.service || true", status=None)
    return findings("red") if "failed" in state else []


def red() -> None:
    """Whatever stops the copies turns the state red, and its unit fails, by which it is told."""
    demand(not told(), f"it is red before: {findings()}")
    look = "rm -f /var/lib/espalier/database-backup/destination.json"
    # The key is revoked.
    STORE.start(OTHER_KEYS)
    on(VPS, look)
    demand(any("refuses the key" in one for one in told()), findings())
    STORE.start()
    # The bucket is emptied.
    aside = STORE.empty()
    on(VPS, look)
    demand(any("no backups of this site any more" in one for one in told()), findings())
    STORE.fill(aside)
    # The timer is stopped.
    on(VPS, "systemctl stop espalier-backup.timer")
    demand(any("espalier-backup.timer does not run" in one for one in told()), findings())
    on(VPS, "systemctl start espalier-backup.timer")
    # The passphrase is another one.
    conf = "/etc/pgbackrest/pgbackrest.conf"
    on(VPS, f"cp -p {conf} /root/ && sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=x/' {conf}")
    on(VPS, look)
    demand(any("passphrase" in one for one in told()), findings())
    on(VPS, f"cp -p /root/pgbackrest.conf {conf}")
    # The destination's clock is another one.
    psql(VPS, "SELECT pg_create_restore_point('clock'); SELECT pg_switch_wal()")
    time.sleep(3)
    name = psql(VPS, "SELECT last_archived_wal FROM pg_stat_archiver")
    (segment,) = (STORE.folder / BUCKET).rglob(f"{name}-*")
    os.utime(segment, (time.time() + 900, time.time() + 900))
    STORE.start()
    on(VPS, look)
    demand(any("clock" in one for one in told()), findings())
    os.utime(segment)
    STORE.start()
    on(VPS, look)
    demand(not told(), f"it stays red: {findings()}")


def full() -> None:
    """The destination is full: WAL waits, and somebody is told before the bound is reached."""
    with STORE.filled():
        psql(VPS, "SELECT pg_create_restore_point('full'); SELECT pg_switch_wal()")
        demand(soon(lambda: waiting() > 0, 60), "WAL does not wait")
        on(
            VPS,
            "find /var/lib/postgresql/17/main/pg_wal/archive_status -name '*.ready' "
            "-exec touch -d '-10 minutes' {} +",
        )
        demand(any("WAL waits since" in one for one in told()), findings())
    demand(soon(lambda: waiting() == 0, 120), "WAL still waits")


def waiting() -> int:
    """Bytes of WAL that wait for the destination."""
    return int(backups()["machines"]["vps1"]["archiving"]["waiting"])


def still_changed() -> None:
    """A destination that is away keeps nobody from changing the site, and the run says so."""
    STORE.stop()
    said = site()
    demand("not well" in said, said)
    STORE.start()


def away() -> None:
    """The destination is away for too long: WAL is dropped, the site goes on; then it is mended."""
    set_variables(backup={**TO_S3, "waiting_wal": "100 MB"})
    site()
    STORE.stop()
    segment = "SELECT pg_create_restore_point('away'); SELECT pg_switch_wal()"
    with visited() as visit:
        for _ in range(4):  # of 16 MiB
            psql(VPS, segment)
        demand(any("WAL that waits takes" in one for one in told()), f"not told: {findings()}")
        demand(not is_dropped(), "WAL was dropped before the bound")
        for _ in range(4):
            psql(VPS, segment)
        demand(soon(is_dropped, 300), f"nothing was dropped: {findings()}")
    demand(visit.is_clean(), visit.said())
    demand(any("WAL was dropped" in one for one in told()), findings())
    before = [one["label"] for one in backups()["machines"]["vps1"].get("backups", [])]
    STORE.start()
    demand(soon(lambda: waiting() == 0, 180), "WAL still waits")
    psql(VPS, "SELECT pg_create_restore_point('back'); SELECT pg_switch_wal()")
    time.sleep(3)
    on(VPS, "systemctl start espalier-backup-watch.service || true", status=None)

    def is_mended() -> bool:
        made = backups()["machines"]["vps1"]["backups"]
        return not is_dropped() and made[-1]["label"] not in before and made[-1]["kind"] == "full"

    demand(soon(is_mended, 90), f"no new full backup: {findings()}")
    set_variables(backup=TO_S3)
    site()


def is_dropped() -> bool:
    """Whether WAL was dropped that no backup has made good yet."""
    return "dropped" in on(VPS, "ls /var/lib/espalier/database-backup/")


def under_load() -> None:
    """While backups are made, no request fails; how much slower the slowest is, is published."""
    psql(VPS, "CREATE TABLE filler AS SELECT i, gen_random_uuid() u FROM generate_series(1, 2e6) i")
    with visited() as quiet:
        time.sleep(20)
    # Not at once with those who come: what was made before is the first one's to copy.
    on(VPS, "systemctl start --no-block espalier-backup.service")
    with visited() as busy:
        for _ in range(10):
            on(VPS, "systemctl start espalier-backup.service")
            time.sleep(0.5)
    psql(VPS, "DROP TABLE filler")
    demand(quiet.is_clean() and busy.is_clean(), f"{quiet.said()} / {busy.said()}")
    for name in ("slowest", "p99", "p50"):
        LAB.say(f"{name}: {quiet.report[name]} s, and {busy.report[name]} s while a backup is made")


def clone() -> None:
    """Production's data in staging, of which no address of mail is left; production as before."""
    on(VPS, f"release manage -- shell -c '{PEOPLE}'")
    psql(VPS, "SELECT pg_create_restore_point('people'); SELECT pg_switch_wal()")
    project = LAB.home / "project"
    production, staging = (project / "deploy" / name for name in ("production", "staging"))
    shutil.rmtree(project, ignore_errors=True)
    for place in (production, staging):
        shutil.copytree(LAB.site_directory, place)
    orchard = {"directory": str(ROOT / "examples/orchard"), "domains": ["shop.example"]}
    blanked = {"auth_user": ["email", "first_name", "last_name", "password"]}
    (production / PROJECT).write_text(json.dumps({"project": orchard | {"anonymise": blanked}}))
    (staging / PROJECT).write_text(json.dumps({"project": orchard | {"quiet": True}}))
    (staging / "group_vars/all/more.yml").write_text("{}")
    shutil.rmtree(staging / ".secrets")
    hosts = (staging / "hosts.yml").read_text()
    (staging / "hosts.yml").write_text(re.sub(r"198\.18\.106\.1[12]", STAGING, hosts))
    LAB.run(["espalier", "site", "-e", "staging"], cwd=project)
    archived = psql(
        VPS, "SELECT max(failed_count), pg_postmaster_start_time() FROM pg_stat_archiver"
    )
    words = ["clone", "-e", "production", "--to", "staging", "--anonymise", "--yes", "orchard"]
    said = LAB.run(["espalier", *words], cwd=project)
    found = psql(
        STAGING,
        "SELECT count(*) FILTER (WHERE email LIKE '%orchard.test'), count(*) FROM auth_user",
    )
    left, all_of_them = map(int, found.split("|"))
    demand(all_of_them >= 20 and not left, f"{left} of {all_of_them} addresses are real: {said}")
    demand(numbers(STAGING) == numbers(VPS), "staging has not the rows of production")
    same = psql(VPS, STATE)
    demand(same == archived, f"production was touched: {archived}, then {same}")
    demand(psql(VPS, REAL) == "20", "production has lost addresses")
    demand(not told(), f"the backups of production are not well: {findings()}")


def sftp() -> None:
    """OpenSSH's SFTP: the run says which line the account needs, and then it is as any other."""
    on(
        KEEPER,
        "id copies > /dev/null 2>&1 || useradd --create-home copies; mkdir -p ~copies/.ssh; "
        "rm -f ~copies/.ssh/authorized_keys; chown copies ~copies/.ssh",
    )
    key = " ".join(on(KEEPER, "cat /etc/ssh/ssh_host_ecdsa_key.pub").split()[:2])
    place = {"to": "sftp", "host": KEEPER, "user": "copies", "path": "/home/copies/shop"}
    set_variables(backup={**place, "host_key": OTHER_HOST_KEY})
    said = site(status=2)
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
    psql(VPS, f"INSERT INTO {Writer.TABLE} SELECT max(id) + 1 FROM {Writer.TABLE}")
    before = numbers(VPS)
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
    demand(drill(KEEPER), f"the drill failed: {findings()}")
    demand(backups()["colour"] == "green", findings())
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


STEPS = (
    without,
    refused,
    switched_on,
    dropped_table,
    named_transaction,
    uploads,
    drills,
    clone,
    red,
    full,
    still_changed,
    away,
    under_load,
    sftp,
    keeper,
    killed,
)
# What CI runs on every commit.
SMOKE = (begun, dropped_table, drills, clone)


if __name__ == "__main__":
    named = sys.argv[1:]
    steps = STEPS if not named else tuple(dict.fromkeys((*STEPS, *SMOKE)))
    if named == ["smoke"]:
        steps, named = SMOKE, []
        del sys.argv[1:]
    try:
        status = LAB.take(steps, prepare)
    finally:
        if not named:
            STORE.remove()
    sys.exit(status)
