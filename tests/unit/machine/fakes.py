"""A machine without systemd and without root: real files, real sockets, a fake uv."""

from __future__ import annotations

import http.server
import io
import json
import os
import pwd
import socketserver
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

from espalier_machine.release import schedule
from espalier_machine.release.cli import main
from espalier_machine.release.errors import Busy
from espalier_machine.release.site_lock import hold

BUILD = {
    "identity": "0123456789abcdef",
    "project": "orchard",
    "source": "directory examples/orchard",
    "version": "",
    "revision": "abc",
    "workdir": "code",
    "manage": "manage.py",
    "settings": "shop.settings",
    "application": "shop.wsgi:application",
    "interface": "wsgi",
    "overlay": True,
    "requirements": {"kind": "requirements", "path": "code/requirements.txt", "spec": ""},
    "extra_requirements": ["gunicorn==27.0.1", "psycopg[binary]==3.3.9"],
    "python": "",
}


# Stands for uv: `venv DIR` makes a python that plays Django; FAKE_UV_FAIL makes install fail.
FAKE_UV = """#!/bin/sh
echo "$*" >> "{root}/uv.log"
case "$*" in
venv*) for venv; do :; done; mkdir -p "$venv/bin"; cp "{root}/python" "$venv/bin/python";;
*) if [ -e "{root}/uv.fail" ]; then cat "{root}/uv.fail" >&2; exit 1; fi;;
esac
"""


FAKE_PYTHON = """#!/bin/sh
case "$*" in
-c*) if [ -e "{root}/settings.fail" ]; then cat "{root}/settings.fail" >&2; exit 1; fi
  printf '{{"staticfiles": true, "static_root": "%s", "shipped": "%s", "compress": %s}}\\n' \\
    "$ESPALIER_STATIC_ROOT" "$(cat "{root}/shipped" 2>/dev/null)" \\
    "$([ -e "{root}/compress" ] && echo true || echo false)";;
*compress*) [ -e "$ESPALIER_STATIC_ROOT/vite/app.js" ] || exit 1
  mkdir "$ESPALIER_STATIC_ROOT/CACHE"; echo "c{{}}" > "$ESPALIER_STATIC_ROOT/CACHE/out.css"
  echo "Compressed 1 block(s).";;
*collectstatic*) mkdir -p "$ESPALIER_STATIC_ROOT"; cp -r static/. "$ESPALIER_STATIC_ROOT"
  echo "1 static file copied.";;
*guard" "*) echo "$ESPALIER_RELEASE $*" >> "{root}/guard.log"
  cat "{root}/guard.$3" 2>/dev/null || echo "[]";;
*espalier_overlay.migrate*) if [ -e "{root}/migrate.wait" ]; then sleep 30; fi
  echo "nothing to migrate";;
esac
"""


class Systemd:
    """Plays systemctl, ss and journalctl: a started slot is an HTTP server on its real socket."""

    def __init__(self, machine):
        """Nothing runs yet."""
        self.machine, self.running, self.enabled = machine, {}, set()
        self.calls, self.broken = [], False

    def __call__(self, *argv, timeout=None):
        """Answer one command; takes the place of release.system."""
        self.calls.append(" ".join(argv))
        code, out = 0, ""
        if argv[0] == "journalctl":
            out = "Traceback: the project's own words\n"
        if argv[0] == "systemctl" and argv[1] not in ("daemon-reload", "list-units"):
            code, out = self.systemctl(argv[1], argv[2:])
        return subprocess.CompletedProcess(argv, code, out, "")

    def systemctl(self, verb, rest):
        """Return code and stdout of one systemctl verb."""
        units = [word for word in rest if word.endswith((".service", ".timer"))]
        slot = units[0].split("@")[1].removesuffix(".service")
        if verb == "start" and not self.broken:
            id = os.path.basename(os.readlink(self.machine.slots / slot))
            body = {"status": "ready", "release": id}
            self.running[slot] = serve(self.machine.socket(slot), body)
        if verb == "stop" and slot in self.running:
            self.running.pop(slot).close()
        if verb in ("enable", "disable"):
            self.want_timer(units[0], verb == "enable")
            (self.enabled.add if verb == "enable" else self.enabled.discard)(slot)
        if verb == "is-enabled":
            return int(slot not in self.enabled), ""
        return 0, "\n".join(map(self.state, units))

    def state(self, unit):
        """What systemd shows of one unit."""
        slot = unit.split("@")[1].removesuffix(".service")
        state = "active" if slot in self.running else "failed" if self.broken else "inactive"
        enabled = "enabled" if slot in self.enabled else "disabled"
        return f"ActiveState={state}\nNRestarts=0\nUnitFileState={enabled}\n"

    def want_timer(self, unit, enabled):
        """Make or remove the symlink by which a reboot starts a timer."""
        link = schedule.UNITS / "timers.target.wants" / unit
        if enabled and unit.endswith(".timer"):
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(schedule.UNITS / unit)
        elif link.is_symlink():
            link.unlink()
            if not list(link.parent.iterdir()):
                link.parent.rmdir()


