#!/usr/bin/python
"""Tell what the kit leaves on a machine, and keep what must outlive it."""

from __future__ import annotations

DOCUMENTATION = """
module: leaving
short_description: Tell what the kit leaves on a machine, and keep what must outlive it
description:
  - The steps of C(playbooks/remove.yml) that look at a machine, or keep something of it. None of
    them removes anything.
options:
  step:
    description:
      - C(survey) tells what is there, and changes nothing.
      - C(dump) writes a dump of every database of the cluster, and its roles, below
        C(/var/lib/espalier-kept). PostgreSQL is started for it where it stands still; where there
        is no cluster, an earlier run has set it aside, and nothing is done.
      - C(configuration) packs the files that the kit has written, before they are removed.
      - C(describe) writes C(/var/lib/espalier-kept/README), which names all that was kept.
    type: str
    required: true
    choices: [survey, dump, configuration, describe]
  project:
    description: The site's name.
    type: str
    required: true
  postgresql:
    description: Major version of the PostgreSQL of this Debian.
    type: int
    required: true
  paths:
    description: C(configuration), the files to pack; those that are missing are left out.
    type: list
    elements: path
    default: []
  packages:
    description: C(describe), the Debian packages that stay installed.
    type: list
    elements: str
    default: []
author: Espalier
"""

EXAMPLES = """
- name: Keep a dump of each database
  leaving: {step: dump, project: shop, postgresql: 17}
"""

RETURN = """
databases:
  description:
    - C(survey), the databases of the cluster that runs here, as C(name), C(bytes) and C(closed),
      which says whether it takes no connections (C(ALLOW_CONNECTIONS false), or half dropped), not
      even that of C(pg_dump).
  type: list
  returned: success
is_stopped:
  description: C(survey), whether there is a primary that does not run, so that nobody can ask it.
  type: bool
  returned: success
kept:
  description: What outlives the kit, as C(what), C(path), and C(size) for a person.
  type: list
  returned: success
"""

import datetime
import glob
import json
import os
import re
import subprocess
from collections.abc import Iterable
from typing import Any

from ansible.module_utils.basic import AnsibleModule

KEPT = "/var/lib/espalier-kept"
README = f"{KEPT}/README"
MEDIA, DATA = "/srv/{}/media", "/srv/{}/data"
# -1 is no limit of connections, and -2 a database that a DROP DATABASE which was cut off has left.
DATABASES = """
SELECT json_agg(json_build_object('name', datname, 'bytes', pg_database_size(oid),
  'closed', NOT datallowconn OR datconnlimit = -2) ORDER BY datname)
FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'
"""
# What is kept wherever it is there: what it is, and where; {} is the site's name.
PLACES = (
    ("dump of a database", f"{KEPT}/*.dump"),
    ("names of databases that are closed to connections, so not dumped", f"{KEPT}/*-not-dumped"),
    ("roles of the database, with the hashes of their passwords", f"{KEPT}/*-roles.sql"),
    ("configuration that the kit wrote, secrets among it", f"{KEPT}/*-configuration.tar.gz"),
    ("PostgreSQL's data, as it was stopped", "/var/lib/postgresql/*/retired-*"),
    ("uploads", MEDIA),
    ("what the project wrote in its own tree (`writable:`)", DATA),
    ("releases, with their virtual environments", "/srv/{}"),
    ("state of workers and of scheduled commands", "/var/lib/espalier/{}"),
    ("jobs of the queue that nobody has done", "/var/lib/redis-queue.retired-*"),
    ("web server's logs", "/var/log/nginx"),
    ("the right of people to use sudo", "/etc/sudoers.d/espalier-users"),
    ("the port of SSH", "/etc/ssh/sshd_config.d/10-port.conf"),
)


def files_below(path: str) -> Iterable[str]:
    """Yield every regular file below a directory, or the path itself where it is a file."""
    if os.path.isfile(path) and not os.path.islink(path):
        yield path
    for folder, _, names in os.walk(path):
        for name in names:
            found = os.path.join(folder, name)
            if os.path.isfile(found) and not os.path.islink(found):
                yield found


