"""The release command, without systemd and without root: real files, real sockets, a fake uv."""

from __future__ import annotations

import gzip
import http.server
import importlib.util
import io
import json
import os
import pwd
import signal
import socketserver
import subprocess
import sys
import tarfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

COMMAND = Path(__file__).parents[2] / "roles/django/files/release.py"
spec = importlib.util.spec_from_file_location("release", COMMAND)
release = importlib.util.module_from_spec(spec)
sys.modules["release"] = release
spec.loader.exec_module(release)

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
        if argv[0] == "systemctl" and argv[1] != "daemon-reload":
            code, out = self.systemctl(argv[1], argv[2:])
        return subprocess.CompletedProcess(argv, code, out, "")

    def systemctl(self, verb, rest):
        """Return code and stdout of one systemctl verb."""
        unit = next(word for word in rest if word.endswith((".service", ".timer")))
        slot = unit.split("@")[1].removesuffix(".service")
        if verb == "start" and not self.broken:
            id = os.path.basename(os.readlink(self.machine.slots / slot))
            body = {"status": "ready", "release": id}
            self.running[slot] = serve(self.machine.socket(slot), body)
        if verb == "stop" and slot in self.running:
            self.running.pop(slot).close()
        if verb in ("enable", "disable"):
            (self.enabled.add if verb == "enable" else self.enabled.discard)(slot)
        if verb == "is-enabled":
            return int(slot not in self.enabled), ""
        state = "active" if slot in self.running else "failed" if self.broken else "inactive"
        return 0, f"ActiveState={state}\nNRestarts=0\n"


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


@pytest.fixture
def machine(tmp_path, monkeypatch):
    made = release.Machine(release.Config.load(write_config(tmp_path)), release.Progress())
    made.ensure_directories()
    made.systemd = Systemd(made)
    monkeypatch.setattr(release, "system", made.systemd)
    monkeypatch.setattr(release, "CONFIGURATIONS", tmp_path / "etc")
    monkeypatch.setattr(release, "VENV_SPACE", 0)
    monkeypatch.setattr(release, "UNITS", tmp_path / "units")
    (tmp_path / "units").mkdir()
    handlers = {number: signal.getsignal(number) for number in (1, 2, 15)}
    yield made
    for server in made.systemd.running.values():
        server.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


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
    status = release.main([*argv, "--json"])
    return status, json.loads(capsys.readouterr().out)


# --- environment files


def test_environment_file_is_read_as_systemd_reads_it():
    text = '# comment\n\nA="1 2"\nB="say \\"hi\\" c:\\\\x \\d"\nC=plain\nD="x=y#z"\nE=""\n'
    assert release.parse_environment(text) == {
        "A": "1 2",
        "B": 'say "hi" c:\\x \\d',
        "C": "plain",
        "D": "x=y#z",
        "E": "",
    }


@pytest.mark.parametrize("line", ["no equals", "1A=x", 'A="open', 'A="x" y'])
def test_environment_file_names_the_bad_line(line):
    with pytest.raises(release.ReleaseError) as caught:
        release.parse_environment(f'OK="1"\n{line}\n', "/etc/x")
    assert caught.value.sentence.startswith("/etc/x line 2 is not KEY=")


def test_environment_survives_a_round_trip():
    variables = {"A": 'quote " slash \\ end\\', "B": "a$b`c", "C": ""}
    assert release.parse_environment(release.format_environment(variables)) == variables


# --- requirements


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Django==5.2", "django"),
        ("django", "django"),
        ("psycopg[binary] >= 3 ; python_version > '3'", "psycopg"),
        ("Zope.Interface~=5", "zope-interface"),
        ("gunicorn @ https://example.com/g.tar.gz", "gunicorn"),
        ("https://example.com/a/Gunicorn-23.0.0-py3-none-any.whl", "gunicorn"),
        ("-e git+https://example.com/x.git#egg=My_Thing", "my-thing"),
        ("--index-url https://example.com/simple", ""),
        ("-r other.txt", ""),
        ("./libs/thing", ""),
    ],
)
def test_requirement_name(line, name):
    assert release.requirement_name(line) == name


def test_logical_lines_join_hashes_and_drop_comments():
    text = "a==1 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11  # why\n\n# no\nb#egg=c\n"
    lines = release.logical_lines(text)
    assert [line.split() for line in lines] == [
        ["a==1", "--hash=sha256:00", "--hash=sha256:11"],
        ["b#egg=c"],
    ]


@pytest.mark.parametrize(
    ("names", "constrained", "needed"),
    [
        (set(), set(), ["gunicorn==27.0.1", "psycopg[binary]==3.3.9"]),
        ({"gunicorn"}, set(), ["psycopg[binary]==3.3.9"]),
        ({"psycopg2-binary"}, set(), ["gunicorn==27.0.1"]),
        ({"psycopg2", "gunicorn"}, set(), []),
        ({"psycopg-binary"}, set(), ["gunicorn==27.0.1"]),
        (set(), {"gunicorn"}, ["gunicorn", "psycopg[binary]==3.3.9"]),
    ],
)
def test_the_projects_own_pins_win_over_the_extras(names, constrained, needed):
    assert release.needed_extras(BUILD["extra_requirements"], names, constrained) == needed


