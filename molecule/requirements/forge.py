"""A Python index and a git repository that ask for a login.

`forge.py make DIR` writes the files with git, on the control machine. `forge.py serve DIR` gives
them to ci with the password in the file `password` beside this one, on port 8431 of the machine
itself, with the standard library alone.
"""

from __future__ import annotations

import base64
import functools
import http.server
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

PROJECT = """[project]
name = "errands-git"
version = "1.0"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
"""
AUTHOR = ("-c", "user.name=forge", "-c", "user.email=forge@errands.example")


def make(root: Path) -> None:
    """Write simple/, an index with one wheel, and errands-git.git, a repository of the tag v1."""
    folder, info = root / "simple/errands-index", "errands_index-1.0.dist-info"
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
    with tempfile.TemporaryDirectory() as name:
        code, bare = Path(name), root / "errands-git.git"
        (code / "pyproject.toml").write_text(PROJECT)
        (code / "errands_git.py").write_text("WHERE = 'git'\n")
        for argv in (
            ("-C", name, "init", "-q"),
            ("-C", name, "add", "-A"),
            ("-C", name, *AUTHOR, "commit", "-qm", "Begin"),
            ("-C", name, "tag", "v1"),
            ("clone", "-q", "--bare", name, str(bare)),
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
