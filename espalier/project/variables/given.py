"""What the kit has for a project, under the names by which settings ask for it: the one table.

The machine's environment file has the values, as `ESPALIER_…`; build.json says which of them a
release has under another name, so that a password that is rotated reaches it at its next start.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection

from espalier.project.variables.read import Read

# A prefix that makes no other database, cache or key of it; {own} is the project's own names.
_PREFIX = r"(?:DJANGO_|APP_)?(?:(?:{own})_)?"
_DATABASE = r"(?:DB|DATABASE|DATABASES_DEFAULT|POSTGRES|POSTGRESQL|PSQL|PG|SQL|RDS)_?"
# Kit's variable -> the names that settings have for it, as a pattern after a prefix.
_NAMES = {
    "ESPALIER_DATABASE_HOST": rf"{_DATABASE}(?:HOST|HOSTNAME|SERVER|ADDRESS)",
    "ESPALIER_DATABASE_PORT": rf"{_DATABASE}PORT",
    "ESPALIER_DATABASE_NAME": rf"{_DATABASE}(?:NAME|DB|DATABASE|DBNAME|DB_NAME)",
    "ESPALIER_DATABASE_USER": rf"{_DATABASE}(?:USER|USERNAME|LOGIN)",
    "ESPALIER_DATABASE_PASSWORD": rf"{_DATABASE}(?:PASSWORD|PASS|PASSWD|PWD|PW)",
    "ESPALIER_DATABASE_ENGINE": rf"{_DATABASE}(?:ENGINE|BACKEND)",
    "DATABASE_URL": r"(?:DB|DATABASE|POSTGRES|POSTGRESQL|PG)_(?:URL|URI|DSN)",
    "ESPALIER_SECRET_KEY": r"SECRET_KEY|SECRETKEY|DJANGO_SECRET",
    "ESPALIER_ALLOWED_HOSTS": r"ALLOWED_HOSTS?",
    "ESPALIER_SITE_ORIGINS": r"(?:CSRF_)?TRUSTED_ORIGINS?|CSRF_ORIGINS",
    "ESPALIER_SITE_URL": (
        r"(?:SITE|BASE|PUBLIC|APP|WEBSITE|ROOT|EXTERNAL|WAGTAILADMIN_BASE|SERVER|BACKEND)_URL"
        r"|SITE_ROOT_URL|PUBLIC_BASE_URL"
    ),
    "ESPALIER_SITE_DOMAIN": r"(?:SITE|PRIMARY|BASE|APP|SERVER)_DOMAIN|DOMAIN(?:_NAME)?",
    "ESPALIER_DEBUG": r"DEBUG",
    "ESPALIER_CACHE_URL": r"CACHE_URL|CACHE_REDIS_URL|REDIS_CACHE_URL",
    # Not REDIS_TLS_URL: inside of the site redis speaks no TLS.
    "ESPALIER_QUEUE_URL": (
        r"CELERY_BROKER|(?:CELERY_)?BROKER_URL|CELERY_(?:RESULT_)?BACKEND|(?:{own})_REDIS"
        r"|REDIS_(?!TLS_)(?:[A-Z]+_)?(?:URL|URI)"
    ),
    "ESPALIER_QUEUE_HOST": r"REDIS_(?:HOST|HOSTNAME|SERVER|ADDRESS)",
    "ESPALIER_QUEUE_PORT": r"REDIS_PORT",
    "ESPALIER_QUEUE_USER": r"REDIS_(?:USER|USERNAME)",
    "ESPALIER_QUEUE_PASSWORD": r"REDIS_(?:PASSWORD|PASS)",
    # What the key `email:` brings.
    "ESPALIER_EMAIL_URL": r"(?:EMAIL|SMTP|MAIL)_URL",
    "ESPALIER_EMAIL_HOST": r"(?:EMAIL|SMTP|MAIL)_(?:HOST|SERVER)",
    "ESPALIER_EMAIL_PORT": r"(?:EMAIL|SMTP|MAIL)_PORT",
    "ESPALIER_EMAIL_USER": r"(?:EMAIL_HOST|SMTP|EMAIL|MAIL)_(?:USER|USERNAME|LOGIN)",
    "ESPALIER_EMAIL_PASSWORD": r"(?:EMAIL_HOST|SMTP|EMAIL|MAIL)_(?:PASSWORD|PASS)",
    "ESPALIER_EMAIL_USE_TLS": r"(?:EMAIL|SMTP|MAIL)_(?:USE_)?(?:TLS|STARTTLS)",
    "ESPALIER_EMAIL_USE_SSL": r"(?:EMAIL|SMTP|MAIL)_(?:USE_)?SSL",
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
    "ESPALIER_DATABASE_ENGINE_NAME": "postgresql",
}
# True and False as text; with _NUMBER behind it 1 and 0.
_FLAGS = ("ESPALIER_DEBUG", "ESPALIER_EMAIL_USE_TLS", "ESPALIER_EMAIL_USE_SSL")
# What a variable stands for whose name says a host, and whose default is a URL; and the reverse.
_AS_URL = {"ESPALIER_SITE_DOMAIN": "ESPALIER_SITE_URL", "ESPALIER_QUEUE_HOST": "ESPALIER_QUEUE_URL"}
_AS_HOST = {"ESPALIER_SITE_URL": "ESPALIER_SITE_DOMAIN"}


# Settings of Django's and Celery's that tell what a variable is, whatever its name is.
_PLACE = re.compile(
    r"SECRET_KEY|ALLOWED_HOSTS|CSRF_TRUSTED_ORIGINS|DATABASES\.default\.[A-Z]+|(CELERY_)?BROKER_URL"
    r"|(EMAIL|DEFAULT_FROM|SERVER)_[A-Z_]+"
)


def names() -> set[str]:
    """Every variable of the kit's that may stand for another one."""
    return {*_NAMES, *CONSTANTS, *(f"{flag}_NUMBER" for flag in _FLAGS)}


