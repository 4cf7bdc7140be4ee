"""What the project needs as one requirements file, where a machine could not read it as it is.

That is several requirements files, or a lock file that only its own tool reads.

The tool (Poetry, PDM, Pipenv) runs on the control machine in an environment of its own, in a
directory with a copy of the lock file and of what it was made of. No code of the project is run.
"""

from __future__ import annotations

import dataclasses
import json
import os
import posixpath
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from espalier.project.cache import exports, hold, prune
from espalier.project.detection.detect import Detected
from espalier.project.detection.groups import Groups, of_pyproject
from espalier.project.detection.locks import LOCKS, Lock, manifest_of
from espalier.project.errors import ProjectError
from espalier.project.source.process import Runner, run
from espalier.project.source.tree import Source, sha256
from espalier.project.words import last_line, without_password

# Beside the tool itself. Versions, also of all that a tool needs, are those of tools/<tool>.txt:
# the same lock gives the same requirements, this year and next.
PLUGINS = {"poetry": ("poetry-plugin-export",)}
VERSIONS = Path(__file__).parent / "tools"
TIMEOUT = 600  # seconds, for a tool that has to be downloaded first
# The tool asks nobody, makes no environment for the project, and reads no settings of a person's.
QUIET = {
    "POETRY_NO_INTERACTION": "1",
    "POETRY_VIRTUALENVS_CREATE": "false",
    "POETRY_KEYRING_ENABLED": "false",
    "PIPENV_IGNORE_VIRTUALENVS": "1",
    "PIPENV_NOSPIN": "1",
    "PDM_CHECK_UPDATE": "false",
    "PDM_IGNORE_ACTIVE_VENV": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    "UV_SYSTEM_CERTS": "1",
    "UV_NATIVE_TLS": "1",  # the older name of the line above
    "NO_COLOR": "1",
}


def export(
    source: Source, detected: Detected, cache_dir: Path, where: str, run: Runner = run
) -> str:
    """The text of the requirements file that the kit writes (`Detected.written`), hashes kept.

    "" where it writes none.

    Args:
        source: the project's files.
        detected: from `detect.detect`.
        cache_dir: where the text stays, by the content of what it was made of.
        where: the file to name in sentences.
        run: starts the tool.

    Raises:
        ProjectError: when the tool cannot be had, or the lock file is older than its manifest.
    """
    path = detected.requirements.value
    if more := detected.requirements.more:
        folder = posixpath.dirname(path)
        return "".join(f"-r {posixpath.relpath(one, folder or '.')}\n" for one in (path, *more))
    if not detected.written:
        return ""
    lock = LOCKS[detected.requirements_kind]
    texts = {one: source.read(one) for one in (path, manifest_of(path))}
    versions = (VERSIONS / f"{lock.tool}.txt").read_text()
    content = json.dumps([texts, dataclasses.asdict(detected.groups), versions])
    with hold(cache_dir):
        kept = exports(cache_dir) / f"{sha256(content.encode())}.txt"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=kept.parent) as temporary:
                text = _export(_Call(lock, path, Path(temporary), where, run), texts, detected)
                fresh = Path(temporary, "fresh")
                fresh.write_text(text)
                fresh.rename(kept)
        os.utime(kept)
        prune(kept.parent.glob("*.txt"), keep=20)
        return kept.read_text()


