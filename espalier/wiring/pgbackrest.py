"""What pgBackRest, and the program that runs it, are told on each machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from espalier.inventory.services import SERVICES
from espalier.wiring.backup import destination
from espalier_machine.common.forms import THROWAWAY_DATA

PORT = SERVICES["pgbackrest"].port
CONFIGURATION = "/etc/pgbackrest"
# PostgreSQL ends a segment of WAL after so many seconds, full or not: what a machine that burns
# takes with it.
ARCHIVE_TIMEOUT = 60
# The services that have a part, with the name of the part.
PARTS: Mapping[str, str] = {
    "postgresql_primary": "primary",
    "postgresql_replica": "replica",
    "pgbackrest_repository": "repository",
}
# Minutes after `at`: the primary makes the backup that no replica has made; the drill; before that,
# with time for the WAL to come, rows are counted.
FALLBACK, DRILL, COUNT = 180, 60, 55
Topology = Mapping[str, Any]
Section = dict[str, str | list[str]]
Options = dict[str, Section]


def part(name: str, topology: Topology) -> str:
    """Return a machine's part: primary, replica, repository."""
    return next(part for service, part in PARTS.items() if name in topology["services"][service])


def makers(topology: Topology) -> list[str]:
    """Return the machines that make backups, the first one first, then who stands in for it."""
    services = topology["services"]
    if services["pgbackrest_repository"]:
        return [services["pgbackrest_repository"][0]]
    return [*services["postgresql_replica"][:1], services["postgresql_primary"][0]]


def counts_rows(backup: Mapping[str, Any], name: str, topology: Topology) -> bool:
    """Whether a machine writes down its rows, for a drill where no database of the site is."""
    is_elsewhere = bool(topology["services"]["pgbackrest_repository"])
    return bool(backup["drill"]) and is_elsewhere and part(name, topology) == "primary"


def program(
    backup: Mapping[str, Any], name: str, topology: Topology, **site: str
) -> dict[str, Any]:
    """Return what `espalier_machine.database_backup.config` reads on a machine.

    Args:
        backup: what `backup_settings` returned.
        name: of the machine.
        topology: the map.
        site: `stanza`, the site's name, and PostgreSQL's `version`.
    """
    able = makers(topology)
    return {
        "stanza": site["stanza"],
        "database": site["stanza"],
        "version": str(site["version"]),
        "destination": destination(backup),
        "part": part(name, topology),
        "makes_backups": name in able,
        "falls_back": name in able[1:],
        "keep_days": backup["keep"]["days"],
        "keep_full": backup["keep"]["full"],
        "drill": backup["drill"],
        "waiting_wal": backup["waiting_wal"] or 0,
        "archive_timeout": ARCHIVE_TIMEOUT,
        "counts_rows": counts_rows(backup, name, topology),
    }


