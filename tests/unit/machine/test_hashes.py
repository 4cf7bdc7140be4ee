"""Kept wheels are installed where a lock file has hashes."""

from __future__ import annotations

import functools
import hashlib
import re
import subprocess
import sys
import sysconfig
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from espalier_machine.release import hashes
from espalier_machine.release.errors import ReleaseError

from .fakes import deploy

BUILT = "psycopg_c-3.3.2-cp313-cp313-linux_x86_64.whl"

LOCKED = """\
--index-url https://pypi.example.com/simple/
# psycopg_c==3.3.2 --hash=sha256:no
Psycopg.C [x] == 3.3.2 ; python_version >= "3.10" \\
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
    others = "--hash=sha256:aaa \\\n    --hash=sha256:bbb"
    assert hashes.prefer(machine, LOCKED, "3.13") == LOCKED.replace(others, own)
    wanted = LOCKED.replace("--hash=sha256:ddd", own)
    assert hashes.prefer(machine, LOCKED, "3.11") == wanted


def test_a_release_is_installed_with_them(machine, capsys, tmp_path):
    machine.ensure_directories()
    (machine.wheels / "psycopg_c-3.3.2-cp310-abi3-linux_x86_64.whl").write_text("built")
    own = hashlib.sha256(b"built").hexdigest()
    text = "psycopg-c==3.3.2 --hash=sha256:bb\n"
    deploy(capsys, tmp_path, "one", "1111111111111111", files={"code/requirements.txt": text})
    installed = (machine.require("one").path / "code/requirements.txt").read_text()
    assert installed == f"psycopg-c==3.3.2 --hash=sha256:{own}\n"


def test_a_package_that_the_project_wants_built_keeps_the_hash_of_its_source(machine):
    machine.ensure_directories()
    (machine.wheels / BUILT).write_text("built")
    seen = []

    def install(prefer):
        seen.append(prefer(LOCKED))
        if seen[-1] != LOCKED:
            raise ReleaseError("install", "", "cause: Hash mismatch for `psycopg-c==3.3.2`")
        raise ReleaseError("install", "", "cause: Hash mismatch for `psycopg-c==3.3.2`, really")

    with pytest.raises(ReleaseError) as error:
        hashes.preferred(machine, "3.13", install)
    assert len(seen) == 2
    assert error.value.detail.endswith("really")


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
        assert install(hashes.prefer(machine, locked, "3.13")).returncode == 0
        server.shutdown()
    assert (tmp_path / "here/vine.py").exists()
