"""Shared uploads on a real nginx."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from overlay.tests.conftest import Run

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = pytest.mark.skipif(not NGINX, reason="nginx is not installed")

# The least that the storage needs of nginx.
CONF = """
worker_processes 2; daemon off; pid {directory}/pid; error_log {directory}/error.log;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/x1;
  fastcgi_temp_path {directory}/x2; uwsgi_temp_path {directory}/x3; scgi_temp_path {directory}/x4;
  server {{
    listen 127.0.0.1:{port};
    keepalive_timeout 1s;
    location /tiny/ {{
      if ($http_authorization != "Bearer secret") {{ return 403; }}
      alias {directory}/store/;
      dav_methods PUT DELETE MKCOL MOVE; create_full_put_path on; dav_access all:r;
      client_max_body_size 100m; autoindex on; autoindex_format json;
    }}
  }}
}}
"""
PRELUDE = """
import json, os, threading, time
import django; django.setup()
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage as storage
def tell(value):
    print(json.dumps(value, default=str))
"""


@pytest.fixture
def nginx() -> Iterator[tuple[Path, int]]:
    """Run nginx; return its directory and its port."""
    directory = Path(tempfile.mkdtemp(prefix="espalier-nginx-"))
    directory.chmod(0o755)
    (directory / "store").mkdir()
    (directory / "store").chmod(0o777)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "nginx.conf").write_text(CONF.format(directory=directory, port=port))
    process = subprocess.Popen([NGINX, "-c", directory / "nginx.conf", "-p", directory])
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)) and process.poll() is None:
            time.sleep(0.02)
        yield directory, port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        shutil.rmtree(directory)


@pytest.fixture
def outcome(run: Run, nginx: tuple[Path, int], tmp_path: Path) -> Any:
    """Return `outcome(code)`: what the code tells."""
    directory, port = nginx

    def outcome(code: str, **more: str) -> Any:
        environ = {
            "ESPALIER_MEDIA_ROOT": str(tmp_path / "media"),
            "ESPALIER_MEDIA_URL": "/media/",
            "ESPALIER_MEDIA_SHARED_URL": f"http://127.0.0.1:{port}/tiny/",
            "ESPALIER_MEDIA_SHARED_TOKEN": "secret",
            "STORE": str(directory / "store"),
        }
        result = run("-c", f"{PRELUDE}\n{code}", **{**environ, **more})
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return outcome


def test_a_file_is_kept_and_found_as_with_django_s_storage(outcome: Any, nginx: Any):
    code = """
name = storage.save("a b/größe%#?.txt", ContentFile("hällo\\n".encode()))
taken = storage.save(name, ContentFile(b"other"))
seen = [name, storage.open(name).read().decode(), storage.size(name), storage.exists(name),
        storage.exists("a b"), storage.url(name), taken != name, storage.open(taken, "r").read(),
        sorted(storage.listdir("")[0]), len(storage.listdir("a b")[1]),
        abs(time.time() - storage.get_modified_time(name).timestamp()) < 60]
storage.delete(name); storage.delete(name)
tell([*seen, storage.exists(name), storage.exists(taken)])"""
    assert outcome(code) == [
        "a b/größe%#?.txt",
        "hällo\n",
        7,
        True,
        True,
        "/media/a%20b/gr%C3%B6%C3%9Fe%25%23%3F.txt",
        True,
        "other",
        ["a b"],
        2,
        True,
        False,
        True,
    ]
    store = nginx[0] / "store"
    assert [path.name for path in store.glob(".*/*")] == [], "something temporary was left"


def test_files_that_are_there_already_are_found(outcome: Any, nginx: Any):
    (nginx[0] / "store" / "old.txt").write_text("old")
    assert outcome("tell(storage.open('old.txt', 'r').read())") == "old"


def test_a_path_is_a_copy_that_follows_the_file(outcome: Any, tmp_path: Path):
    code = """
name = storage.save("d/a.txt", ContentFile(b"one"))
path = storage.path(name); seen = [path, open(path).read()]
inode = os.stat(path).st_ino
seen.append(os.stat(storage.path(name)).st_ino == inode)
with storage.open(name, "w") as file: file.write("three")
seen += [open(storage.path(name)).read(), os.path.exists(storage.path("nothing"))]
storage.delete(name)
tell([*seen, os.path.exists(path)])"""
    expected = [str(tmp_path / "media/d/a.txt"), "one", True, "three", False, False]
    assert outcome(code) == expected


def test_many_at_once_overwrite_nobody(outcome: Any):
    code = """
names = []
def upload(i):
    names.append((storage.save("same.txt", ContentFile(str(i).encode())), str(i)))
threads = [threading.Thread(target=upload, args=(i,)) for i in range(40)]
for thread in threads: thread.start()
for thread in threads: thread.join()
tell([len(set(name for name, _ in names)),
      all(storage.open(name, "r").read() == content for name, content in names)])"""
    assert outcome(code) == [40, True]


def test_a_large_file_passes_without_being_held_in_memory(outcome: Any):
    code = """
import hashlib, resource, tempfile
with tempfile.NamedTemporaryFile() as source:
    for i in range(80): source.write(os.urandom(1) * 2**20)
    source.seek(0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    name = storage.save("large", File(source))
    with storage.open(name) as file:
        sent = hashlib.file_digest(open(source.name, "rb"), "sha256").hexdigest()
        same = hashlib.file_digest(file, "sha256").hexdigest() == sent
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
tell([same, storage.size(name), after - before < 20 * 1024])"""
    assert outcome(code) == [True, 80 * 2**20, True]


def test_a_connection_that_nginx_has_closed_is_made_again(outcome: Any):
    code = """
name = storage.save("a.txt", ContentFile(b"a")); time.sleep(1.5)
seen = storage.size(name); time.sleep(1.5)
storage.save("b.txt", ContentFile(b"b")); tell(seen)"""
    assert outcome(code) == 1


@pytest.mark.parametrize("name", ["../a", "/etc/passwd", "a/../../b"])
def test_no_name_leads_out_of_the_store(outcome: Any, name: str):
    code = f"""
from django.core.exceptions import SuspiciousFileOperation
try:
    storage.open({name!r})
except SuspiciousFileOperation:
    tell("refused")"""
    assert outcome(code) == "refused"


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"ESPALIER_MEDIA_SHARED_TOKEN": "wrong"}, "answered 403 Forbidden for 'a'"),
        ({"ESPALIER_MEDIA_SHARED_URL": "http://127.0.0.1:9/tiny/"}, "Is nginx running there?"),
    ],
)
def test_what_goes_wrong_is_an_os_error_with_a_sentence(
    outcome: Any, environ: dict[str, str], sentence: str
):
    code = """
try:
    storage.save("a", ContentFile(b"a"))
except OSError as error:
    tell(str(error))"""
    assert sentence in outcome(code, **environ)


def test_a_missing_file_is_not_found(outcome: Any):
    code = """
seen = []
for method in (storage.open, storage.size, storage.get_modified_time):
    try:
        method("nothing")
    except FileNotFoundError:
        seen.append(True)
tell(seen)"""
    assert outcome(code) == [True, True, True]