def test_requirements_follow_includes_and_tell_constraints_apart(tmp_path):
    (tmp_path / "code/requirements").mkdir(parents=True)
    (tmp_path / "code/requirements/prod.txt").write_text("-r base.txt\n-c ../pins.txt\na\n")
    (tmp_path / "code/requirements/base.txt").write_text("b\n")
    (tmp_path / "code/pins.txt").write_text("gunicorn==22\n")
    wanted = {"kind": "requirements", "path": "code/requirements/prod.txt", "spec": ""}
    read = release.read_requirements({"requirements": wanted}, tmp_path)
    assert read.texts == {
        "code/requirements/prod.txt": "-r base.txt\n-c ../pins.txt\na\n",
        "code/requirements/base.txt": "b\n",
        "code/pins.txt": "gunicorn==22\n",
    }
    assert read.constraints == ("code/pins.txt",)


def test_a_missing_include_is_named(tmp_path):
    (tmp_path / "r.txt").write_text("-r gone.txt\n")
    wanted = {"kind": "requirements", "path": "r.txt", "spec": ""}
    with pytest.raises(release.ReleaseError) as caught:
        release.read_requirements({"requirements": wanted}, tmp_path)
    assert "r.txt names gone.txt, which is not in the archive" in caught.value.sentence


def requirements(text: str, kind="requirements"):
    return release.Requirements(kind, "r.txt", "", {"r.txt": text})


def test_the_virtualenv_is_named_after_requirements_extras_and_python_only():
    def name(text="a==1\n", extras=("g", "p"), python="3.13", identity="1"):
        return release.venv_name(requirements(text), extras, python, identity)

    assert len(name()) == 16
    assert name() == name(extras=("p", "g")) == name(identity="2")
    assert len({name(), name(text="a==2\n"), name(extras=("g",)), name(python="3.11")}) == 4


def test_a_virtualenv_with_code_of_the_archive_in_it_is_not_shared():
    names = {release.venv_name(requirements("-e .\n"), [], "3.13", id) for id in "12"}
    assert len(names) == 2


@pytest.mark.parametrize(
    ("text", "kind", "is_local"),
    [
        ("django\nfoo @ https://x/y.whl\n", "requirements", False),
        ("./libs/foo\n", "requirements", True),
        ("foo @ file:///x\n", "requirements", True),
        ('source = { editable = "." }\n', "uv.lock", False),
        ('source = { editable = "libs/foo" }\n', "uv.lock", True),
        ("foo = { path = '../foo' }\n", "pyproject", True),
    ],
)
def test_local_requirements_are_seen(text, kind, is_local):
    assert requirements(text, kind).is_local is is_local


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
    assert words in release.explain_uv(output, tmp_path)


def test_a_missing_module_says_where_to_add_it():
    sentence = release.explain_django("x")("Traceback\nModuleNotFoundError: No module named 'y'\n")
    assert sentence.startswith("x: ModuleNotFoundError: No module named 'y'")
    assert "extra_requirements" in sentence


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(release.ReleaseError) as caught:
        release.require_space(tmp_path / "not/yet", 1 << 60)
    assert caught.value.step == "space"
    assert "MB are needed" in caught.value.sentence


# --- archives


