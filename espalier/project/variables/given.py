"""What the kit has for a project, under the names by which settings ask for it: the one table.

The machine's environment file has the values, as `ESPALIER_…`; build.json says which of them a
release has under another name, so that a password that is rotated reaches it at its next start.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from espalier.project.variables.read import Read

# A prefix that makes no other database, cache or key of it.
_PREFIX = r"(?:DJANGO_|APP_|{own}_)?"
_DATABASE = r"(?:DB|DATABASE|DATABASES_DEFAULT|POSTGRES|POSTGRESQL|PSQL|PG|SQL|RDS)_?"
# Kit's variable -> the names that settings have for it, as a pattern after a prefix.
_NAMES = {
    "ESPALIER_DATABASE_HOST": rf"{_DATABASE}(?:HOST|HOSTNAME|SERVER|ADDRESS)",
    "ESPALIER_DATABASE_PORT": rf"{_DATABASE}PORT",
    "ESPALIER_DATABASE_NAME": rf"{_DATABASE}(?:NAME|DB|DATABASE|DBNAME|DB_NAME)",
    "ESPALIER_DATABASE_USER": rf"{_DATABASE}(?:USER|USERNAME|LOGIN)",
    "ESPALIER_DATABASE_PASSWORD": rf"{_DATABASE}(?:PASSWORD|PASS|PASSWD|PWD)",
    "ESPALIER_DATABASE_ENGINE": rf"{_DATABASE}(?:ENGINE|BACKEND)",
    "DATABASE_URL": r"(?:DB|DATABASE|POSTGRES|POSTGRESQL|PG)_(?:URL|URI|DSN)",
    "ESPALIER_SECRET_KEY": r"SECRET_KEY|SECRETKEY",
    "ESPALIER_ALLOWED_HOSTS": r"ALLOWED_HOSTS?",
    "ESPALIER_SITE_ORIGINS": r"(?:CSRF_)?TRUSTED_ORIGINS?|CSRF_ORIGINS",
    "ESPALIER_SITE_URL": (
        r"(?:SITE|BASE|PUBLIC|APP|WEBSITE|ROOT|EXTERNAL|WAGTAILADMIN_BASE|SERVER|BACKEND)_URL"
        r"|SITE_ROOT_URL|PUBLIC_BASE_URL"
    ),
    "ESPALIER_SITE_DOMAIN": r"(?:SITE|PRIMARY|BASE|APP|SERVER)_DOMAIN|DOMAIN(?:_NAME)?",
    "ESPALIER_DEBUG": r"DEBUG",
    "ESPALIER_QUEUE_URL": r"(?:CELERY_)?BROKER_URL|CELERY_RESULT_BACKEND|REDIS_(?:URL|URI|TLS_URL)",
    "ESPALIER_QUEUE_HOST": r"REDIS_(?:HOST|HOSTNAME|SERVER|ADDRESS)",
    "ESPALIER_QUEUE_PORT": r"REDIS_PORT",
    "ESPALIER_QUEUE_USER": r"REDIS_(?:USER|USERNAME)",
    "ESPALIER_QUEUE_PASSWORD": r"REDIS_(?:PASSWORD|PASS)",
    "ESPALIER_CACHE_URL": r"CACHE_URL|CACHE_REDIS_URL|REDIS_CACHE_URL",
    # What the key `email:` brings.
    "ESPALIER_EMAIL_URL": r"(?:EMAIL|SMTP|MAIL)_URL",
    "ESPALIER_EMAIL_HOST": r"(?:EMAIL|SMTP|MAIL)_(?:HOST|SERVER)",
    "ESPALIER_EMAIL_PORT": r"(?:EMAIL|SMTP|MAIL)_PORT",
    "ESPALIER_EMAIL_USER": r"(?:EMAIL_HOST|SMTP|EMAIL|MAIL)_(?:USER|USERNAME|LOGIN)",
    "ESPALIER_EMAIL_PASSWORD": r"(?:EMAIL_HOST|SMTP|EMAIL|MAIL)_(?:PASSWORD|PASS)",
    "ESPALIER_EMAIL_USE_TLS": r"(?:EMAIL|SMTP|MAIL)_(?:USE_)?(?:TLS|STARTTLS)",
    "ESPALIER_EMAIL_FROM": r"DEFAULT_FROM_EMAIL|SERVER_EMAIL|(?:EMAIL|SMTP|MAIL)_FROM",
}
# What comes with a switch: the beginning of the kit's variables -> what to write for them.
SWITCHES = {
    "ESPALIER_QUEUE_": "`redis` among the `tiers` of hosts.yml",
    "ESPALIER_CACHE_": "`redis` among the `tiers` of hosts.yml",
    "ESPALIER_EMAIL_": "`email:` in project.yml",
}
# Kit's variables whose value is the same on every site; for what the settings make of it.
CONSTANTS = {
    "ESPALIER_DEBUG": "False",
    "ESPALIER_DEBUG_NUMBER": "0",
    "ESPALIER_DATABASE_ENGINE": "django.db.backends.postgresql",
}


def kit_variable(read: Read, project: str) -> str:
    """The kit's variable that a variable of the settings stands for; "" for none.

    Args:
        read: the settings' variable.
        project: the name of the project, which may stand before it.
    """
    if read.kind == "JSON" or not read.name.isascii():  # a list, in a form that the kit has none in
        return ""
    prefix = _PREFIX.format(own=re.escape(project.upper()))
    for variable, names in _NAMES.items():
        if re.fullmatch(f"{prefix}(?:{names})", read.name.upper()):
            return _debug(read) if variable == "ESPALIER_DEBUG" else variable
    return ""


def _debug(read: Read) -> str:
    """`bool("False")` is true: a text is given only where the settings compare it."""
    if read.kind == "whole number":
        return "ESPALIER_DEBUG_NUMBER"
    is_text = read.kind != "true/false" and read.has_default and read.default.lower() != "true"
    return "" if is_text else "ESPALIER_DEBUG"


def switch_for(variable: str, on: Collection[str]) -> str:
    """What has to be switched on for a variable of the kit's; "" where nothing has to.

    Args:
        variable: of the kit's.
        on: what is switched on: tiers, and keys of project.yml.
    """
    for beginning, write in SWITCHES.items():
        if variable.startswith(beginning):
            return "" if write.split("`")[1].rstrip(":") in on else write
    return ""
