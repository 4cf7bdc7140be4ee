"""Whatever keeps copies from coming, or spoils them, is told."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alarms import ALARMS
from lab import (
    LAB,
    STORE,
    TO_S3,
    VPS,
    backups,
    drill,
    findings,
    on,
    psql,
    sample,
    set_variables,
    site,
    uploads_red,
    visited,
)

from tests.s3_server import BUCKET, OTHER_KEYS
from tests.steps import demand, soon


def drills() -> None:
    """A drill proves the newest backup; one byte of it is changed: the drill is red.

    And so for a sample of uploads: their copies are spoilt, and mended.
    """
    demand(drill(VPS), f"the drill failed: {findings()}")
    on(VPS, "head -c 9000 /dev/urandom > /srv/orchard/media/leaf.jpg")
    demand(sample(), f"the sample failed: {uploads_red()}")
    found = backups()
    demand(found["colour"] == "green", findings())
    sampled = found["uploads"]["vps1"]["sample"]
    demand(sampled["compared"] > 0, sampled)
    report = found["machines"]["vps1"]["drill"]
    demand(report["transaction"] > 0, report)
    figures = {key: report[key] for key in ("seconds", "rto_seconds", "rows", "peak_mb")}
    LAB.say(f"drill: {figures}")
    demand("a restore was proven" in LAB.espalier("status", status=None), "status says nothing")
    ALARMS.forget(VPS)
    files = (STORE.folder / BUCKET).rglob("bundle/*")
    newest = max((path for path in files if path.is_file()), key=lambda path: path.stat().st_mtime)
    flip(newest)
    demand(not drill(VPS), "a spoilt backup passed the drill")
    demand(any("drill failed" in one for one in findings("red")), findings())
    ALARMS.demand("espalier-drill.service fails")
    flip(newest)
    demand(drill(VPS), f"the drill failed: {findings()}")
    with inverted("uploads/data/*/*"):
        demand(not sample(), "spoilt copies of uploads passed the sample")
        demand(any("the sample of uploads failed" in one for one in uploads_red()), uploads_red())
        failed = on(VPS, "systemctl is-failed espalier-uploads-sample.service")
        demand("failed" in failed, f"nobody is told: the unit is {failed}")
    demand(sample(), f"the sample failed: {uploads_red()}")
    page = LAB.home / "backups.html"
    LAB.espalier("backups", "--page", str(page))
    demand("RTO as measured" in page.read_text(), "the page does not say the RTO")


def flip(path: Path) -> None:
    """Change one byte in the middle of a file, or change it back."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@contextmanager
def inverted(pattern: str) -> Iterator[None]:
    """Spoil files of the bucket meanwhile: each bit of them is turned, and turned back."""
    files = [path for path in (STORE.folder / BUCKET).rglob(pattern) if path.is_file()]
    demand(files, f"the bucket has no {pattern}")
    for is_spoilt in (True, False):
        for path in files:
            path.write_bytes(bytes(byte ^ 0xFF for byte in path.read_bytes()))
        if is_spoilt:
            yield


def told() -> list[str]:
    """What the minutely look fails with: by its failure somebody is told."""
    on(VPS, "systemctl start espalier-backup-watch.service || true", status=None)
    state = on(VPS, "systemctl is-failed espalier-backup-watch.service || true", status=None)
    return findings("red") if "failed" in state else []


def alarm(words: str) -> None:
    """Demand that the backups are red for a reason, and that somebody elsewhere hears of it."""
    demand(any(words in one for one in told()), findings())
    ALARMS.demand(words)


def red() -> None:
    """Whatever stops the copies turns the state red, and somebody outside is told."""
    demand(not told(), f"it is red before: {findings()}")
    ALARMS.forget(VPS)
    look = "rm -f /var/lib/espalier/database-backup/destination.json"
    # The key is revoked.
    STORE.start(OTHER_KEYS)
    on(VPS, look)
    alarm("refuses the key")
    STORE.start()
    # The bucket is emptied.
    aside = STORE.empty()
    on(VPS, look)
    alarm("no backups of this site any more")
    STORE.fill(aside)
    # The timer is stopped.
    on(VPS, "systemctl stop espalier-backup.timer")
    alarm("espalier-backup.timer does not run")
    on(VPS, "systemctl start espalier-backup.timer")
    # The passphrase is another one.
    conf = "/etc/pgbackrest/pgbackrest.conf"
    on(VPS, f"cp -p {conf} /root/ && sed -i 's/^repo1-cipher-pass=.*/repo1-cipher-pass=x/' {conf}")
    on(VPS, look)
    alarm("with this passphrase")
    on(VPS, f"cp -p /root/pgbackrest.conf {conf}")
    # And so for uploads, of which one has changed.
    conf = "/etc/espalier/uploads_backup.passphrase"
    copy = "systemctl start espalier-uploads-backup.service"
    on(VPS, f"cp -p {conf} /root/; echo another > {conf}; date > /srv/orchard/media/told.txt")
    on(VPS, f"{copy} || true")
    ALARMS.demand("espalier-uploads-backup.service fails")
    on(VPS, f"cp -p /root/uploads_backup.passphrase {conf}; {copy}")
    # The destination's clock is another one.
    psql(VPS, "SELECT pg_create_restore_point('clock'); SELECT pg_switch_wal()")
    time.sleep(3)
    name = psql(VPS, "SELECT last_archived_wal FROM pg_stat_archiver")
    (segment,) = (STORE.folder / BUCKET).rglob(f"{name}-*")
    os.utime(segment, (time.time() + 900, time.time() + 900))
    STORE.start()
    on(VPS, look)
    alarm("clock is")
    os.utime(segment)
    STORE.start()
    on(VPS, look)
    demand(not told(), f"it stays red: {findings()}")
    # Nothing copies any more, nor does anything see that.
    timers = "espalier-backup-watch.timer espalier-uploads-backup.timer"
    on(VPS, f"systemctl disable --now {timers}")
    for timer in timers.split():
        ALARMS.demand(f"{timer} fails since", 300)
    on(VPS, f"systemctl enable --now {timers}")


def full() -> None:
    """The destination is full: WAL waits, and somebody is told before the bound is reached."""
    ALARMS.forget(VPS)
    with STORE.filled():
        psql(VPS, "SELECT pg_create_restore_point('full'); SELECT pg_switch_wal()")
        demand(soon(lambda: waiting() > 0, 60), "WAL does not wait")
        on(
            VPS,
            "find /var/lib/postgresql/*/main/pg_wal/archive_status -name '*.ready' "
            "-exec touch -d '-10 minutes' {} +",
        )
        alarm("WAL waits since")
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
