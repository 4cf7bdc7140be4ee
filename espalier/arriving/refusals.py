"""What is refused before anything of the site is touched; each ends with the exit status 2."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping

from espalier.arriving.dumpfile import major
from espalier.inventory.site import SiteError
from espalier_machine.common.text import counted

# Rows that `migrate` makes in every new database.
MADE_BY_DJANGO = (
    "public.django_migrations",
    "public.django_content_type",
    "public.auth_permission",
    "public.django_site",
)
# By extension: the Debian package that has it; {} is the major version. What is not here and not
# in PostgreSQL itself is looked for by the same name.
PACKAGES = {
    "postgis": "postgresql-{}-postgis-3",
    "postgis_topology": "postgresql-{}-postgis-3",
    "postgis_raster": "postgresql-{}-postgis-3",
    "postgis_tiger_geocoder": "postgresql-{}-postgis-3",
    "vector": "postgresql-{}-pgvector",
    "pg_partman": "postgresql-{}-partman",
    "pg_cron": "postgresql-{}-cron",
}


def check_version(server: str, tool: str, ours: str, machine: str) -> None:
    """Refuse what a newer PostgreSQL has made.

    Args:
        server: the version of the PostgreSQL that the data is of; "" where it is not known.
        tool: the version of the pg_dump that wrote a dump; "" where ours is going to.
        ours: the version of the site's PostgreSQL.
        machine: where that runs.

    Raises:
        SiteError: with the versions.
    """
    newest = max(server, tool, key=major)
    if major(newest) <= major(ours):
        return
    made = (
        f"is of PostgreSQL {newest}"
        if newest == server
        else f"was written by pg_dump {newest}, of PostgreSQL {server or 'unknown'}"
    )
    raise SiteError(
        f"The data {made}, and {machine} runs PostgreSQL {ours}, which reads no dump of a newer "
        "one. Run the site on a release of Debian that has it (Debian 13 has PostgreSQL 17), or "
        f"have the data in a PostgreSQL {major(ours)} first. Nothing was changed.",
        2,
    )


def check_extensions(
    wanted: Collection[str], available: Collection[str], ours: str, machine: str
) -> None:
    """Refuse data that needs extensions which the site's PostgreSQL does not have.

    Raises:
        SiteError: with the names of Debian's packages.
    """
    missing = sorted(set(wanted) - set(available))
    if not missing:
        return
    version = major(ours)
    names = [PACKAGES.get(name, f"postgresql-{{}}-{name.replace('_', '-')}") for name in missing]
    packages = shlex.join(dict.fromkeys(name.format(version) for name in names))
    raise SiteError(
        f"The data needs extensions that PostgreSQL on {machine} does not have: "
        f"{', '.join(missing)}. Install them there, `apt install {packages}` (`apt search "
        f"postgresql-{version}` lists what there is), and run this again. Nothing was changed.",
        2,
    )


def check_new(rows: Mapping[str, int], files: int, *, replace: bool) -> None:
    """Refuse a site that has data of its own, unless a person says that it is to be replaced.

    Args:
        rows: of the site's database, by table.
        files: how many uploads it has, where uploads are to come.
        replace: what the person says.

    Raises:
        SiteError: with the tables.
    """
    if replace:
        return
    own = {table: n for table, n in sorted(rows.items()) if n and table not in MADE_BY_DJANGO}
    if own:
        shown = [f"{table} ({n})" for table, n in list(own.items())[:5]]
        more = f" and {len(own) - 5} more" if len(own) > 5 else ""
        raise SiteError(
            f"The site has rows of its own: {', '.join(shown)}{more}. If they may make room "
            "(migrations have made them, or you want that), add --replace: the database that is "
            "there is renamed, and kept. Nothing was changed.",
            2,
        )
    if files:
        raise SiteError(
            f"The site has {counted(files, 'upload')} of its own. If files of the same name may "
            "take their place, add --replace: those that were there are kept beside. Nothing was "
            "changed.",
            2,
        )


def check_room(needed: int, free: int, machine: str) -> None:
    """Refuse a disk without room for the dump and the database that is made of it.

    Args:
        needed: an estimate, in bytes.
        free: in bytes.
        machine: whose disk it is.

    Raises:
        SiteError: with both in MiB.
    """
    if needed > free:
        raise SiteError(
            f"{machine} has {free // 2**20} MiB of free disk, and dump and database need about "
            f"{needed // 2**20} MiB. Give it a larger disk. Nothing was changed.",
            2,
        )
