"""The extensions of PostgreSQL that the kit can bring, and the Debian package of each.

Those of PostgreSQL's own come with the server. A package is of both Debians, unless `since` says
otherwise (`apt-cache search --names-only '^postgresql-17-'`).
"""

from __future__ import annotations

from typing import NamedTuple

from espalier.project.words import suggestion, word_set


class Extension(NamedTuple):
    """Where an extension comes from.

    Attributes:
        package: the Debian package's name; {} stands for PostgreSQL's major version. "" for one
            that comes with the server.
        since: the first PostgreSQL for which Debian has that package.
        is_trusted: whether the owner of a database may create it; PostgreSQL says so of its own
            (appendix F of its manual), and guards their scripts.
    """

    package: str = ""
    since: int = 15
    is_trusted: bool = False


_TRUSTED = word_set(
    """
    btree_gin btree_gist citext cube dict_int fuzzystrmatch hstore intarray isn lo ltree pg_trgm
    pgcrypto plpgsql seg tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp
    """
)
_FOR_ADMINISTRATORS = word_set(
    """
    amcheck autoinc bloom dblink dict_xsyn earthdistance insert_username moddatetime
    pg_buffercache pg_prewarm pg_stat_statements pg_visibility pgrowlocks pgstattuple postgres_fdw
    refint sslinfo xml2
    """
)

EXTENSIONS = {
    **{name: Extension(is_trusted=True) for name in _TRUSTED},
    **{name: Extension() for name in _FOR_ADMINISTRATORS},
    **{
        name: Extension("postgresql-{}-postgis-3")
        for name in (
            "postgis",
            "postgis_raster",
            "postgis_topology",
            "postgis_sfcgal",
            "postgis_tiger_geocoder",
            "address_standardizer",
            "address_standardizer_data_us",
        )
    },
    "vector": Extension("postgresql-{}-pgvector", since=17),
    "pgrouting": Extension("postgresql-{}-pgrouting"),
    "h3": Extension("postgresql-{}-h3", since=17),
    "h3_postgis": Extension("postgresql-{}-h3", since=17),
    "hll": Extension("postgresql-{}-hll"),
    "hypopg": Extension("postgresql-{}-hypopg"),
    "icu_ext": Extension("postgresql-{}-icu-ext"),
    "ip4r": Extension("postgresql-{}-ip4r"),
    "orafce": Extension("postgresql-{}-orafce"),
    "periods": Extension("postgresql-{}-periods"),
    "pg_partman": Extension("postgresql-{}-partman"),
    "prefix": Extension("postgresql-{}-prefix"),
    "q3c": Extension("postgresql-{}-q3c"),
    "rum": Extension("postgresql-{}-rum"),
    "semver": Extension("postgresql-{}-semver"),
    "tdigest": Extension("postgresql-{}-tdigest"),
    "unit": Extension("postgresql-{}-unit"),
}


def unknown(name: str) -> str:
    """The end of the sentence for an extension that is not in the table."""
    known = suggestion(name, EXTENSIONS, "those that it has are in docs/project.md of the kit")
    return f'for the PostgreSQL extension "{name}" the kit knows no Debian package: {known}'
