"""Sentences for people."""

from __future__ import annotations

import pytest

from espalier_machine.release.explain import (
    explain_django,
    explain_start,
    explain_uv,
    ran_out_of_memory,
)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            "error: No solution found when resolving dependencies\n  cause: Because zzz was not "
            "found in the package registry",
            "cannot be met together: Because zzz was not found",
        ),
        ("Failed to build psycopg2\nError: pg_config executable not found", "libpq-dev"),
        ("fatal error: Python.h: No such file", "`packages:` in project.yml"),
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
        ": ValueError: Unable to configure handler 'csp_file' (it cannot write to "
        "/srv/shop/releases/r1/code/data/logs: have the project write to a directory outside of "
        "the release, and name that under `writable:` in project.yml)"
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
