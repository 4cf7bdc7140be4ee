"""Who prints an error, once the overlay has completed the project's LOGGING."""

import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.utils.log import DEFAULT_LOGGING

from espalier_overlay.logs import logging_config

STREAM = {"class": "logging.StreamHandler"}
DEBUG_ONLY = {"require_debug_true": {"()": "django.utils.log.RequireDebugTrue"}}


@pytest.fixture(autouse=True)
def clean_logging() -> Iterator[None]:
    """Give every test Django's defaults, and undo what it configured."""
    logger = logging.getLogger("django")
    root = logging.getLogger()
    before = root.handlers[:], root.level, logger.handlers[:], logger.propagate
    names = ("django", "django.request", "django.security.DisallowedHost", "shop", "shop.cart")
    yield
    for name in names:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = [], True, False
        logger.setLevel(logging.NOTSET)
    logger = logging.getLogger("django")
    root.handlers, logger.handlers, logger.propagate = before[0], before[2], before[3]
    root.setLevel(before[1])


def printed(capsys: pytest.CaptureFixture, project: dict[str, Any], name: str) -> int:
    """Return how many times an error of logger `name` is printed."""
    from django.conf import settings

    if not settings.configured:
        settings.configure(DEBUG=False, SECRET_KEY="k" * 50)
        django.setup()  # Django 4.2 renders the mail to admins even where there are none
    logging.getLogger().handlers = []
    logging.config.dictConfig(DEFAULT_LOGGING)
    logging.config.dictConfig(logging_config(project))
    capsys.readouterr()
    logging.getLogger(name).error("oh no")
    out, err = capsys.readouterr()
    return (out + err).count("oh no")


PROJECTS = {
    "nothing": {},
    "root console": {"version": 1, "handlers": {"c": STREAM}, "root": {"handlers": ["c"]}},
    "root console as a logger": {
        "version": 1,
        "handlers": {"c": STREAM},
        "loggers": {"": {"handlers": ["c"], "level": "INFO"}},
    },
    "django console": {
        "version": 1,
        "handlers": {"c": STREAM},
        "loggers": {"django": {"handlers": ["c"]}, "shop": {"handlers": ["c"]}},
    },
    "console in debug only": {
        "version": 1,
        "filters": DEBUG_ONLY,
        "handlers": {"c": {**STREAM, "filters": ["require_debug_true"]}},
        "root": {"handlers": ["c"]},
    },
    "django stops at a handler that prints nothing": {
        "version": 1,
        "handlers": {"n": {"class": "logging.NullHandler"}},
        "loggers": {"django": {"handlers": ["n"], "propagate": False}},
    },
    "existing loggers disabled": {"version": 1, "disable_existing_loggers": True},
    "console for critical only": {
        "version": 1,
        "handlers": {"c": {**STREAM, "level": "CRITICAL"}},
        "root": {"handlers": ["c"]},
    },
}


@pytest.mark.parametrize("project", PROJECTS.values(), ids=PROJECTS)
@pytest.mark.parametrize("name", ["django.request", "shop.cart"])
def test_an_error_is_printed_exactly_once(capsys, project: dict, name: str):
    assert printed(capsys, project, name) == 1


@pytest.mark.parametrize("project", PROJECTS.values(), ids=PROJECTS)
def test_unknown_hosts_are_not_printed(capsys, project: dict):
    assert printed(capsys, project, "django.security.DisallowedHost") == 0


def test_what_the_project_configured_stays():
    project = {
        "version": 1,
        "formatters": {"f": {"format": "%(message)s"}},
        "handlers": {"file": {"class": "logging.FileHandler", "filename": "x.log"}},
        "root": {"handlers": ["file"], "level": "ERROR"},
        "loggers": {"shop": {"level": "DEBUG", "propagate": False}},
    }
    config = logging_config(project)
    assert config["root"] == {"handlers": ["file", "espalier_console"], "level": "ERROR"}
    assert config["loggers"]["shop"] == {"level": "DEBUG", "propagate": False}
    assert config["formatters"]["f"] == {"format": "%(message)s"}
    assert project["root"] == {"handlers": ["file"], "level": "ERROR"}


def test_an_incremental_configuration_is_left():
    project = {"version": 1, "incremental": True, "root": {"level": "INFO"}}
    assert logging_config(project) == project
