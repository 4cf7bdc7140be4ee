"""What differs between the releases of Debian that the kit runs on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict


class Debian(TypedDict):
    """One release of Debian, as far as templates and roles have to tell it from another.

    Attributes:
        version: the release's number.
        python: the version of its Python, X.Y.
        postgresql: the major version of its PostgreSQL.
        pgbouncer_prepared_statements: how many prepared statements a connection of pgbouncer
            keeps track of, 0 where it cannot: 1.21 began to, and Debian 12 has 1.18. 200 are as
            many as Django's pages make.
        nginx_http2_directive: whether nginx has `http2 on;`, as from 1.25.1 on. Before (Debian 12
            has 1.22) it is a word of `listen`.
        nginx_http3: whether nginx has HTTP/3.
        tls_groups: how nginx agrees on keys, the first choice first, in OpenSSL's words.
            X25519MLKEM768, which withstands a quantum computer too, came with OpenSSL 3.5; ? is
            "if you know it".
        zones_package: what has the older names of time zones, such as US/Eastern and Asia/Calcutta,
            which settings name still. Debian 13 leaves them out of tzdata.
        locale_file: where the system's locale is written. Debian 13 makes /etc/default/locale a
            link to /etc/locale.conf, anew at every boot.
        pgbackrest_sftp: whether pgBackRest keeps repositories by SFTP, as from 2.46 on.
        pgbackrest_addresses: whether pgBackRest takes certificates for addresses, not for names
            alone.
        ssh_has_penalties: whether sshd has PerSourcePenalties, as from OpenSSH 9.8 on.
    """

    version: int
    python: str
    postgresql: int
    pgbouncer_prepared_statements: int
    nginx_http2_directive: bool
    nginx_http3: bool
    tls_groups: list[str]
    zones_package: str
    locale_file: str
    pgbackrest_sftp: bool
    pgbackrest_addresses: bool
    ssh_has_penalties: bool


RELEASES: dict[str, Debian] = {
    "bookworm": {
        "version": 12,
        "python": "3.11",
        "postgresql": 15,
        "pgbouncer_prepared_statements": 0,
        "nginx_http2_directive": False,
        "nginx_http3": False,
        "tls_groups": ["X25519", "prime256v1", "secp384r1"],
        "zones_package": "tzdata",
        "locale_file": "/etc/default/locale",
        "pgbackrest_sftp": False,
        "pgbackrest_addresses": False,
        "ssh_has_penalties": False,
    },
    "trixie": {
        "version": 13,
        "python": "3.13",
        "postgresql": 17,
        "pgbouncer_prepared_statements": 200,
        "nginx_http2_directive": True,
        "nginx_http3": True,
        "tls_groups": ["?X25519MLKEM768", "X25519", "prime256v1", "secp384r1"],
        "zones_package": "tzdata-legacy",
        "locale_file": "/etc/locale.conf",
        "pgbackrest_sftp": True,
        "pgbackrest_addresses": True,
        "ssh_has_penalties": True,
    },
}


def debian(release: str) -> Debian:
    """Return the facts of a release, by its code name (`ansible_facts['distribution_release']`).

    Raises:
        ValueError: the kit does not know the release.
    """
    if release not in RELEASES:
        raise ValueError(f"the kit knows the Debian releases {', '.join(RELEASES)}, not {release}")
    return RELEASES[release]


def debian_names(releases: Iterable[str]) -> str:
    """Return what people call releases, given by code name: `Debian 12 (bookworm) and …`."""
    return " and ".join(f"Debian {debian(name)['version']} ({name})" for name in releases)
