"""The nightly proof: the newest backup and a named transaction come back, and are thrown away."""

from __future__ import annotations

import math
import resource
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from espalier_machine.common.owner import run
from espalier_machine.database_backup import (
    backup,
    recovery,
    repository,
    rows,
    sql,
    state,
    target,
    throwaway,
    wal,
)
from espalier_machine.database_backup.config import STATE, Config
from espalier_machine.database_backup.errors import BackupError
from espalier_machine.database_backup.pgbackrest import restoring
from espalier_machine.database_backup.repository import Backup, Repository
from espalier_machine.database_backup.timelines import position, reached, start
from espalier_machine.database_backup.verify import missing, segments
from espalier_machine.database_backup.wal import Commit

MORE_ROOM = "a machine with the duty `backup`, or a larger disk, makes the proof possible"
LOOK_BACK = 64  # segments in which a transaction is looked for


def drill(config: Config) -> dict[str, Any]:
    """Prove it, and save what was seen as `drill`; gives that.

    Raises:
        BackupError: it could not be proven. That is saved, too.
    """
    began = time.time()
    report: dict[str, Any] = {"began": began, "ok": False, "skipped": ""}
    try:
        found = repository.read(config)
        chosen = target.latest(found, began, backup.live_timeline(config))
        newest = found.labelled(chosen.backup)
        if why := throwaway.too_small(newest.size, shutil.disk_usage(STATE).free):
            report |= {"skipped": f"{why}: {MORE_ROOM}"}
        else:
            report |= _prove(config, chosen, found, newest)
            report |= {"bytes": newest.size}
            # One after the newest backup would have failed above.
            report |= {"ok": True, "gaps": missing(config, found.archive)}
    except BackupError as error:
        report |= {"error": str(error), "detail": error.detail[-2000:]}
        raise
    finally:
        # In kB, of the largest of all processes that this one has started.
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        report |= {"peak_mb": round(peak / 1024)}
        report |= {"ended": time.time(), "seconds": round(time.time() - began, 1)}
        state.save("drill", report)
        _remember(report)
    return report


def _prove(
    config: Config, chosen: target.Target, found: Repository, newest: Backup
) -> dict[str, Any]:
    conf = restoring(config)
    with throwaway.directory(wait=True) as data:
        archived = segments(config, found.archive)
        of = reached(archived, chosen.timeline, found.timelines, newest)
        timeline = max(of)
        chosen = replace(chosen, timeline=timeline, is_current=timeline == newest.timeline)
        began = time.time()
        recovery.fetch(config, chosen, data, data, conf, archive=False)
        fetched = time.time()
        commit = _newest_commit(config, archived, of, data, conf)
        named = {"recovery_target_timeline": f"'{chosen.recovery_timeline}'"}
        # One that the backup has already is never met in the WAL that follows.
        if commit and commit.lsn > newest.stop_lsn:
            named |= {"recovery_target_xid": f"'{commit.id}'", "recovery_target_action": "promote"}
        elif of[timeline] < math.inf:
            named |= {"recovery_target_lsn": f"'{position(of[timeline])}'"}
            named |= {"recovery_target_inclusive": "off", "recovery_target_action": "promote"}
        throwaway.configure(config, data, named)
        with throwaway.running(config, data):
            answered = time.time()
            report = _look(config, commit, began)
    return {
        "backup": chosen.backup,
        "transaction": commit.id if commit else 0,
        "newest_commit": commit.time if commit else 0,
        "fetch_seconds": round(fetched - began, 1),
        "rto_seconds": round(answered - began, 1),
        "age_seconds": round(began - commit.time, 1) if commit else 0,
        **report,
    }


def _newest_commit(
    config: Config, archived: Iterable[str], of: Mapping[int, float], data: Path, conf: Path
) -> Commit | None:
    """Return the newest transaction of some segments; None where nothing was written lately.

    Args:
        config: whose archive.
        archived: the segments that it had when the drill began.
        of: the timelines that count, and up to which position.
        data: the restored directory: pgBackRest looks into it whose WAL it gets.
        conf: pgBackRest's configuration.
    """
    names = [name for name in archived if start(name) < of.get(int(name[:8], 16), 0)]
    with wal.folder() as folder:
        # By number, and of two with the same number that of the newer timeline.
        for name in sorted(names, key=lambda one: (one[8:], one[:8]))[: -LOOK_BACK - 1 : -1]:
            found = wal.commits(config, name, folder, f"--pg1-path={data}", conf=conf)
            if found := [one for one in found if one.lsn < of[int(name[:8], 16)]]:
                return found[-1]
    return None


def _look(config: Config, commit: Commit | None, began: float) -> dict[str, Any]:
    """Look into the copy.

    Raises:
        BackupError: something in it is wrong.
    """
    place = str(throwaway.FOLDER)
    if commit:
        known = sql.one("SELECT pg_snapshot_xmax(pg_current_snapshot())", host=place)
        number = wal.full_id(commit.id, int(known))
        done = sql.one(f"SELECT pg_xact_status('{number}'::xid8)", host=place)
        if done != "committed":
            raise BackupError(f"Transaction {commit.id} is not in the copy: it is {done}.")
    # Before what takes long: the site goes on.
    site = rows.of_site(config, place, began)
    check = [str(config.bin / "pg_amcheck"), "-h", place, "--all", "--install-missing"]
    amcheck = run(*check, check=False)
    if amcheck.returncode:
        wrong = (amcheck.stdout or amcheck.stderr).strip()
        raise BackupError(f"pg_amcheck finds damage in the copy: {wrong.splitlines()[0]}", wrong)
    copy = rows.count(config.database, place)
    if differing := rows.compare(copy, site.rows):
        raise BackupError(f"The copy is not what the site has: {'; '.join(differing[:3])}")
    report = {"tables": len(copy), "rows": sum(copy.values())}
    compared = {"compared": len(site.rows), "live_rows": sum(site.rows.values())}
    return {**report, **compared, "counted": site.at}


def _remember(report: Mapping[str, Any]) -> None:
    """Keep the figures of the last 90 drills, for the trend."""
    keys = ("began", "ok", "rto_seconds", "age_seconds", "bytes", "rows", "seconds")
    before = state.load("drills").get("drills", [])
    one = {key: report[key] for key in keys if key in report}
    state.save("drills", {"drills": [*before, one][-90:]})
