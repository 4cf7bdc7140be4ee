"""Sentences for people."""

from __future__ import annotations

import pytest

from espalier_machine.release.explain import (
    explain_django,
    explain_start,
    explain_uv,
    ran_out_of_memory,
)
from espalier_machine.release.unwritable import write_hint


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "error: No solution found when resolving dependencies\n  cause: Because zzz was not "
            "found in the package registry",
            "cannot be met together: Because zzz was not found",
        ),
        (
            "Failed to build `psycopg2==2.9.9`\nError: pg_config executable not found",
            "psycopg2==2.9.9 has no wheel that fits here, and could not be compiled: pg_config is "
            "missing; add the Debian package that has it under `packages:`",
        ),
        (
            "Failed to build `odd==1`\nodd.c:1:10: fatal error: odd/x.h: No such file or directory",
            "odd/x.h is missing; add the Debian package",
        ),
        (
            "Failed to build `old==1`\nerror: command '/usr/bin/gcc' failed with exit code 1",
            "a version with a wheel for this machine's Python helps",
        ),
        (
            "Failed to build `pillow==10.2.0`\n  [stderr]\n      Traceback (most recent)\n"
            "      KeyError: '__version__'\n\n      hint: This usually indicates a problem",
            "pillow==10.2.0 has no wheel that fits here, and could not be compiled (KeyError: '__",
        ),
        ("error: No space left on device (os error 28)", "is full"),
        ("error: Failed to fetch: https://x/", "cannot be reached"),
    ],
)
def test_uv_failures_say_what_to_change(tmp_path, output, words):
    assert words in explain_uv(output, tmp_path)


def test_a_missing_module_says_where_to_add_it():
    sentence = explain_django("x")("Traceback\nModuleNotFoundError: No module named 'y'\n")
    assert sentence.startswith("x: ModuleNotFoundError: No module named 'y'")
    assert "extra_requirements" in sentence


CRASH = """\
[2026-11-23 05:37:27 +0000] [3940] [ERROR] Exception in worker process
Traceback (most recent call last):
  File "/usr/lib/python3.13/logging/config.py", line 608, in configure
OSError: [Errno 30] Read-only file system: '/srv/shop/releases/r1/code/data/logs/csp.log'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/shop/venvs/feed/lib/python3.13/site-packages/shop/wsgi.py", line 37, in <module>
ValueError: Unable to configure handler 'csp_file'
Unable to configure handler 'csp_file'
[2026-11-23 05:37:27 +0000] [3940] [INFO] Worker exiting (pid: 3940)
[2026-11-23 05:37:27 +0000] [3933] [ERROR] Worker (pid:3939) exited with code 3.
Traceback (most recent call last):
gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>
"""


def test_a_worker_that_cannot_start_gives_its_own_reason():
    log, cause = explain_start(CRASH)
    assert log.startswith("Traceback (most recent call last):")
    assert log.endswith("Unable to configure handler 'csp_file'")
    assert "HaltServer" not in log
    assert cause == (
        ": ValueError: Unable to configure handler 'csp_file' (a release is read-only: if the "
        "project writes data/logs/csp.log, write `writable: [data/logs]` in project.yml)"
    )
    assert explain_start("Main process exited\n") == ("Main process exited", "")


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ("[ERROR] Worker (pid:9) was sent SIGKILL! Perhaps out of memory?\n", True),
        ("x.service: A process of this unit has been killed by the OOM killer.\n", True),
        ("x.service: Failed with result 'oom-kill'.\n", True),
        ("[CRITICAL] WORKER TIMEOUT (pid:9)\nSIGKILL! Perhaps out of memory?\n", False),
        ("[INFO] Booting worker with pid: 9\n", False),
    ],
)
def test_the_end_of_a_worker_for_want_of_memory_is_told(log, expected):
    assert ran_out_of_memory(log) is expected
    assert ("want of memory" in explain_start(log)[1]) is expected


CODE = "/srv/shop/releases/r1/code"


@pytest.mark.parametrize(
    ("output", "sqlite", "words"),
    [
        (
            f"PermissionError: [Errno 13] Permission denied: '{CODE}/whoosh/MAIN'",
            (),
            "if the project writes whoosh/MAIN, write `writable: [whoosh]`",
        ),
        (
            f"FileNotFoundError: [Errno 2] No such file or directory: '{CODE}/logs/a.log'",
            (),
            "if the project writes logs/a.log, write `writable: [logs]`",
        ),
        (
            f"OSError: [Errno 30] Read-only file system: '{CODE}/debug.log'",
            (),
            "have the project write debug.log into a directory of its own, such as data, and write",
        ),
        ("OSError: [Errno 30] Read-only file system: '/srv/shop/data/logs/x'", (), "espalier site"),
        (
            "PermissionError: [Errno 13] Permission denied: '/opt/x/y'",
            (),
            "cannot write to /opt/x:",
        ),
        (
            "sqlite3.OperationalError: unable to open database file",
            ("queue/jobs.sqlite3",),
            "if the project writes queue/jobs.sqlite3, write `writable: [queue]`",
        ),
        (
            "django.db.utils.OperationalError: attempt to write a readonly database",
            ("db.sqlite3",),
            "have the project write db.sqlite3 into a directory of its own",
        ),
        ("OperationalError: unable to open database file", (), "the directory of the SQLite file"),
    ],
)
def test_what_cannot_be_written_names_the_line_to_write(output, sqlite, words):
    assert words in write_hint(output, sqlite)
    assert words in explain_django("it failed", sqlite)(output)


def test_a_file_that_is_missing_beside_others_is_none_to_write(tmp_path):
    place = tmp_path / "releases/r1/code/shop"
    place.mkdir(parents=True)
    line = f"FileNotFoundError: [Errno 2] No such file or directory: '{place}/keys.json'"
    assert "(shop/keys.json is no file of the project: put it there with `files:`)" in write_hint(
        line
    )
    modules = line.replace("shop/keys.json", "node_modules")
    assert write_hint(modules) == (
        " (write what installs it, such as `build: [npm ci]`, in project.yml)"
    )
    assert write_hint("ValueError: no") == ""