def in_words(count: int, size: int) -> str:
    """Say how much there is: `3 files, 1.2 MB`."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    digits = 0 if unit == "bytes" else 1
    return f"{count} {'file' if count == 1 else 'files'}, {value:.{digits}f} {unit}"


def file_names(names: Iterable[str]) -> dict[str, str]:
    """Give for each database's name one that a file may have, each of them another one."""
    found: dict[str, str] = {}
    for name in names:
        safe = "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
        while safe in found.values():
            safe += "_"
        found[name] = safe
    return found


def kept(project: str) -> list[dict[str, str]]:
    """Give what is there to be kept, as `what`, `path` and `size`; uploads even where none are."""
    found = []
    media, data = MEDIA.format(project), DATA.format(project)
    for what, pattern in PLACES:
        for path in sorted(glob.glob(pattern.format(project))):
            # These two have a line of their own.
            others = [f"{own}/" for own in (media, data) if own != path]
            below = [f for f in files_below(path) if not f.startswith(tuple(others))]
            size = sum(os.stat(file).st_blocks * 512 for file in below)
            if below or path == media:
                found.append({"what": what, "path": path, "size": in_words(len(below), size)})
    return found


def readme(project: str, packages: list[str], day: str) -> str:
    """Give the text of the README for who comes to the machine later."""
    things = "\n".join(f"{one['path']}\n    {one['what']}: {one['size']}" for one in kept(project))
    return f"""Espalier was taken off this machine on {day}. The site was called {project}.
Nothing of the kit runs here. What it leaves is named below: nobody but you deletes it.

{things}

To have the site back: on the control machine, `espalier site`, then `espalier import --dump FILE`
with a dump from here. Uploads and releases are found where they are. docs/leaving.md of the kit
tells how to load a dump without the kit, and how to run a release by hand.

The system user {project} is kept, as the uploads belong to it.

Debian's packages stay installed, and their services are stopped:
    {" ".join(packages)}
`apt purge` of PostgreSQL asks whether to delete its data, which is the data named above.
"""


def write_readme(project: str, packages: list[str], day: str) -> None:
    """Write the README; one of another site that was here before gets the name of that site."""
    if os.path.exists(README):
        with open(README) as stream:
            named = re.search(r"The site was called (\w+)\.", stream.read())
        if named and named[1] != project:
            os.replace(README, f"{README}-{named[1]}")
    with open(README, "w") as stream:
        stream.write(readme(project, packages, day))


class Cluster:
    """The PostgreSQL that the kit runs: the cluster `main`."""

    def __init__(self, module: AnsibleModule) -> None:
        """Take the module, for its parameters and to fail with a sentence."""
        self.module = module
        self.version = module.params["postgresql"]
        self.unit = f"postgresql@{self.version}-main"
        self.exists = os.path.exists(f"/etc/postgresql/{self.version}/main/postgresql.conf")
        self.is_replica = os.path.exists(
            f"/var/lib/postgresql/{self.version}/main/standby.signal",
        )

    def command(self, *words: str) -> list[str]:
        """Give a command of PostgreSQL as its administrator, for the cluster's own version."""
        return [
            *("runuser", "-u", "postgres", "--", "env", f"PGCLUSTER={self.version}/main"),
            *words,
        ]

    def is_running(self) -> bool:
        """Say whether systemd has it running."""
        return not self.module.run_command(["systemctl", "is-active", "--quiet", self.unit])[0]

    def databases(self) -> list[dict[str, Any]]:
        """Give the databases of the running cluster: name, size, and whether it is closed.

        Where it does not answer, the module fails: no removal goes on without its dumps.
        """
        asked = self.command("psql", "-XAtqc", DATABASES, "postgres")
        status, out, err = self.module.run_command(asked, cwd="/")
        if status:
            self.module.fail_json(
                msg=f"PostgreSQL runs, and does not tell its databases: {err.strip()}. So no dump "
                f"can be made. See journalctl -u {self.unit}. Its data is untouched."
            )
        found: list[dict[str, Any]] = json.loads(out.strip() or "null") or []
        return found

    def start(self) -> None:
        """Start it where it stands still."""
        if self.is_running():
            return
        status, out, err = self.module.run_command(["systemctl", "start", self.unit])
        if status:
            self.module.fail_json(
                msg="PostgreSQL does not start, so no dump can be made: "
                f"{(err or out).strip()} See journalctl -u {self.unit}. Its data is untouched."
            )

    def dump(self, to: str, *words: str) -> None:
        """Write what a command prints to a file that only root may read, whole or not at all."""
        part = f"{to}.part"
        handle = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            done = subprocess.run(
                self.command(*words), stdout=stream, stderr=subprocess.PIPE, text=True, cwd="/"
            )
            stream.flush()
            os.fsync(stream.fileno())
        if done.returncode == 0 and to.endswith(".dump"):
            done = subprocess.run(
                ["pg_restore", "--list", part], capture_output=True, text=True, cwd="/"
            )
        if done.returncode:
            self.module.fail_json(
                msg=f"{' '.join(words[:1])} failed: {done.stderr.strip()}. PostgreSQL still runs, "
                "and its data is untouched; run the same command again."
            )
        os.replace(part, to)