def options(
    backup: Mapping[str, Any],
    secrets: Mapping[str, str],
    name: str,
    topology: Topology,
    **site: Any,
) -> Options:
    """Return pgBackRest's configuration, by section; passwords are in it.

    Args:
        backup: what `backup_settings` returned.
        secrets: what opens the destination.
        name: of the machine.
        topology: the map.
        site: `stanza`, PostgreSQL's `version`, `cores`, and the directory `certificate` and the
            file `trusted`, by which machines know each other.
    """
    mine = part(name, topology)
    processes = max(1, int(site["cores"]))
    data = f"/var/lib/postgresql/{site['version']}/main"
    tls = {
        "ca-file": site["trusted"],
        "cert-file": f"{site['certificate']}/machine.crt",
        "key-file": f"{site['certificate']}/machine.key",
    }
    common: Section = {
        "compress-type": "zst",
        "repo1-bundle": "y",
        "process-max": str(max(1, processes // 2)),
        "start-fast": "y",
        # What is kept is for the program: it wants days and a count.
        "expire-auto": "n",
        "archive-timeout": "120",
        # It tries nine times where nobody answers, and only a new try sees how much WAL waits.
        "io-timeout": "15",
        "lock-path": "/var/spool/pgbackrest/lock",
        "log-level-console": "off",
        "log-level-stderr": "warn",
        "log-level-file": "off",
    }
    server = _server(name, topology, site["stanza"], tls)
    stanza: Section = {}
    if mine == "repository":
        stanza |= _hosts(_databases(topology), topology, data, tls, first=1)
    else:
        stanza |= {"pg1-path": data, "pg1-socket-path": "/run/postgresql"}
    # The machine that makes backups of its own replica asks the primary when one begins and ends.
    if mine == "replica" and name in makers(topology):
        stanza |= _hosts(topology["services"]["postgresql_primary"], topology, data, tls, first=2)
    if topology["services"]["postgresql_replica"] and mine in ("replica", "repository"):
        common["backup-standby"] = "y"
    return {
        "global": common | _repository(backup, secrets, mine, topology, tls) | server,
        "global:restore": {"process-max": str(processes)},
        site["stanza"]: stanza,
    }


def alone_options(options: Options, stanza: str) -> Options:
    """Return the configuration with which the keeper of the copies restores one to look at it.

    Args:
        options: the machine's own; {} comes back on a machine that has a database itself.
        stanza: the site's name.
    """
    if "pg1-host" not in options[stanza]:
        return {}
    own = {
        name: value
        for name, value in options["global"].items()
        if not name.startswith(("tls-server", "backup-standby"))
    }
    return {"global": own, stanza: {"pg1-path": THROWAWAY_DATA}}


def _databases(topology: Topology) -> list[str]:
    services = topology["services"]
    return [*services["postgresql_primary"], *services["postgresql_replica"]]


def _repository(
    backup: Mapping[str, Any],
    secrets: Mapping[str, str],
    mine: str,
    topology: Topology,
    tls: Mapping[str, str],
) -> Section:
    """Return where the repository is, and what opens it."""
    if backup["to"] == "machine" and mine != "repository":
        # The machine that keeps it encrypts, and knows all about it.
        keeper = topology["services"]["pgbackrest_repository"][0]
        host: Section = {
            "repo1-host": topology["machines"][keeper]["address"],
            "repo1-host-type": "tls",
        }
        host |= {"repo1-host-port": str(PORT)}
        return host | {f"repo1-host-{key}": value for key, value in tls.items()}
    found: Section = {
        "repo1-path": f"{backup['path']}/database",
        "repo1-cipher-type": "aes-256-cbc",
        "repo1-cipher-pass": secrets["passphrase"],
    }
    if backup["to"] == "s3":
        endpoint, _, port = backup["endpoint"].partition(":")
        found |= {
            "repo1-type": "s3",
            "repo1-s3-bucket": backup["bucket"],
            "repo1-s3-endpoint": endpoint,
            "repo1-s3-region": backup["region"],
            "repo1-s3-uri-style": "host" if endpoint.endswith("amazonaws.com") else "path",
            "repo1-s3-key": secrets["access_key"],
            "repo1-s3-key-secret": secrets["secret_key"],
        }
        found |= {"repo1-storage-port": port} if port else {}
    if backup["to"] == "sftp":
        found |= {
            "repo1-type": "sftp",
            "repo1-sftp-host": backup["host"],
            "repo1-sftp-host-port": str(backup["port"]),
            "repo1-sftp-host-user": backup["user"],
            "repo1-sftp-host-key-check-type": "strict",
            "repo1-sftp-known-host": f"{CONFIGURATION}/known_hosts",
            "repo1-sftp-host-key-hash-type": "sha256",
            "repo1-sftp-private-key-file": f"{CONFIGURATION}/sftp_key",
        }
    return found


def _hosts(
    names: Sequence[str], topology: Topology, data: str, tls: Mapping[str, str], first: int
) -> Section:
    """Return how databases on other machines are reached, numbered from `first` on."""
    found: Section = {}
    for number, name in enumerate(names, first):
        found |= {
            f"pg{number}-host": topology["machines"][name]["address"],
            f"pg{number}-host-type": "tls",
            f"pg{number}-host-port": str(PORT),
            f"pg{number}-path": data,
            f"pg{number}-socket-path": "/run/postgresql",
        }
        found |= {f"pg{number}-host-{key}": value for key, value in tls.items()}
    return found


def _server(name: str, topology: Topology, stanza: str, tls: Mapping[str, str]) -> Section:
    """Return how this machine answers others; nothing where nobody asks it."""
    clients = served(name, topology)
    if not clients:
        return {}
    return {
        "tls-server-address": topology["machines"][name]["address"],
        "tls-server-port": str(PORT),
        # By the first name of its certificate, which is its address.
        "tls-server-auth": [f"{address}={stanza}" for address in clients],
        **{f"tls-server-{key}": value for key, value in tls.items()},
    }


def served(name: str, topology: Topology) -> list[str]:
    """Return the addresses of those that ask pgBackRest on a machine."""
    access = topology["machines"][name]["access"]
    found = [*access.get("pgbackrest", ()), *access.get("pgbackrest_repository", ())]
    return list(dict.fromkeys(found))


def known_hosts(backup: Mapping[str, Any]) -> str:
    """Return the line by which machines know the destination."""
    port = backup["port"]
    host = backup["host"] if port == 22 else f"[{backup['host']}]:{port}"
    return f"{host} {backup['host_key']}\n"


def clock(at: str, minutes: int = 0) -> str:
    """Return a time of day so many minutes after another one, as systemd takes it."""
    hour, minute = map(int, at.split(":"))
    later = (hour * 60 + minute + minutes) % (24 * 60)
    return f"*-*-* {later // 60:02}:{later % 60:02}:00"


def times(backup: Mapping[str, Any], name: str, topology: Topology) -> dict[str, str]:
    """Return when a machine makes backups and drills and counts rows; "" for never.

    As systemd takes it.
    """
    able = makers(topology)
    makes = name in able
    return {
        "backup": clock(backup["at"], FALLBACK if name in able[1:] else 0) if makes else "",
        "drill": clock(backup["at"], DRILL) if name == able[0] and backup["drill"] else "",
        "count": clock(backup["at"], COUNT) if counts_rows(backup, name, topology) else "",
    }