def kit_variable(read: Read, own: Collection[str], compared: Collection[str] = ()) -> str:
    """The kit's variable that a variable of the settings stands for; "" for none.

    Args:
        read: the settings' variable.
        own: names of the project, which may stand before it.
        compared: texts that the settings compare its value with.
    """
    if read.kind == "JSON" or not read.name.isascii():  # a list, in a form that the kit has none in
        return ""
    owns = "|".join(re.escape(name.upper()) for name in own)
    known = [read.name.upper()]
    if read.required and _PLACE.fullmatch(read.place):
        known.append(read.place.replace(".", "_").upper())
    for name, (variable, names) in itertools.product(known, _NAMES.items()):
        pattern = f"{_PREFIX}(?:{names})".replace("{own}", owns)
        if re.fullmatch(pattern, name):
            default = "" if read.default == "None" else read.default
            if variable == "ESPALIER_DATABASE_ENGINE":
                return _engine(variable, {*compared, *filter(None, [default])})
            return _flag(variable, read) if variable in _FLAGS else _in_form(variable, default)
    return ""


def _flag(variable: str, read: Read) -> str:
    """True or false, as the settings take it: a number where they make one of it.

    `bool("False")` is true: DEBUG is given as a text only where that is no worse than the default.
    """
    if read.kind == "whole number" or read.default == "1":
        return f"{variable}_NUMBER"
    if variable != "ESPALIER_DEBUG" or read.kind == "true/false" or not read.has_default:
        return variable
    return variable if read.default.lower() in ("true", "yes", "on", "y", "t") else ""


def _engine(variable: str, words: Collection[str]) -> str:
    """Django's module, or its last word, as the settings say; "" for words of the project's own."""
    if not words or any(word.startswith("django.db.backends.") for word in words):
        return variable
    return f"{variable}_NAME" if {"sqlite3", "mysql", "postgresql"} & {*words} else ""


def _in_form(variable: str, default: str) -> str:
    """A kit's variable in the form that the settings' default has; "" where the kit has none."""
    if "://" in default:
        return _AS_URL.get(variable, "" if variable.endswith(("_HOST", "_DOMAIN")) else variable)
    if default and variable.endswith("_URL"):  # `django-db`, a path, or a host
        return "" if "/" in default else _AS_HOST.get(variable, "")
    return "" if variable.endswith("_HOST") and ":" in default else variable


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
