"""What the program that saves uploads is given: where to, what opens that, and what is saved."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from espalier.inventory.model import Link

# On machines; the role writes them.
PASSPHRASE = "/etc/espalier/uploads_backup.passphrase"
SSH_KEY = "/etc/espalier/uploads_backup.key"
KNOWN_HOSTS = "/etc/espalier/uploads_backup.known_hosts"
# Beside a machine's certificate: it and its key in one file, as restic reads them.
CLIENT = "restic.pem"
# Whose the backups are on the machine that keeps them.
KEEPER = "espalier-restic"
# The database has its backups beside it.
BELOW = "uploads"


class Tls(TypedDict):
    """How machines of the site know each other: trusted authorities, and the own certificate."""

    trusted: str
    certificate: str


def program_settings(
    backup: Mapping[str, Any],
    secrets: Mapping[str, str],
    links: Sequence[Link],
    site: str,
    media: str,
    tls: Tls,
    store: Mapping[str, str],
) -> dict[str, Any]:
    """Return what `espalier_machine.uploads_backup.config` reads on the machine with the uploads.

    Args:
        backup: as `backup_settings` gives it.
        secrets: those that open the destination.
        links: from this machine to the one that keeps the backups, where a machine does.
        site: the site's name, which is also the user that uploads belong to.
        media: the directory of uploads.
        tls: how that machine knows this one.
        store: the object store that has the uploads, as `store_settings` gives it; {} for none.
    """
    known = {"site": site, "owner": site, "keep_days": backup["keep"]["days"], "s3": dict(store)}
    nowhere = {"repository": "", "environment": {}, "options": [], "password_file": ""}
    if store:  # nothing of it is copied: there is nothing to draw a sample of
        return {**known, **nowhere, "user": "", "media": "", "prunes": False, "samples": False}
    found = _destination(backup, secrets, links, tls)
    # A machine that keeps backups lets nobody delete them, and does so itself.
    prunes = backup["to"] != "machine"
    media_of = {"media": media, "user": "", "prunes": prunes, "password_file": PASSPHRASE}
    return {**known, **found, **media_of, "samples": backup["drill"]}


def repository_settings(backup: Mapping[str, Any], site: str) -> dict[str, Any]:
    """Return what the program reads on the machine that keeps the backups."""
    return {
        "site": site,
        "owner": "",
        "keep_days": backup["keep"]["days"],
        "s3": {},
        "repository": repository_path(backup),
        "environment": {},
        "options": [],
        "password_file": PASSPHRASE,
        "user": KEEPER,
        "media": "",
        "prunes": True,
        "samples": False,
    }


def repository_path(backup: Mapping[str, Any]) -> str:
    """Return where the backups of uploads are, on the machine that keeps them."""
    return f"{backup['path']}/{BELOW}"


def store_settings(store: Mapping[str, str], access_key: str, secret_key: str) -> dict[str, str]:
    """Return what the program asks about the versions of an object store with uploads.

    Args:
        store: `media_s3` of project.yml; {} where uploads are on a disk.
        access_key: the name of its key.
        secret_key: its key.
    """
    if not store:
        return {}
    return {
        "bucket": store["bucket"],
        "endpoint": store.get("endpoint_url", ""),
        "region": store.get("region", ""),
        "access_key": access_key,
        "secret_key": secret_key,
    }


def known_hosts(backup: Mapping[str, Any]) -> str:
    """Return the line of `known_hosts` for an SFTP server, "" for other destinations."""
    if backup["to"] != "sftp":
        return ""
    host, port = backup["host"], backup["port"]
    return f"{host if port == 22 else f'[{host}]:{port}'} {backup['host_key']}\n"


def an_hour_after(time: str) -> str:
    """Return the time of day an hour later: `02:30` is `03:30`."""
    hours, minutes = time.split(":")
    return f"{(int(hours) + 1) % 24:02}:{minutes}"


def _destination(
    backup: Mapping[str, Any], secrets: Mapping[str, str], links: Sequence[Link], tls: Tls
) -> dict[str, Any]:
    match backup["to"]:
        case "s3":
            url = f"s3:https://{backup['endpoint']}/{backup['bucket']}{repository_path(backup)}"
            keys = {
                "AWS_ACCESS_KEY_ID": secrets["access_key"],
                "AWS_SECRET_ACCESS_KEY": secrets["secret_key"],
                "AWS_DEFAULT_REGION": backup["region"],
            }
            return {"repository": url, "environment": keys, "options": []}
        case "sftp":
            there = f"{backup['user']}@{_in_url(backup['host'])}:{backup['port']}"
            url = f"sftp://{there}/{repository_path(backup)}"
            options = ["-o", f"sftp.command={ssh_command(backup)}"]
            return {"repository": url, "environment": {}, "options": options}
    client = f"{tls['certificate']}/{CLIENT}"
    return {
        "repository": f"rest:https://{_in_url(links[0]['address'])}:{links[0]['port']}/",
        "environment": {},
        "options": ["--cacert", tls["trusted"], "--tls-client-cert", client],
    }


def ssh_command(backup: Mapping[str, Any]) -> str:
    """Return the command that reaches an SFTP server: nothing of root's own settings counts."""
    options = {
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": KNOWN_HOSTS,
        "GlobalKnownHostsFile": "none",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "20",
        # A connection that has died is noticed after two minutes.
        "ServerAliveInterval": "30",
        "ServerAliveCountMax": "4",
    }
    words = ["ssh", "-F", "none", "-i", SSH_KEY, "-p", str(backup["port"])]
    words += [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return shlex.join([*words, f"{backup['user']}@{backup['host']}", "-s", "sftp"])


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
