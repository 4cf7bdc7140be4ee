"""The URL of the database to import, and what libpq is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit

from espalier import paths
from espalier.inventory.site import SiteError

SCHEMES = ("postgres", "postgresql", "postgis", "pgsql", "psql")
# Of the settings in a URL: those that libpq knows and that do not name a file here. Others are
# some framework's, such as `conn_max_age`.
SETTINGS = ("sslmode", "channel_binding", "options", "target_session_attrs", "gssencmode")
INSTEAD = {
    "sqlite": "SQLite is not loaded by this command: Django itself moves its rows. See "
    f"{paths.DOCS / 'arriving.md'}, `From SQLite`; in short: `python manage.py dumpdata` there, "
    "and `espalier manage -- loaddata -` here.",
    "mysql": "MySQL is not loaded by this command: its types are others. See "
    f"{paths.DOCS / 'arriving.md'}, "
    "`From MySQL`; in short: `pgloader` into a PostgreSQL of your own, then import that one; or, "
    "for a small site, Django's dumpdata and loaddata.",
}
INSTEAD |= {"mariadb": INSTEAD["mysql"], "sqlite3": INSTEAD["sqlite"]}


@dataclass(frozen=True)
class SourceUrl:
    """A database elsewhere. The password is not in the `repr`."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(default="", repr=False)
    settings: tuple[tuple[str, str], ...] = ()

    def service(self, tunnel: int = 0) -> str:
        """The service file of libpq that names it, password included.

        Args:
            tunnel: the port of the machine's own that leads there; 0 for a direct way. The host
                still stands in the file, as its certificate is compared with it.
        """
        values = [("host", self.host), ("port", str(tunnel or self.port))]
        values += [("hostaddr", "127.0.0.1")] if tunnel else []
        values += [("dbname", self.database), ("user", self.user)]
        values += [("password", self.password)] if self.password else []
        return "[source]\n" + "".join(f"{n}={v}\n" for n, v in [*values, *self.settings])


def parse(url: str) -> SourceUrl:
    """Read a URL, as `DATABASE_URL` has it.

    Raises:
        SiteError: it is of another database than PostgreSQL, or incomplete. The sentence never
            has the URL in it, which may have a password.
    """
    try:
        parts = urlsplit(url.strip())
    except ValueError:  # whose words have the password in them
        raise SiteError(
            "The URL of the database cannot be read: write what is no letter or digit in its "
            "password as % and two digits, such as %5B for [.",
            2,
        ) from None
    scheme = parts.scheme.partition("+")[0].lower()
    if scheme in INSTEAD:
        raise SiteError(INSTEAD[scheme], 2)
    if scheme not in SCHEMES:
        raise SiteError(
            f"The URL of the database begins with {scheme or 'nothing'}://; write "
            "postgres://USER@HOST:PORT/DATABASE.",
            2,
        )
    try:
        port = parts.port or 5432
    except ValueError:
        raise SiteError("The port in the URL of the database is no number.", 2) from None
    found = SourceUrl(
        host=parts.hostname or "",
        port=port,
        database=unquote(parts.path.lstrip("/")),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        settings=tuple((n, v) for n, v in parse_qsl(parts.query) if n in SETTINGS),
    )
    missing = [name for name in ("host", "database", "user") if not getattr(found, name)]
    if missing:
        raise SiteError(
            f"The URL of the database has no {missing[0]}: write "
            "postgres://USER@HOST:PORT/DATABASE.",
            2,
        )
    if any("\n" in text for text in (found.host, found.database, found.user, found.password)):
        raise SiteError("The URL of the database has the end of a line in it.", 2)
    return found
