"""Errors reach stderr (so: the journal) whatever the project's `LOGGING` leaves out.

With DEBUG off, Django's own configuration prints nothing at all and mails tracebacks to `ADMINS`,
which is usually empty.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

CONSOLE, NULL, FORMAT, ELSEWHERE = (
    f"espalier_{name}" for name in ("console", "null", "format", "elsewhere")
)
# Handler classes that end up in the journal, by the last part of their dotted path.
CONSOLE_CLASSES = ("StreamHandler", "RichHandler", "ConsoleHandler", "JournalHandler")
# Any host name under the sun is tried on every public address; it says nothing about the site.
NOISE = "django.security.DisallowedHost"
# Where Django logs the traceback of a failed request, and what that propagates to below root.
REQUEST_LOGGERS = ("django.request", "django")

Config = dict[str, Any]


class Elsewhere(logging.Filter):
    """Drop the records of loggers that already print for themselves."""

    def __init__(self, names: Iterable[str]) -> None:
        """Take the loggers' names; their children are meant too."""
        super().__init__()
        self.names = tuple(names)
        self.prefixes = tuple(f"{name}." for name in self.names)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a record of one of the loggers."""
        return not (record.name in self.names or record.name.startswith(self.prefixes))


def logging_config(project: Mapping[str, Any]) -> Config:
    """Return the project's dictConfig, with a console where errors would be lost.

    Everything that the project configured stays. Added are: a console handler on the root logger,
    and on the logger where Django's request errors stop, unless one is there that prints errors
    outside DEBUG; and silence for DisallowedHost. A logger that prints for itself is not printed
    twice. `disable_existing_loggers` becomes False: it would switch Django's own loggers off.
    """
    if project.get("incremental"):  # only levels, by definition: nothing can be added
        return dict(project)
    config: Config = {"version": 1, **project, "disable_existing_loggers": False}
    for section in ("formatters", "filters", "handlers", "loggers"):
        config[section] = dict(config.get(section) or {})
    config["loggers"].setdefault(NOISE, {"handlers": [NULL], "propagate": False})
    config["handlers"][NULL] = {"class": "logging.NullHandler"}
    # journald adds the time.
    config["formatters"][FORMAT] = {"format": "%(levelname)s %(name)s: %(message)s"}
    config["handlers"][CONSOLE] = {"class": "logging.StreamHandler", "formatter": FORMAT}

    if not _prints(config, root_logger(config)):
        _set_root(config, _with_console(root_logger(config) or {"level": "WARNING"}))
        printing = [
            name
            for name, logger in config["loggers"].items()
            if name not in ("", "root") and propagates(logger) and _prints(config, logger)
        ]
        if printing:
            config["filters"][ELSEWHERE] = {
                "()": "espalier_overlay.logs.Elsewhere",
                "names": sorted(printing),
            }
            config["handlers"][CONSOLE]["filters"] = [ELSEWHERE]

    for name in REQUEST_LOGGERS:
        logger = config["loggers"].get(name) or {}
        if _prints(config, logger):
            break
        if not propagates(logger):
            config["loggers"][name] = _with_console(logger)
            break
    return config


def root_logger(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of the root logger, wherever; `config` has loggers."""
    return config.get("root") or config["loggers"].get("") or config["loggers"].get("root") or {}


def _set_root(config: Config, logger: Config) -> None:
    # dictConfig applies "root" last, so one place has to say it all.
    for name in ("", "root"):
        config["loggers"].pop(name, None)
    config["root"] = logger


def _with_console(logger: Mapping[str, Any]) -> Config:
    return {**logger, "handlers": [*(logger.get("handlers") or ()), CONSOLE]}


def propagates(logger: Mapping[str, Any]) -> bool:
    """Whether the handlers of the loggers above get its records, too."""
    return bool(logger.get("propagate", True))


def _prints(config: Config, logger: Mapping[str, Any]) -> bool:
    """Tell whether one of the logger's own handlers prints errors when DEBUG is off."""
    handlers = (config["handlers"].get(name) or {} for name in logger.get("handlers") or ())
    return any(
        last_part(handler.get("class") or handler.get("()")) in CONSOLE_CLASSES
        and _level(handler.get("level")) <= logging.ERROR
        and not any(_debug_only(config, name) for name in handler.get("filters") or ())
        for handler in handlers
    )


def _debug_only(config: Config, name: Any) -> bool:
    factory = (config["filters"].get(name) or {}).get("()") if isinstance(name, str) else name
    return last_part(factory) == "RequireDebugTrue"


def _level(level: int | str | None) -> int:
    if isinstance(level, str):
        return logging.getLevelNamesMapping().get(level, logging.NOTSET)
    return level or logging.NOTSET


def last_part(target: Any) -> str:
    """The name of a class or factory, given itself or by its dotted path."""
    text = target if isinstance(target, str) else getattr(target, "__name__", "")
    return text.rpartition(".")[2]
