"""The mail server of the machine's environment, where the project's settings name none.

In a quiet site no mail leaves, whatever they name.
"""

from collections.abc import Mapping
from typing import Any

BACKENDS = "django.core.mail.backends."
SMTP = f"{BACKENDS}smtp.EmailBackend"
DUMMY = f"{BACKENDS}dummy.EmailBackend"
NOWHERE = "nowhere.invalid"  # a name that no server ever has (RFC 6761)
# A developer's: they send nothing to anybody.
UNSENT = tuple(f"{BACKENDS}{name}." for name in ("console", "dummy", "filebased", "locmem"))
NEARBY = ("", "localhost", "127.0.0.1", "mailhog", "mailpit", "mailcatcher")
TIMEOUT = 10  # seconds; Django's default is to wait for as long as TCP does, and a worker with it


def apply_mail(settings: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Put the machine's mail server into the settings of a project that has none of its own."""
    if environ.get("ESPALIER_QUIET") == "1":
        _send_nothing(settings)
        return
    host = environ.get("ESPALIER_EMAIL_HOST")
    if not host or _has_own(settings):
        return
    tls = environ.get("ESPALIER_EMAIL_TLS") or "starttls"
    settings.update(
        EMAIL_BACKEND=SMTP,
        EMAIL_HOST=host,
        EMAIL_PORT=int(environ.get("ESPALIER_EMAIL_PORT") or 587),
        EMAIL_HOST_USER=environ.get("ESPALIER_EMAIL_USER") or "",
        EMAIL_HOST_PASSWORD=environ.get("ESPALIER_EMAIL_PASSWORD") or "",
        EMAIL_USE_TLS=tls == "starttls",
        EMAIL_USE_SSL=tls == "ssl",
    )
    if settings.get("EMAIL_TIMEOUT") is None:
        settings["EMAIL_TIMEOUT"] = TIMEOUT
    sender = environ.get("ESPALIER_EMAIL_FROM")
    # Django's own defaults, which no server accepts, count as none.
    for name, default in (
        ("DEFAULT_FROM_EMAIL", "webmaster@localhost"),
        ("SERVER_EMAIL", "root@localhost"),
    ):
        if sender and settings.get(name, default) == default:
            settings[name] = sender


def _send_nothing(settings: dict[str, Any]) -> None:
    """Have every mail thrown away: the site has a copy of data, with addresses of people."""
    if mailers := settings.get("MAILERS"):  # Django 6.1 refuses the other settings beside it
        settings["MAILERS"] = {alias: {"BACKEND": DUMMY} for alias in mailers}
    else:
        # Code that asks for a connection by SMTP, and names no server, does not reach one either.
        settings.update(EMAIL_BACKEND=DUMMY, EMAIL_HOST=NOWHERE)


def _has_own(settings: Mapping[str, Any]) -> bool:
    if settings.get("MAILERS"):
        return True
    backend = str(settings.get("EMAIL_BACKEND") or SMTP)
    if backend.startswith(UNSENT):
        return False
    return backend != SMTP or settings.get("EMAIL_HOST", "localhost") not in NEARBY