class serve:
    """An HTTP server on a unix socket that answers with one status and JSON body."""

    def __init__(self, path, body, status=200):
        """Listen at `path` until closed."""
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append((self.path, dict(self.headers)))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args):
                pass

            def address_string(self):
                return "unix"

        Path(path).unlink(missing_ok=True)
        self.server = socketserver.ThreadingUnixStreamServer(str(path), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


def write_config(root: Path, **changes) -> Path:
    """An installed project under `root`; returns its release.json."""
    etc = root / "etc/orchard"
    etc.mkdir(parents=True)
    (root / "run").mkdir()
    user = pwd.getpwuid(os.geteuid()).pw_name
    (etc / "environment").write_text('SECRET="a\\"b"\n')
    for name, text in (("uv", FAKE_UV), ("python", FAKE_PYTHON)):
        (root / name).write_text(text.format(root=root))
        (root / name).chmod(0o755)
    config = {
        "project": "orchard",
        "root": str(root / "srv"),
        "user": user,
        "group": user,
        "environment_file": str(etc / "environment"),
        "runtime_files": [str(etc / "environment"), str(etc / "gunicorn.conf.py")],
        "uv": str(root / "uv"),
        "python": sys.executable,
        "web_unit": "orchard-web@{slot}.service",
        "socket": str(root / "run/web-{slot}.sock"),
        "live_socket": str(root / "srv/web.sock"),
        "keep": 2,
        "probe_path": "/-/ready",
        "probe_host": "orchard.example.com",
        "probe_timeout": 0.3,
        "drain_timeout": 5,
        "lock_timeout": "5s",
        "page_caches": [str(root / "pages"), str(root / "not there")],
        "front": "http://127.0.0.1:9",
        "process_unit": "orchard-process@{name}.service",
        "schedule_unit": "orchard-schedule@{name}",
        "is_first": True,
    }
    (root / "srv").mkdir()
    (etc / "release.json").write_text(json.dumps(config | changes))
    return etc / "release.json"


def archive(path: Path, identity="0123456789abcdef", files=None, members=(), **changes) -> Path:
    """A release archive with the given code, plus raw tar members."""
    build = BUILD | {"identity": identity} | changes
    files = {
        "build.json": json.dumps(build),
        "code/requirements.txt": "django==5.2\n",
        "code/manage.py": "",
        "code/static/site.css": "a{}" * 1000,
        "overlay/espalier_overlay/__init__.py": "",
    } | (files or {})
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        for member in members:
            tar.addfile(member)
    return path


def run_json(capsys, *argv):
    """Run the command line; returns its exit status and its JSON."""
    capsys.readouterr()
    status = main([*argv, "--json"])
    return status, json.loads(capsys.readouterr().out)


def deploy(capsys, tmp_path, id, identity, **changes):
    path = archive(tmp_path / f"{id}.tar.gz", identity, **changes)
    return run_json(capsys, "deploy", str(path), "--id", id)


PROCESSES = {
    "processes": {
        "worker": {"command": "celery -A shop worker", "count": 2, "single": False},
        "beat": {"command": "celery -A shop beat", "count": 1, "single": True},
    },
    "schedule": {"tidy": {"command": "python manage.py tidy", "when": "daily"}},
}


def told(machine, word):
    """Units that systemd was told to `word`."""
    return [
        call.split()[-1].split("@")[1]
        for call in machine.systemd.calls
        if f"systemctl {word} " in call
    ]


class Holder:
    """A leader of a release from elsewhere: `release hold` with pipes to it."""

    def __init__(self, machine, what="switch", by="anna@laptop", token=""):
        """Begin to hold."""
        machine.by = by
        reader, self.writer = os.pipe()
        self.said, self.error = [], None

        def run():
            with os.fdopen(reader, "rb", buffering=0) as beats:
                try:
                    hold(machine, what, beats, self.said.append, token)
                except Busy as error:
                    self.error = error

        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()
        deadline = time.monotonic() + 10
        while not (self.said or self.error) and time.monotonic() < deadline:
            time.sleep(0.01)

    @property
    def answer(self):
        """What it was told."""
        return json.loads(self.said[0])

    def beat(self, line):
        """Say what is being done."""
        os.write(self.writer, f"{line}\n".encode())

    def end(self):
        """Hang up."""
        os.close(self.writer)
        self.thread.join(10)
        assert not self.thread.is_alive()
