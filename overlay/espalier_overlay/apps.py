"""INSTALLED_APPS of settings."""

from collections.abc import Iterable
from typing import Any


def is_installed(settings: dict[str, Any], app: str) -> bool:
    """Tell whether INSTALLED_APPS holds an app, by name or by its AppConfig."""
    installed = settings.get("INSTALLED_APPS") or ()
    return any(name == app or name.startswith(f"{app}.apps.") for name in installed)


def add_apps(settings: dict[str, Any], apps: Iterable[str]) -> None:
    """Append the apps that INSTALLED_APPS does not hold yet."""
    settings["INSTALLED_APPS"] = list(settings.get("INSTALLED_APPS") or ())
    settings["INSTALLED_APPS"] += [app for app in apps if not is_installed(settings, app)]