@dataclasses.dataclass(frozen=True)
class _Call:
    """One lock file, and how its tool is called."""

    lock: Lock
    path: str
    folder: Path  # a directory of its own, for the tool
    where: str
    runner: Runner

    def __call__(self, *argv: str) -> subprocess.CompletedProcess[str]:
        tool = self.lock.tool
        extra = _options("--with", PLUGINS.get(tool, ()))
        uv = [sys.executable, "-P", "-m", "uv", "tool", "run", "-q", "--isolated"]
        chosen = ["--python", sys.executable, "--constraints", str(VERSIONS / f"{tool}.txt")]
        environ = QUIET | {
            "POETRY_CONFIG_DIR": str(self.folder / "config"),
            "PDM_CONFIG_FILE": str(self.folder / "config.toml"),
            "PIPENV_PIPFILE": str(self.folder / "project" / "Pipfile"),
        }
        argv = (*uv, *chosen, "--from", tool, *extra, tool, *argv)
        return self.runner(argv, timeout=TIMEOUT, environ=environ)

    def refuse(self, result: subprocess.CompletedProcess[str]) -> ProjectError:
        """The sentence for a tool that failed."""
        output = re.sub(r"\x1b\[[0-9;]*m", "", result.stdout + result.stderr)
        start = f"{self.where}: the project's {self.path}"
        if "No module named uv" in output:
            return ProjectError(
                f"{start} is read by {self.lock.tool}, which uv brings, and uv is not installed "
                f"beside this kit: run `{sys.executable} -m pip install uv`."
            )
        if re.search(r"Failed to fetch|dns error|error sending request|timed out", output):
            return ProjectError(
                f"{start} is read by {self.lock.tool}, which is not here yet, and the Python index "
                f"cannot be reached from this machine ({last_line(output)}): check the network and "
                f"uv's configuration, or export it to a requirements file yourself."
            )
        return ProjectError(
            f"{start} cannot be read by {self.lock.tool}: {last_line(without_password(output))}."
        )

    def refuse_old(self) -> ProjectError:
        """The sentence for a lock file that does not fit what it was made of."""
        manifest = posixpath.basename(manifest_of(self.path))
        return ProjectError(
            f"{self.where}: the project's {self.path} is older than its {manifest}, so it may lack "
            f"a requirement: run `{self.lock.relock}` and keep the file with the code."
        )


def _export(call: _Call, texts: Mapping[str, str], detected: Detected) -> str:
    folder = call.folder / "project"
    folder.mkdir()
    for path, text in texts.items():
        (folder / posixpath.basename(path)).write_text(_without_plugins(text))
    by_tool = {"poetry": _poetry, "pdm": _pdm, "pipenv": _pipenv}
    text = by_tool[call.lock.tool](call, folder, detected.groups)
    return _tidy(text, folder)


def _without_plugins(text: str) -> str:
    """A pyproject.toml that asks for no plugins, which would be installed here and run."""
    pattern = r"(?ms)^\[tool\.(poetry\.requires-plugins|pdm\.plugins)[^\]]*\].*?(?=^\[|\Z)"
    text = re.sub(pattern, "", text)
    return re.sub(r"(?m)^(requires-plugins|plugins)\s*=", r"unused-\1 =", text)


def _poetry(call: _Call, folder: Path, groups: Groups) -> str:
    chosen = [*_options("--with", groups.groups), *_options("--extras", groups.extras)]
    result = call("export", "-C", str(folder), "--without-urls", *chosen)
    if re.search(r"changed significantly since poetry.lock was last generated", result.stderr):
        raise call.refuse_old()
    if result.returncode:
        raise call.refuse(result)
    return result.stdout


def _pdm(call: _Call, folder: Path, groups: Groups) -> str:
    if call("lock", "--check", "-p", str(folder)).returncode == 1:
        raise call.refuse_old()
    known = of_pyproject(tomllib.loads((folder / "pyproject.toml").read_text()), "pdm.lock").groups
    # With a dependency group named, PDM takes all those that are not named as left out.
    left_out = _options("--without", [name for name in known if name not in groups.groups])
    others = left_out if groups.groups else ["--prod"]
    chosen = [*others, *_options("-G", groups.names)]
    result = call("export", "-p", str(folder), "-f", "requirements", "--no-extras", *chosen)
    if result.returncode:
        raise call.refuse(result)
    return result.stdout


def _pipenv(call: _Call, folder: Path, groups: Groups) -> str:
    checked = call("verify")
    if checked.returncode and "out-of-date" in checked.stdout + checked.stderr:
        raise call.refuse_old()
    chosen = ["--categories", ",".join(["packages", *groups.groups])] if groups.groups else []
    result = call("requirements", "--hash", *chosen)
    if result.returncode:
        raise call.refuse(result)
    return result.stdout


def _options(option: str, names: Sequence[str]) -> list[str]:
    return [word for name in names for word in (option, name)]


def _tidy(text: str, folder: Path) -> str:
    """Without the indexes, which machines know, and with paths that are relative again."""
    lines = text.replace(f"file://{folder}/", "./").replace(f"{folder}/", "./").splitlines()
    index = re.compile(r"\s*(-i|--index-url|--extra-index-url|--trusted-host)\b")
    return "".join(f"{line}\n" for line in lines if not index.match(line))
