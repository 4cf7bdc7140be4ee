"""Log files that lie inside of a release, which is read-only: their lines reach stderr instead."""

import os
from collections.abc import Mapping
from typing import Any

from espalier_overlay.logs import CONSOLE_CLASSES, Config, last_part, propagates, root_logger

# What a handler of any class may have; the rest is about its file.
KEPT = ("level", "formatter", "filters")


def move_log_files(project: Mapping[str, Any], code: str) -> tuple[Config, list[str]]:
    """Return the project's dictConfig without log files in a directory, and which these were.

    Their handlers print. A logger that prints already, or whose records reach a root logger that
    does, gets no second one. A file elsewhere, also by way of a symbolic link, stays.

    Args:
        project: for dictConfig.
        code: the directory with the release's code; files are given relative to it.
    """
    config: Config = {**project}
    handlers = dict(project.get("handlers") or {})
    moved = {
        name: os.path.relpath(os.path.realpath(file), os.path.realpath(code))
        for name, handler in handlers.items()
        if (file := _file(handler)) and _is_inside(file, code)
    }
    if not moved:
        return config, []
    for name in moved:
        kept = {key: handlers[name][key] for key in KEPT if key in handlers[name]}
        handlers[name] = {"class": "logging.StreamHandler", **kept}
    loggers = dict(project.get("loggers") or {})
    root = root_logger({**project, "loggers": loggers})

    def printing(logger: Mapping[str, Any]) -> list[str]:
        names = logger.get("handlers") or ()
        kinds = {name: (handlers.get(name) or {}).get("class") for name in names}
        return [name for name, kind in kinds.items() if last_part(kind) in CONSOLE_CLASSES]

    def once(logger: Mapping[str, Any], reaches_root: bool) -> Config:
        names, prints = list(logger.get("handlers") or ()), printing(logger)
        own = [name for name in prints if name not in moved]
        keep = None if own or (reaches_root and printing(root)) else next(iter(prints), None)
        return {**logger, "handlers": [n for n in names if n not in moved or n == keep]}

    for name, logger in loggers.items():
        loggers[name] = once(logger, name not in ("", "root") and propagates(logger))
    if project.get("root"):
        config["root"] = once(project["root"], reaches_root=False)
    return {**config, "handlers": handlers, "loggers": loggers}, sorted(set(moved.values()))


def _file(handler: Any) -> str:
    file = handler.get("filename") if isinstance(handler, Mapping) else None
    return os.fspath(file) if isinstance(file, str | os.PathLike) else ""


def _is_inside(file: str, code: str) -> bool:
    return os.path.realpath(file).startswith(os.path.realpath(code) + os.sep)
