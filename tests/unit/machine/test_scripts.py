"""The scripts in a release's bin/."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from espalier_machine.release.scripts import (
    process_script,
    release_environment,
    shell_line,
    web_script,
)

from .fakes import BUILD, PROCESSES


def test_python_imports_from_the_overlay_first_and_from_other_directories_last():
    build = BUILD | {"imported": ["code/src"]}
    variables = release_environment(build, Path("/srv/o/releases/r1"))
    assert variables["PYTHONPATH"].split(":") == [
        "/srv/o/releases/r1/overlay",
        f"/srv/o/releases/r1/{build['workdir']}",
        "/srv/o/releases/r1/code/src",
    ]


def test_bin_web_starts_gunicorn_where_manage_py_is(tmp_path):
    root = tmp_path / "releases/r1"
    for folder in ("bin", "code/my site", "venv/bin"):
        (root / folder).mkdir(parents=True)
    gunicorn = root / "venv/bin/gunicorn"
    gunicorn.write_text('#!/bin/sh\npwd -P\nprintf "%s\\n" "$@"\n')
    build = BUILD | {"workdir": "code/my site", "interface": "asgi", "application": "s.asgi:app"}
    (root / "bin/web").write_text(web_script(build, Path("/etc/espalier/o/g.py")))
    for script in (gunicorn, root / "bin/web"):
        script.chmod(0o755)
    (tmp_path / "slot").symlink_to(root)
    argv = [tmp_path / "slot/bin/web", "--bind", "unix:/x"]
    lines = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == str(root.resolve() / "code/my site")
    options = ["--config", "/etc/espalier/o/g.py", "--worker-class", "asgi", "--threads", "1"]
    assert lines[1:] == [*options, "--bind", "unix:/x", "s.asgi:app"]


def test_process_script_runs_what_its_name_says(tmp_path):
    processes = {
        "mail_er": {"command": "echo $GREETING from \"$0\" 'a b'", "count": 1, "single": False}
    }
    build = BUILD | {"processes": processes, "schedule": PROCESSES["schedule"]}
    (tmp_path / "code").mkdir()
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/process"
    script.write_text(process_script(build))
    env = {"GREETING": "hello", "PATH": os.environ["PATH"]}

    def run(name):
        return subprocess.run(["sh", str(script), name], env=env, capture_output=True, text=True)

    assert run("mail_er-1").stdout == "hello from sh a b\n"
    assert run("mail-1").returncode == 1
    assert "mail-1 is no process of this release" in run("mail-1").stderr


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("celery -A shop worker", "exec celery -A shop worker"),
        ("LEVEL=info celery -A shop worker", "exec env LEVEL=info celery -A shop worker"),
        ("a; b", "a; b"),
        ("python w.py > log", "python w.py > log"),
        ("cd sub", "cd sub"),
        ("exec celery", "exec celery"),
    ],
)
def test_process_is_told_to_end_itself_and_not_through_a_shell(command, line):
    assert shell_line(command) == line


@pytest.mark.parametrize(
    ("server", "interface", "arguments"),
    [
        (
            "uvicorn",
            "asgi",
            "--uds /x --workers 3 --no-access-log --proxy-headers --forwarded-allow-ips * "
            "--timeout-graceful-shutdown 60 s.asgi:app",
        ),
        (
            "granian",
            "asgi",
            "--interface asginl --uds /x --workers 3 --uds-permissions 666 "
            "--workers-kill-timeout 60 s.asgi:app",
        ),
        (
            "granian",
            "wsgi",
            "--interface wsgi --uds /x --workers 3 --uds-permissions 666 "
            "--workers-kill-timeout 60 --blocking-threads 4 s.asgi:app",
        ),
        (
            "uwsgi",
            "wsgi",
            "--http-socket /x --chmod-socket=666 --master --need-app --die-on-term "
            "--hook-master-start unix_signal:15 gracefully_kill_them_all --disable-logging "
            "--processes 3 --threads 4 --harakiri 60 --buffer-size 32768 --module s.asgi:app",
        ),
    ],
)
def test_bin_web_starts_the_server_that_the_project_names(tmp_path, server, interface, arguments):
    for folder in ("bin", "code", "venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    command = tmp_path / "venv/bin" / server
    command.write_text('#!/bin/sh\necho "$@"\n')
    build = BUILD | {"server": server, "interface": interface, "application": "s.asgi:app"}
    script = tmp_path / "bin/web"
    script.write_text(web_script(build, Path("/etc/espalier/o/g.py")))
    for path in (command, script):
        path.chmod(0o755)
    env = os.environ | {
        "ESPALIER_WEB_WORKERS": "3",
        "ESPALIER_WEB_THREADS": "4",
        "ESPALIER_WEB_TIMEOUT": "60",
    }
    done = subprocess.run([script, "--bind", "unix:/x"], capture_output=True, text=True, env=env)
    assert done.stdout == f"{arguments}\n"