def dump(module: AnsibleModule, stamp: str) -> bool:
    """Dump every database and the roles; says whether there was anything to dump."""
    cluster = Cluster(module)
    if not cluster.exists or cluster.is_replica:
        return False
    if module.check_mode:
        return True
    cluster.start()
    os.makedirs(KEPT, mode=0o700, exist_ok=True)
    for part in glob.glob(f"{KEPT}/*.part"):  # of a run that was cut off
        os.unlink(part)
    cluster.dump(f"{KEPT}/{stamp}-roles.sql", "pg_dumpall", "--roles-only")
    databases = cluster.databases()
    if closed := [one["name"] for one in databases if one["closed"]]:
        with open(f"{KEPT}/{stamp}-not-dumped", "w") as stream:
            stream.write("".join(f"{name}\n" for name in closed))
    names = [one["name"] for one in databases if not one["closed"]]
    for name, safe in file_names(names).items():
        # A connection string, as a database's own name could be taken for one.
        quoted = name.replace("\\", "\\\\").replace("'", "\\'")
        source = f"dbname='{quoted}'"
        cluster.dump(f"{KEPT}/{stamp}-{safe}.dump", "pg_dump", "--format=custom", "-d", source)
    return True


def pack_configuration(module: AnsibleModule, stamp: str) -> bool:
    """Pack the files that the kit has written; says whether there were any."""
    paths = [path for pattern in module.params["paths"] for path in sorted(glob.glob(pattern))]
    if not paths or module.check_mode:
        return bool(paths)
    os.makedirs(KEPT, mode=0o700, exist_ok=True)
    archive = f"{KEPT}/{stamp}-configuration.tar.gz"
    os.close(os.open(archive, os.O_CREAT | os.O_WRONLY, 0o600))
    status, _, err = module.run_command(["tar", "--absolute-names", "-czf", archive, *paths])
    if status:
        module.fail_json(msg=f"the configuration could not be packed: {err.strip()}")
    return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "step": {
                "type": "str",
                "required": True,
                "choices": ["survey", "dump", "configuration", "describe"],
            },
            "project": {"type": "str", "required": True},
            "postgresql": {"type": "int", "required": True},
            "paths": {"type": "list", "elements": "path", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    os.umask(0o077)
    now = datetime.datetime.now(datetime.UTC)
    stamp, project = f"{now:%Y%m%d-%H%M%S}", module.params["project"]
    result: dict[str, Any] = {"changed": False}
    match module.params["step"]:
        case "survey":
            cluster = Cluster(module)
            is_running = cluster.exists and cluster.is_running()
            result["databases"] = cluster.databases() if is_running else []
            result["is_stopped"] = cluster.exists and not (is_running or cluster.is_replica)
        case "dump":
            result["changed"] = dump(module, stamp)
        case "configuration":
            result["changed"] = pack_configuration(module, stamp)
        case "describe" if not module.check_mode:
            os.makedirs(KEPT, mode=0o700, exist_ok=True)
            write_readme(project, module.params["packages"], f"{now:%Y-%m-%d}")
            result["changed"] = True
    module.exit_json(**result, kept=kept(project))


if __name__ == "__main__":
    main()
