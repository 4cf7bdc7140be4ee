"""Log files inside of a release print instead, once."""

import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest

from espalier_overlay.log_files import move_log_files

STREAM = {"class": "logging.StreamHandler", "level": "INFO"}


@pytest.fixture(autouse=True)
def clean_logging():
    """Undo what a test configured."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    for name in ("shop", "shop.cart"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.level = [], True, logging.NOTSET


def file(path: Path, **more: Any) -> dict[str, Any]:
    return {"class": "logging.FileHandler", "filename": str(path), "encoding": "utf-8", **more}


def printed(capsys: pytest.CaptureFixture[str], config: dict[str, Any]) -> int:
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **config})
    capsys.readouterr()
    logging.getLogger("shop.cart").warning("oh no")
    return capsys.readouterr().err.count("oh no")


@pytest.mark.parametrize(
    "loggers",
    [
        {"loggers": {"shop": {"handlers": ["file"]}}},
        {"loggers": {"shop": {"handlers": ["file", "other"]}}},
        {"loggers": {"shop": {"handlers": ["console", "file"]}}},
        {"loggers": {"shop": {"handlers": ["file"]}}, "root": {"handlers": ["console"]}},
        {"loggers": {"shop": {"handlers": ["file"]}, "": {"handlers": ["other"]}}},
        {"loggers": {"shop": {"handlers": ["file"], "propagate": False}}, "root": {"handlers": []}},
        {"root": {"handlers": ["file", "console"]}},
        {"root": {"handlers": ["file"]}},
    ],
)  # fmt: skip
def test_each_record_is_printed_once(tmp_path, capsys, loggers):
    code = tmp_path / "code"
    code.mkdir()
    handlers = {"file": file(code / "a.log"), "other": file(code / "logs/b.log"), "console": STREAM}
    config, files = move_log_files({"handlers": handlers, **loggers}, str(code))
    assert files == ["a.log", "logs/b.log"]
    assert printed(capsys, config) == 1
    assert [*code.iterdir()] == []


def test_level_format_and_filters_stay(tmp_path):
    kept = {"level": "ERROR", "formatter": "plain", "filters": ["few"]}
    handler = file(tmp_path / "code/a.log", mode="w", **kept)
    config, _ = move_log_files({"handlers": {"file": handler}}, str(tmp_path / "code"))
    assert config["handlers"]["file"] == {"class": "logging.StreamHandler", **kept}


def test_a_file_elsewhere_stays(tmp_path):
    code, data = tmp_path / "code", tmp_path / "data"
    code.mkdir()
    data.mkdir()
    (code / "logs").symlink_to(data)  # as `writable: [logs]` does it
    handlers = {"a": file(code / "logs/a.log"), "b": file(tmp_path / "b.log"), "c": STREAM, "d": {}}
    project = {"handlers": handlers, "root": {"handlers": ["a", "b", "c"]}}
    assert move_log_files(project, str(code)) == (project, [])
    assert move_log_files({}, str(code)) == ({}, [])
