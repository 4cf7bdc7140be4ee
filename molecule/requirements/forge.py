"""A Python index and two git repositories that ask for a login, one of them by SSH.

`forge.py make DIR` writes the files with git, on the control machine. `forge.py
serve DIR` gives them to ci with the password in the file `password` beside this one, on port 8431
of the machine itself, with the standard library alone. By SSH the machine's own sshd gives them.
"""

from __future__ import annotations

import base64
import functools
import http.server
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PROJECT = """[project]
name = "errands-{name}"
version = "1.0"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""
AUTHOR = ("-c", "user.name=forge", "-c", "user.email=forge@errands.example")


def make(root: Path) -> None:
    """Write simple/, an index with one wheel; errands-{git,ssh}.git, with the tag v1."""
    folder, info = root / "simple/errands-index", "errands_index-1.0.dist-info"
    shutil.rmtree(root, ignore_errors=True)  # of a run that was cut off
    folder.mkdir(parents=True)
    files = {
        "errands_index.py": "WHERE = 'index'\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: errands-index\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / "errands_index-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in files.items():
            wheel.writestr(name, text)
    make_repository(root, "git")
    make_repository(root, "ssh")


def make_repository(root: Path, name: str) -> None:
    """Write errands-<name>.git, the repository of a package of that name."""
    with tempfile.TemporaryDirectory() as folder:
        code, bare = Path(folder), root / f"errands-{name}.git"
        (code / "pyproject.toml").write_text(PROJECT.format(name=name))
        (code / f"errands_{name}.py").write_text(f"WHERE = '{name}'\n")
        for argv in (
            ("-C", folder, "init", "-q"),
            ("-C", folder, "add", "-A"),
            ("-C", folder, *AUTHOR, "commit", "-qm", "Begin"),
            ("-C", folder, "tag", "v1"),
            ("clone", "-q", "--bare", folder, str(bare)),
            ("-C", str(bare), "update-server-info"),  # for clients of a server that only has files
        ):
            subprocess.run(["git", *argv], check=True)


class Private(http.server.SimpleHTTPRequestHandler):
    """Files, for who has the login."""

    def do_GET(self) -> None:
        """Answer with a file, its directory, or 401."""
        if self.headers.get("Authorization") == self.server.login:
            super().do_GET()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="forge"')
        self.send_header("Content-Length", "0")
        self.end_headers()


def serve(root: Path) -> None:
    """Serve on loopback until the end of the process."""
    handler = functools.partial(Private, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8431), handler)
    password = Path(__file__).with_name("password").read_text()
    server.login = "Basic " + base64.b64encode(f"ci:{password}".encode()).decode()
    server.serve_forever()


if __name__ == "__main__":
    {"make": make, "serve": serve}[sys.argv[1]](Path(sys.argv[2]))