def member(name, type=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, target
    return info


@pytest.mark.parametrize(
    "bad",
    [
        [member("../outside")],
        [member("/tmp/espalier-outside")],
        [member("code/../../outside")],
        [member("code/link", tarfile.SYMTYPE, "/etc/passwd")],
        [member("code/link", tarfile.SYMTYPE, "../../outside")],
        [member("d/e/x", tarfile.SYMTYPE, "../.."), member("y", tarfile.SYMTYPE, "d/e/x/../z")],
        [member("code/hard", tarfile.LNKTYPE, "../../../etc/passwd")],
        [member("code/fifo", tarfile.FIFOTYPE)],
        [member("code/device", tarfile.CHRTYPE)],
    ],
)
def test_an_archive_that_leaves_its_directory_is_refused(machine, tmp_path, capsys, bad):
    status, result = run_json(
        capsys, "prepare", str(archive(tmp_path / "a.tar.gz", members=bad)), "--id", "r1"
    )
    assert (status, result["step"]) == (1, "unpack")
    assert "it is refused" in result["error"]
    assert list(machine.build.iterdir()) == list(machine.releases.iterdir()) == []
    assert not (machine.build.parent / "outside").exists()


def test_nothing_is_written_through_a_symlink(machine, tmp_path, capsys):
    bad = [member("code/dir", tarfile.SYMTYPE, ".."), member("code/dir/file")]
    status, result = run_json(capsys, "prepare", str(archive(tmp_path / "a.tar.gz", members=bad)))
    assert (status, result["step"]) == (1, "unpack")


def test_an_inner_symlink_is_kept(machine, tmp_path):
    link = member("code/link", tarfile.SYMTYPE, "manage.py")
    with open(archive(tmp_path / "a.tar.gz", members=[link]), "rb") as file:
        release.unpack(file, machine.build)
    assert os.readlink(machine.build / "code/link") == "manage.py"


def test_other_files_and_other_projects_are_refused(tmp_path):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(release.ReleaseError, match="archive"):
        release.read_build(tmp_path / "text", "orchard")
    with pytest.raises(release.ReleaseError) as caught:
        release.read_build(archive(tmp_path / "a.tar.gz"), "forest")
    assert "holds orchard; this machine runs forest" in caught.value.sentence


# --- static files


def test_static_files_are_compressed_for_nginx(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/big.css").write_text("a{}" * 1000)
    (tmp_path / "small.css").write_text("a{}")
    (tmp_path / "big.png").write_bytes(b"a" * 5000)
    (tmp_path / "random.js").write_bytes(os.urandom(2000))
    os.chmod(tmp_path / "sub/big.css", 0o600)
    os.utime(tmp_path / "sub/big.css", (1000, 1000))
    assert release.compress_static(tmp_path) == 1
    names = ["big.png", "random.js", "small.css", "sub/big.css", "sub/big.css.gz"]
    assert list(release.static_files(tmp_path)) == names
    packed = tmp_path / "sub/big.css.gz"
    assert gzip.decompress(packed.read_bytes()) == b"a{}" * 1000
    assert packed.read_bytes()[4:8] == b"\0\0\0\0"
    assert packed.stat().st_mtime == 1000
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in names} == {"0o644"}


def test_the_store_gets_new_files_at_once_and_changed_ones_at_the_switch(tmp_path):
    new, store = tmp_path / "new", tmp_path / "store"
    for path, text in ((new / "js/a.1.js", "one"), (new / "a.js", "new"), (store / "a.js", "old")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (store / "of-an-older-release.js").write_text("kept")
    assert release.publish_static(new, store, replace=False) == 1
    assert (store / "a.js").read_text() == "old"
    assert (store / "js/a.1.js").stat().st_ino == (new / "js/a.1.js").stat().st_ino
    assert release.publish_static(new, store, replace=True) == 1
    assert (store / "a.js").read_text() == "new"
    assert release.publish_static(new, store, replace=True) == 0
    assert sorted(release.static_files(store)) == ["a.js", "js/a.1.js", "of-an-older-release.js"]


def test_a_compressed_file_never_stands_beside_another_content(tmp_path):
    new, store = tmp_path / "new", tmp_path / "store"
    new.mkdir()
    store.mkdir()
    for path, text in (("site.css", "new"), ("site.css.gz", "new packed"), ("old.css", "shrunk")):
        (new / path).write_text(text)
    for path, text in (("site.css", "old"), ("old.css", "large"), ("old.css.gz", "large packed")):
        (store / path).write_text(text)
    release.publish_static(new, store, replace=False)
    assert not (store / "site.css.gz").exists()
    release.publish_static(new, store, replace=True)
    assert (store / "site.css.gz").read_text() == "new packed"
    assert (store / "old.css").read_text() == "shrunk"
    assert not (store / "old.css.gz").exists()


# --- probing


@pytest.mark.parametrize(
    ("status", "body", "overlay", "good"),
    [
        (200, {"status": "ready", "release": "r1"}, True, True),
        (200, {"status": "ready", "release": "r0"}, True, False),
        (200, ["odd"], True, False),
        (503, {"status": "unready", "release": "r1"}, True, False),
        (404, {}, False, True),
        (500, {}, False, False),
    ],
)
def test_probe_over_a_real_socket(machine, status, body, overlay, good):
    server = serve(machine.socket("blue"), body, status)
    one = release.Release(machine.releases / "r1", {"overlay": overlay})
    answer = release.probe(machine, "blue", one)
    server.close()
    assert answer.status == status
    assert answer.is_good(one) is good
    path, headers = server.requests[0]
    assert path == ("/-/ready" if overlay else "/")
    assert headers["Host"] == "orchard.example.com"
    assert headers["X-Forwarded-Proto"] == "https"


def test_probe_of_nothing_is_an_answer_too(machine):
    one = release.Release(machine.releases / "r1", {"overlay": False})
    answer = release.probe(machine, "blue", one)
    assert (answer.status, answer.is_good(one)) == (0, False)
    assert "no answer" in str(answer)


@pytest.mark.parametrize(("status", "refused"), [(200, False), (404, False), (500, True)])
def test_front_page_that_is_a_server_error_is_refused(machine, monkeypatch, status, refused):
    monkeypatch.setattr(release, "unit_log", lambda unit, since: "ValueError: no such tree")
    server = serve(machine.socket("blue"), {}, status)
    try:
        if refused:
            with pytest.raises(release.ReleaseError, match="front page answers 500") as caught:
                release.warm_up(machine, "blue", 0)
            assert "no such tree" in caught.value.detail
        else:
            release.warm_up(machine, "blue", 0)
    finally:
        server.close()
    assert {path for path, _ in server.requests} == {"/"}


# --- slots, systemd's words, clean's choice


@pytest.mark.parametrize(("live", "slot"), [(None, "blue"), ("blue", "green"), ("green", "blue")])
def test_the_idle_slot_is_chosen(live, slot):
    assert release.choose_slot(live) == slot


@pytest.mark.parametrize(
    ("state", "failed"),
    [
        ({"ActiveState": "activating", "NRestarts": "0"}, False),
        ({"ActiveState": "active", "NRestarts": "0"}, False),
        ({"ActiveState": "inactive", "Job": "12"}, False),
        ({"ActiveState": "inactive"}, True),
        ({"ActiveState": "failed"}, True),
        ({"ActiveState": "activating", "NRestarts": "1"}, True),
    ],
)
def test_a_unit_that_ended_is_seen(state, failed):
    assert release.has_failed(state) is failed


def test_the_backlog_is_read_from_ss():
    listing = (
        "u_str LISTEN 3 2048 /run/orchard/web-blue.sock 1 * 0\n"
        "u_str LISTEN 7 2048 /run/orchard/web-green.sock 2 * 0\n"
    )
    assert release.backlog(listing, "/run/orchard/web-blue.sock") == 3
    assert release.backlog(listing, "/run/other.sock") == 0


@pytest.mark.parametrize(
    ("good", "pinned", "live", "keep", "expected"),
    [
        ("dcba", "dc", "d", 2, "dc"),
        ("dcba", "da", "d", 2, "dca"),  # the idle slot holds an old one
        ("dba", "d", "d", 2, "db"),  # c never went live and is older: dropped
        ("cba", "c", "c", 2, "dcb"),  # d waits for its switch
        ("dcba", "a", "a", 1, "da"),  # rolled back: the newer good one stays
        ("", "", None, 2, "dcba"),
    ],
)
def test_what_clean_keeps(good, pinned, live, keep, expected):
    newest_first = [release.Release(Path(id), {}) for id in "dcba"]
    assert release.kept(newest_first, set(good), set(pinned), live, keep) == set(expected)


# --- whole runs


def deploy(capsys, tmp_path, id, identity, **changes):
    path = archive(tmp_path / f"{id}.tar.gz", identity, **changes)
    return run_json(capsys, "deploy", str(path), "--id", id)


def test_the_life_of_a_machine(machine, tmp_path, capsys):
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, result["action"], result["changed"]) == (0, "deployed", True)
    assert result["live"].pop("since").startswith("20")
    assert result["live"] == {
        "by": os.environ.get("SUDO_USER") or "root",
        "id": "r1",
        "identity": "1" * 16,
        "revision": "abc",
        "version": "",
        "slot": "blue",
        "healthy": True,
    }
    assert (machine.root / "current/bin/web").exists()
    assert os.readlink(machine.config.live_socket) == machine.socket("blue")
    assert (machine.static / "site.css.gz").exists()
    assert release.parse_environment((machine.root / "current/release.env").read_text()) == {
        "DJANGO_SETTINGS_MODULE": "espalier_overlay.settings",
        "ESPALIER_SETTINGS": "shop.settings",
        "ESPALIER_RELEASE": "r1",
        "ESPALIER_STATIC_ROOT": f"{machine.root}/releases/r1/static",
        "PYTHONPATH": f"{machine.root}/releases/r1/overlay:{machine.root}/releases/r1/code",
    }

    status, result = deploy(capsys, tmp_path, "again", "1" * 16)
    assert (status, result["action"], result["id"]) == (0, "unchanged", "r1")

    (machine.root / "archives").mkdir()
    for identity in ("1" * 16, "9" * 16):
        (machine.root / f"archives/orchard-{identity}.tar.gz").write_text("")
    status, result = run_json(capsys, "clean")
    assert result["removed"] == [f"archives/orchard-{'9' * 16}.tar.gz"]
    assert (machine.root / f"archives/orchard-{'1' * 16}.tar.gz").exists()

    installs = (tmp_path / "uv.log").read_text().count("pip install")
    css = {"code/static/site.css": "b{}" * 1000}
    status, result = deploy(capsys, tmp_path, "r2", "2" * 16, files=css)
    assert (result["live"]["id"], result["live"]["slot"]) == ("r2", "green")
    assert machine.systemd.enabled == set(machine.systemd.running) == {"green"}
    assert (machine.static / "site.css").read_text() == "b{}" * 1000
    assert (tmp_path / "uv.log").read_text().count("pip install") == installs  # same virtualenv

    status, result = run_json(capsys, "rollback")
    assert (status, result["live"]["id"], result["live"]["slot"]) == (0, "r1", "blue")
    assert (machine.static / "site.css").read_text() == "a{}" * 1000
    status, result = run_json(capsys, "rollback")
    assert (status, result["step"]) == (1, "rollback")
    status, result = run_json(capsys, "switch", "r2")
    assert (status, result["action"]) == (0, "switched")
    status, result = run_json(capsys, "switch", "r2")
    assert (status, result["action"]) == (0, "unchanged")

    for number in "345":
        deploy(capsys, tmp_path, f"r{number}", number * 16)
    status, result = run_json(capsys, "list")
    assert [row["id"] for row in result["releases"]] == ["r5", "r4"]
    status, result = run_json(capsys, "status")
    assert (result["live"]["id"], result["stale"], result["lock"]) == ("r5", False, None)


def test_a_changed_environment_makes_the_slot_stale_and_deploy_restarts_it(
    machine, tmp_path, capsys
):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert not machine.is_stale()
    machine.config.environment_file.write_text('SECRET="other"\n')
    assert run_json(capsys, "status")[1]["stale"] is True
    status, result = deploy(capsys, tmp_path, "again", "1" * 16)
    assert (status, result["action"], result["live"]["slot"]) == (0, "restarted", "green")
    assert run_json(capsys, "status")[1]["stale"] is False
    (machine.config.file.parent / "gunicorn.conf.py").write_text("workers = 2\n")
    assert machine.is_stale()


def test_a_failed_start_leaves_the_old_release_serving(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    deploy(capsys, tmp_path, "r2", "2" * 16)
    machine.systemd.broken = True
    status, result = deploy(capsys, tmp_path, "r3", "3" * 16)
    assert (status, result["step"]) == (1, "switch")
    assert result["error"].startswith("orchard-web@blue.service ended while it started")
    assert "the project's own words" in result["detail"]
    assert (result["live"]["id"], result["live"]["healthy"]) == ("r2", True)
    assert machine.slot_target("blue") == "r1"
    assert sorted(path.name for path in machine.releases.iterdir()) == ["r1", "r2"]
    assert machine.systemd.enabled == {"green"}


@pytest.mark.parametrize(
    ("file", "text", "step"),
    [
        ("uv.fail", "error: No solution found\n  cause: Because x", "install"),
        ("settings.fail", "Traceback\nKeyError: 'DATABASE_URL'", "check"),
    ],
)
def test_a_failed_prepare_removes_what_it_made(machine, tmp_path, capsys, file, text, step):
    (tmp_path / file).write_text(text)
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, result["ok"], result["step"]) == (1, False, step)
    assert text in result["detail"]
    for folder in (machine.build, machine.releases, machine.venvs, machine.static):
        assert list(folder.iterdir()) == []
    (tmp_path / file).unlink()
    assert deploy(capsys, tmp_path, "r1", "1" * 16)[0] == 0


def test_a_failed_prepare_keeps_the_virtualenv_of_others(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    (tmp_path / "settings.fail").write_text("boom")
    assert deploy(capsys, tmp_path, "r2", "2" * 16)[0] == 1
    assert len(list(machine.venvs.iterdir())) == 1
    assert machine.live().id == "r1"


def test_leftovers_of_a_killed_run_are_built_anew(machine, tmp_path, capsys):
    for half in (machine.build / "r1", machine.releases / "r1", machine.venvs / "feed"):
        (half / "code").mkdir(parents=True)
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, result["live"]["id"]) == (0, "r1")
    assert not (machine.venvs / "feed").exists()


def test_a_run_killed_after_its_switch_is_finished_by_the_next(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    path = archive(tmp_path / "r2.tar.gz", "2" * 16)
    with ExitStack() as undo:
        built, _ = release.prepare(machine, path, "r2", undo)
        release.switch(machine, built, undo)
        undo.pop_all()  # and here it is killed: both slots run
    assert set(machine.systemd.running) == {"blue", "green"}
    status, result = run_json(capsys, "deploy", str(path))
    assert (status, result["action"]) == (0, "unchanged")
    assert set(machine.systemd.running) == machine.systemd.enabled == {"green"}
    assert os.readlink(machine.current) == "releases/r2"


def test_a_switch_forgets_the_pages_of_the_release_before(machine, tmp_path, capsys):
    cache = tmp_path / "pages"
    page, unfinished = cache / "6/3c" / ("0123456789abcdef" * 2), cache / "6/3c" / ("0" * 32 + ".1")

    def fill():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
        unfinished.touch()

    fill()
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert not page.exists()
    assert unfinished.exists()
    fill()
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert page.exists()  # nothing was switched
    built, _ = release.prepare(
        machine, archive(tmp_path / "r2.tar.gz", "2" * 16), "r2", ExitStack()
    )
    release.switch(machine, built, ExitStack())
    assert not page.exists()
    fill()  # an answer of the old release that came after the switch
    release.settle(machine)
    assert not page.exists()


def test_what_a_package_ships_collected_is_served_and_compressed_too(machine, tmp_path, capsys):
    shipped = tmp_path / "static.dist"
    for name, text in {"vite/app.js": "built", "site.css": "as built for others"}.items():
        (shipped / name).parent.mkdir(parents=True, exist_ok=True)
        (shipped / name).write_text(text)
    (tmp_path / "shipped").write_text(str(shipped))
    (tmp_path / "compress").touch()
    assert deploy(capsys, tmp_path, "r1", "1" * 16)[0] == 0
    assert (machine.static / "vite/app.js").read_text() == "built"
    assert (machine.static / "site.css").read_text() == "a{}" * 1000
    assert (machine.static / "CACHE/out.css").read_text() == "c{}\n"


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
    log, cause = release.explain_start(CRASH)
    assert log.startswith("Traceback (most recent call last):")
    assert log.endswith("Unable to configure handler 'csp_file'")
    assert "HaltServer" not in log
    assert cause == (
        ": ValueError: Unable to configure handler 'csp_file' (it cannot write to "
        "/srv/shop/releases/r1/code/data/logs: have the project write to a directory outside of "
        "the release, and name that under `writable:` in project.yml)"
    )
    assert release.explain_start("Main process exited\n") == ("Main process exited", "")


def test_undo_never_touches_a_release_that_went_live(machine, tmp_path):
    path = archive(tmp_path / "r1.tar.gz")
    with pytest.raises(release.ReleaseError), ExitStack() as undo:
        built, _ = release.prepare(machine, path, "r1", undo)
        release.switch(machine, built, undo)
        raise release.ReleaseError("stopped", "a signal right after the rename")
    assert machine.live().id == "r1"
    assert set(machine.systemd.running) == {"blue"}


def test_prepare_and_switch_are_usable_by_themselves(machine, tmp_path, capsys):
    path = str(archive(tmp_path / "a.tar.gz"))
    assert run_json(capsys, "prepare", path, "--id", "r1")[1]["action"] == "prepared"
    assert machine.live() is None
    assert run_json(capsys, "prepare", path, "--id", "r1")[1]["action"] == "unchanged"
    assert run_json(capsys, "prepare", path)[1]["id"] == "r1"
    assert run_json(capsys, "migrate", "r1")[1]["action"] == "unchanged"
    assert run_json(capsys, "switch", "r1")[1]["live"]["id"] == "r1"
    assert run_json(capsys, "restart")[1]["live"]["slot"] == "green"
    status, result = run_json(capsys, "switch", "r9")
    assert (status, result["step"]) == (2, "usage")
    assert "there are: r1" in result["error"]
    other = str(archive(tmp_path / "b.tar.gz", "9" * 16))
    assert run_json(capsys, "prepare", other, "--id", "r1")[0] == 2
    assert run_json(capsys, "prepare", other, "--id", "../x")[0] == 2


def test_bin_web_starts_gunicorn_where_manage_py_is(tmp_path):
    root = tmp_path / "releases/r1"
    for folder in ("bin", "code/my site", "venv/bin"):
        (root / folder).mkdir(parents=True)
    gunicorn = root / "venv/bin/gunicorn"
    gunicorn.write_text('#!/bin/sh\npwd -P\nprintf "%s\\n" "$@"\n')
    build = BUILD | {"workdir": "code/my site", "interface": "asgi", "application": "s.asgi:app"}
    (root / "bin/web").write_text(release.web_script(build, Path("/etc/espalier/o/g.py")))
    for script in (gunicorn, root / "bin/web"):
        script.chmod(0o755)
    (tmp_path / "slot").symlink_to(root)
    argv = [tmp_path / "slot/bin/web", "--bind", "unix:/x"]
    lines = subprocess.run(argv, capture_output=True, text=True).stdout.splitlines()
    assert lines[0] == str(root.resolve() / "code/my site")
    options = ["--config", "/etc/espalier/o/g.py", "--worker-class", "asgi", "--threads", "1"]
    assert lines[1:] == [*options, "--bind", "unix:/x", "s.asgi:app"]


# --- the command as a process

HOLD = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("release", sys.argv[1])
release = sys.modules["release"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(release)
release.CONFIGURATIONS = pathlib.Path(sys.argv[2])
release.VENV_SPACE = 0
sys.exit(release.main(sys.argv[3:]))
"""


def start(tmp_path, *argv):
    """The command in a process of its own, with the tests' configuration."""
    command = [sys.executable, "-c", HOLD, str(COMMAND), str(tmp_path / "etc"), *argv]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_release_at_a_time_and_a_signal_cleans_up(machine, tmp_path, capsys):
    (tmp_path / "migrate.wait").touch()
    first = start(tmp_path, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "r1", "--json")
    wait_for(lambda: (machine.releases / "r1/release.json").exists())

    status, result = run_json(capsys, "clean")
    assert (status, result["step"]) == (3, "lock")
    assert result["lock"]["pid"] == first.pid
    assert result["lock"]["what"].startswith("deploy ")
    assert f"pid {first.pid} here" in result["error"]
    assert run_json(capsys, "status")[1]["lock"]["pid"] == first.pid

    first.send_signal(signal.SIGTERM)
    out, _ = first.communicate(timeout=15)
    assert first.returncode == 1
    assert json.loads(out)["error"] == "stopped by SIGTERM."
    assert list(machine.releases.iterdir()) == list(machine.venvs.iterdir()) == []
    assert run_json(capsys, "clean")[0] == 0
    assert run_json(capsys, "status")[1]["lock"] is None


def test_a_killed_holder_leaves_no_lock(machine, tmp_path, capsys):
    (tmp_path / "migrate.wait").touch()
    first = start(tmp_path, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "r1")
    wait_for(lambda: (machine.releases / "r1/release.json").exists())
    first.kill()
    first.wait()
    (tmp_path / "migrate.wait").unlink()
    assert deploy(capsys, tmp_path, "r1", "0123456789abcdef")[0] == 0


def test_people_are_told_the_step_the_cause_and_what_still_serves(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    (tmp_path / "settings.fail").write_text("Traceback\nKeyError: 'X'\n")
    path = archive(tmp_path / "b.tar.gz", "2" * 16)
    assert release.main(["deploy", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("release: check failed: "))
    assert "KeyError: 'X' (a missing environment variable" in lines[first]
    assert lines[first + 1 :] == ["Traceback", "KeyError: 'X'", "The release r1 is still serving."]


def test_wrong_use_is_status_2(machine, tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit) as caught:
        release.main(["deploy"])
    assert caught.value.code == 2
    assert run_json(capsys, "status", "--project", "forest")[0] == 2
    monkeypatch.setattr(release, "CONFIGURATIONS", tmp_path / "nowhere")
    status, result = run_json(capsys, "status")
    assert (status, "run site.yml first" in result["error"]) == (2, True)


def test_tables_for_people(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert release.main(["list"]) == release.main(["status"]) == 0
    out = capsys.readouterr().out
    assert "r1       live" in out
    assert "settings  up to date" in out


# --- who did it, and whose turn it is


def test_log_says_who_put_what_live(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz")
    status, _ = run_json(capsys, "--by", "anna@laptop", "deploy", str(one), "--id", "one")
    assert status == 0
    two = archive(tmp_path / "two.tar.gz", identity="fedcba9876543210")
    assert run_json(capsys, "deploy", str(two), "--id", "two")[0] == 0
    assert run_json(capsys, "--by", "bert  at\nhome", "rollback")[0] == 0
    status, said = run_json(capsys, "log")
    assert status == 0
    assert [(row["id"], row["by"]) for row in said["log"]] == [
        ("one", "anna@laptop"),
        ("two", os.environ.get("SUDO_USER") or "root"),
        ("one", "bert at home"),
    ]
    assert run_json(capsys, "status")[1]["live"]["by"] == "bert at home"


class Holder:
    """A leader of a release from elsewhere: `release hold` with pipes to it."""

    def __init__(self, machine, what="switch", by="anna@laptop"):
        """Begin to hold."""
        machine.by = by
        reader, self.writer = os.pipe()
        self.said, self.error = [], None

        def run():
            with os.fdopen(reader, "rb", buffering=0) as beats:
                try:
                    release.hold(machine, what, beats, self.said.append)
                except release.Busy as error:
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


def test_only_what_belongs_to_the_site_s_release_runs_meanwhile(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz")
    holder = Holder(machine)
    assert holder.answer["cut_off"] is None
    status, said = run_json(capsys, "deploy", str(one))
    assert status == 3
    assert "anna@laptop, since 20" in said["error"]
    assert run_json(capsys, "--token", holder.answer["token"], "deploy", str(one))[0] == 0
    status, said = run_json(capsys, "status")
    assert (status, said["site_lock"]["by"]) == (0, "anna@laptop")
    assert "token" not in said["site_lock"]
    assert Holder(machine, by="bert").error.holder["by"] == "anna@laptop"
    holder.end()
    assert run_json(capsys, "deploy", str(one))[0] == 0


def test_leader_that_was_cut_off_is_spoken_of_and_holds_nobody_up(machine):
    first = Holder(machine)
    first.beat("switch app2")
    time.sleep(0.2)
    first.end()
    second = Holder(machine, by="bert")
    assert second.answer["cut_off"]["by"] == "anna@laptop"
    assert second.answer["cut_off"]["what"] == "switch app2"
    second.beat("done")
    second.thread.join(10)
    assert not second.thread.is_alive()
    third = Holder(machine)
    assert third.answer["cut_off"] is None
    third.end()


def test_silent_leader_holds_nobody_up(machine, monkeypatch):
    monkeypatch.setattr(release, "HOLD_SILENCE", 0.2)
    first = Holder(machine)
    first.thread.join(10)
    assert not first.thread.is_alive()
    assert Holder(machine).answer["cut_off"]["by"] == "anna@laptop"


# --- through nginx


def test_probe_waits_for_the_live_release_behind_nginx(machine, tmp_path, capsys, monkeypatch):
    assert run_json(capsys, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "a")[0] == 0
    answers = iter(["another", "another", "a"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert (self.path, self.headers["Host"]) == ("/-/ready", "orchard.example.com")
            body = json.dumps({"status": "ready", "release": next(answers, "another")}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    file = machine.config.file
    front = {"front": f"http://127.0.0.1:{server.server_port}"}
    file.write_text(json.dumps(json.loads(file.read_text()) | front))
    monkeypatch.setattr(release, "PROBE_FRONT", 5)
    assert run_json(capsys, "probe")[0] == 0
    monkeypatch.setattr(release, "PROBE_FRONT", 0.3)
    status, said = run_json(capsys, "probe")
    assert status == 1
    assert '"another"' in said["detail"]
    server.shutdown()
    server.server_close()


# --- removing


def test_release_that_nothing_runs_from_can_be_removed(machine, tmp_path, capsys):
    assert run_json(capsys, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "a")[0] == 0
    other = archive(tmp_path / "b.tar.gz", identity="fedcba9876543210")
    assert run_json(capsys, "prepare", str(other), "--id", "b")[0] == 0
    status, said = run_json(capsys, "remove", "a")
    assert status == 2
    assert "it is not removed" in said["error"]
    assert run_json(capsys, "remove", "b")[0] == 0
    assert [one.id for one in machine.all()] == ["a"]


# --- the project's other processes

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


def test_release_hands_its_code_to_the_other_processes(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz", **PROCESSES)
    assert run_json(capsys, "deploy", str(one), "--id", "one")[0] == 0
    processes = ["worker-1.service", "worker-2.service", "beat-1.service"]
    assert told(machine, "restart") == ["tidy.timer", *processes]
    assert "OnCalendar=daily" in (tmp_path / "units/orchard-schedule@tidy.timer").read_text()
    assert run_json(capsys, "status")[1]["processes"]["worker-2"]["release"] == "one"

    machine.systemd.calls.clear()
    assert run_json(capsys, "deploy", str(one))[1]["action"] == "unchanged"
    assert told(machine, "restart") == []

    # The next release has one worker less, and nothing at set times.
    changed = {
        "processes": PROCESSES["processes"]
        | {"worker": {"command": "x", "count": 1, "single": False}}
    }
    two = archive(tmp_path / "two.tar.gz", identity="fedcba9876543210", **changed)
    assert run_json(capsys, "deploy", str(two), "--id", "two")[0] == 0
    assert told(machine, "restart") == ["worker-1.service", "beat-1.service"]
    assert told(machine, "stop --no-block") == ["worker-2.service"]
    assert not list((tmp_path / "units").iterdir())

    machine.systemd.calls.clear()
    assert run_json(capsys, "rollback")[0] == 0
    assert told(machine, "restart") == ["tidy.timer", *processes]

    machine.systemd.calls.clear()
    (machine.config.environment_file).write_text('SECRET="new"\n')
    assert run_json(capsys, "restart")[0] == 0
    assert told(machine, "restart") == processes


def test_build_gives_way_to_visitors_and_nothing_else_does(machine):
    autogroup = Path("/proc/self/autogroup")
    # Its session is told just after it began.
    wait = f"nice, told = os.nice(0), lambda: int(open('{autogroup}').read().split()[-1])"
    wait += "\nfor _ in range(100): told() == nice or time.sleep(0.1)"
    argv = [sys.executable, "-c", f"import os, time\n{wait}\nprint(nice, told())"]
    if not autogroup.exists():
        pytest.skip("this kernel does not group processes by session")

    def nice() -> tuple[str, str]:
        said = machine.run(argv, "install", str, dict(os.environ), machine.root).split()
        return said[0], said[-1]

    before = nice()
    assert before[1] == "0"
    with release.giving_way():
        assert nice() == ("10", "10")
    assert nice() == before


def test_what_is_scheduled_runs_on_the_first_machine_only(machine, tmp_path, capsys):
    file = machine.config.file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"is_first": False}))
    one = archive(tmp_path / "one.tar.gz", **PROCESSES)
    assert run_json(capsys, "deploy", str(one))[0] == 0
    assert not list((tmp_path / "units").iterdir())
    assert "worker-1.service" in told(machine, "restart")


def test_time_that_systemd_does_not_understand_is_refused_before_anything(
    machine, tmp_path, capsys, monkeypatch
):
    def system(*argv, timeout=None):
        code = 1 if argv[0] == "systemd-analyze" else 0
        return subprocess.CompletedProcess(argv, code, "", "Failed to parse calendar\n")

    monkeypatch.setattr(release, "system", system)
    status, said = run_json(capsys, "prepare", str(archive(tmp_path / "a.tar.gz", **PROCESSES)))
    assert status == 1
    assert "schedule: tidy: when: daily" in said["error"]
    assert not list(machine.releases.iterdir())


def test_process_script_runs_what_its_name_says(tmp_path):
    processes = {
        "mail_er": {"command": "echo $GREETING from \"$0\" 'a b'", "count": 1, "single": False}
    }
    build = BUILD | {"processes": processes, "schedule": PROCESSES["schedule"]}
    (tmp_path / "code").mkdir()
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin/process"
    script.write_text(release.process_script(build))
    env = {"GREETING": "hello", "PATH": os.environ["PATH"]}

    def run(name):
        return subprocess.run(["sh", str(script), name], env=env, capture_output=True, text=True)

    assert run("mail_er-1").stdout == "hello from sh a b\n"
    assert run("mail-1").returncode == 1
    assert "mail-1 is no process of this release" in run("mail-1").stderr


def test_hooks_run_as_the_project_in_its_release(machine, tmp_path, capsys):
    hooks = {"after_switch": ["echo hot > $HOME/warmed", "false"], "before_migrate": ["pwd"]}
    one = archive(tmp_path / "one.tar.gz", hooks=hooks)
    assert run_json(capsys, "deploy", str(one), "--id", "one")[0] == 0
    assert run_json(capsys, "hook", "before_migrate:one")[1]["action"] == "ran"
    status, said = run_json(capsys, "hook", "after_switch")
    assert status == 1
    assert said["error"].startswith("the hook `false` failed")
    assert (machine.root / "warmed").read_text() == "hot\n"
    assert run_json(capsys, "hook", "after_rollback")[1]["action"] == "unchanged"


def test_static_files_of_dropped_releases_are_removed_and_others_kept(machine, tmp_path, capsys):
    for number in range(1, 5):
        files = {f"code/static/deep/only-{number}.css": f"a{number}" * 1000}
        path = archive(tmp_path / f"{number}.tar.gz", identity=f"{number}" * 16, files=files)
        assert run_json(capsys, "deploy", str(path), "--id", f"r{number}")[0] == 0
    kept = {one.id for one in machine.all()}
    assert kept == {"r3", "r4"}
    there = set(release.static_files(machine.static))
    assert {name for name in there if "only" in name} == {
        *("deep/only-3.css", "deep/only-3.css.gz", "deep/only-4.css", "deep/only-4.css.gz")
    }
    assert {"site.css", "site.css.gz"} <= there


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
    assert release.shell_line(command) == line
