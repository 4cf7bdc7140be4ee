"""Wheels that one machine has built for the others."""

from __future__ import annotations

import functools
import hashlib
import io
import re
import subprocess
import sys
import sysconfig
import tarfile
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from espalier_machine.release import wheels
from espalier_machine.release.errors import ReleaseError

from .fakes import archive, deploy, run_json

BUILT = "psycopg_c-3.3.2-cp313-cp313-linux_x86_64.whl"


def test_a_release_gives_what_its_virtualenv_has(machine, capsys, tmp_path):
    deploy(capsys, tmp_path, "one", "1111111111111111")
    venv = machine.venvs / machine.require("one").record["venv"]
    (venv / "lib/python3.13/site-packages/psycopg_c-3.3.2.dist-info").mkdir(parents=True)
    (machine.wheels / BUILT).write_text("built")
    (machine.wheels / "uwsgi-2.0-cp313-cp313-linux_x86_64.whl").write_text("of another release")
    other = machine.venvs / "feed/lib/python3.13/site-packages/uwsgi-2.0.dist-info"
    other.mkdir(parents=True)
    status, answer = run_json(capsys, "wheels", "one", str(tmp_path / "wheels.tar"))
    assert (status, answer["wheels"]) == (0, [BUILT])
    (machine.wheels / BUILT).unlink()
    packed = archive(tmp_path / "two.tar.gz", "2222222222222222")
    given = ("--id", "two", "--wheels", str(tmp_path / "wheels.tar"))
    assert run_json(capsys, "prepare", str(packed), *given)[0] == 0
    assert (machine.wheels / BUILT).read_text() == "built"


def test_wheels_are_built_without_a_release(machine, capsys, tmp_path):
    packed = archive(tmp_path / "one.tar.gz", "1111111111111111")
    old = machine.venvs / "feed"
    old.mkdir()
    (old / ".complete").touch()
    (machine.wheels / BUILT).write_text("built for what is not asked for any more")
    file = tmp_path / "wheels.tar"
    status, answer = run_json(capsys, "build-wheels", str(packed), str(file))
    assert (status, answer["wheels"]) == (0, [])
    assert not machine.all() and not list(machine.build.iterdir()), "more than a virtualenv is left"
    assert not old.exists() and not list(machine.wheels.iterdir())
    (venv,) = machine.venvs.iterdir()
    (venv / "lib/python3.13/site-packages/psycopg_c-3.3.2.dist-info").mkdir(parents=True)
    (machine.wheels / BUILT).write_text("built")
    assert run_json(capsys, "build-wheels", str(packed), str(file))[1]["wheels"] == [BUILT]
    with tarfile.open(file) as tar:
        assert tar.getnames() == [BUILT]


def test_wheels_of_a_live_release_are_no_leftovers(machine, capsys, tmp_path):
    deploy(capsys, tmp_path, "one", "1111111111111111")
    other = archive(tmp_path / "two.tar.gz", "2222222222222222", extra_requirements=["fruit"])
    assert run_json(capsys, "build-wheels", str(other), str(tmp_path / "wheels.tar"))[0] == 0
    assert machine.require("one").python
    assert len(list(machine.venvs.iterdir())) == 2


def test_nothing_but_new_wheels_is_taken(machine, tmp_path):
    machine.ensure_directories()
    (machine.wheels / BUILT).write_text("own")
    names = [BUILT, "../up-1.whl", "/abs-1.whl", "sub/in-1.whl", ".hidden-1.whl", "a.py", "a-1.whl"]
    with tarfile.open(tmp_path / "wheels.tar", "w") as tar:
        link = tarfile.TarInfo("link-1.whl")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 5
            tar.addfile(member, io.BytesIO(b"theirs"))
    assert wheels.take(machine, tmp_path / "wheels.tar") == ["a-1.whl"]
    assert sorted(path.name for path in machine.wheels.iterdir()) == ["a-1.whl", BUILT]
    assert (machine.wheels / BUILT).read_text() == "own"
    assert not list(tmp_path.rglob("up-1.whl"))


def test_what_is_no_tar_is_told(machine, tmp_path):
    machine.ensure_directories()
    (tmp_path / "wheels.tar").write_text("an error page")
    with pytest.raises(ReleaseError, match="is no tar of wheels"):
        wheels.take(machine, tmp_path / "wheels.tar")


LOCKED = """\
--index-url https://pypi.example.com/simple/
# psycopg_c==3.3.2 --hash=sha256:no
psycopg-c[x]==3.3.2 ; python_version >= "3.10" \\
    --hash=sha256:aaa \\
    --hash=sha256:bbb
psycopg-c-more==3.3.2 --hash=sha256:ccc
uwsgi==2.0
uwsgi==2.1 --hash=sha256:ddd
"""


def test_hashes_are_those_of_kept_wheels_where_these_fit(machine):
    machine.ensure_directories()
    for name in (BUILT, "uWSGI-2.1-cp311-cp311-linux_x86_64.whl", "uwsgi-2.0-cp313-cp313-any.whl"):
        (machine.wheels / name).write_text("built")
    own = f"--hash=sha256:{hashlib.sha256(b'built').hexdigest()}"
    hashes = "--hash=sha256:aaa \\\n    --hash=sha256:bbb"
    assert wheels.prefer(machine, LOCKED, "3.13") == LOCKED.replace(hashes, own)
    wanted = LOCKED.replace("--hash=sha256:ddd", own)
    assert wheels.prefer(machine, LOCKED, "3.11") == wanted


INDEX = """<a href="vine-1.0.tar.gz#sha256={}">vine-1.0.tar.gz</a>"""


@pytest.mark.parametrize("tells_hashes", [True, False])
def test_uv_takes_a_kept_wheel_where_a_lock_names_the_source_alone(machine, tmp_path, tells_hashes):
    machine.ensure_directories()
    tag = "py3-none-" + re.sub("[-.]", "_", sysconfig.get_platform())
    with zipfile.ZipFile(machine.wheels / f"vine-1.0-{tag}.whl", "w") as wheel:
        wheel.writestr("vine.py", "")
        text = "Metadata-Version: 2.1\nName: vine\nVersion: 1.0\n"
        wheel.writestr("vine-1.0.dist-info/METADATA", text)
        text = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
        wheel.writestr("vine-1.0.dist-info/WHEEL", text)
        wheel.writestr("vine-1.0.dist-info/RECORD", "")
    source = tmp_path / "index/vine/vine-1.0.tar.gz"
    source.parent.mkdir(parents=True)
    source.write_text("cannot be built")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    if tells_hashes:
        (source.parent / "index.html").write_text(INDEX.format(digest))
    locked = f"vine==1.0 --hash=sha256:{digest}\n"

    def install(text):
        argv = ["uv", "pip", "install", "--no-config", "--index-url", url, "-r", "-"]
        argv += ["--find-links", str(machine.wheels), "--target", str(tmp_path / "here")]
        argv += ["--python", sys.executable, "--cache-dir", str(tmp_path / "cache")]
        return subprocess.run(argv, input=text, capture_output=True, text=True)

    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "index"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        assert install(locked).returncode
        assert install(wheels.prefer(machine, locked, "3.13")).returncode == 0
        server.shutdown()
    assert (tmp_path / "here/vine.py").exists()
