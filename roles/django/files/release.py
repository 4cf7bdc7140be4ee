#!/usr/bin/python3
"""Build, switch and roll back the releases of a Django project on this machine.

    release deploy ARCHIVE      build it, migrate, put it live without a failed request, tidy up
    release rollback            the release that was live before; about a second
    release status              what is live, and is it well

A release is built whole under releases/<id> and never changed after. Two web units, the slots blue
and green, take turns: the new release starts in the idle slot, is probed over its own unix socket,
and goes live when one symlink (the one nginx connects through) is renamed. Whatever fails before
that rename is undone; the live release is never touched.

Root runs this command. Files of the project are made, and its code is run, as the project's user.
Exit status: 0 done, 1 failed, 2 wrong use, 3 another release is running.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import datetime
import errno
import fcntl
import filecmp
import gzip
import hashlib
import http.client
import json
import os
import pwd
import re
import select
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

CONFIGURATIONS = Path("/etc/espalier")
SLOTS = ("blue", "green")
BUILD_KEYS = {
    "identity",
    "project",
    "source",
    "version",
    "revision",
    "workdir",
    "manage",
    "settings",
}
BUILD_KEYS |= {
    "application",
    "interface",
    "overlay",
    "requirements",
    "extra_requirements",
    "python",
}
UNITS = Path("/etc/systemd/system")
COMPRESSIBLE = {".css", ".js", ".svg", ".json", ".map", ".txt", ".xml", ".html"}
COMPRESSIBLE |= {".ico", ".ttf", ".wasm"}
COMPRESS_ABOVE = 1000  # bytes; below, the gzip header and a second file cost more than they save
WARM_REQUESTS = 8
HOLD_SILENCE = 30  # seconds
BUILD_NICE = 10  # of 19; a tenth of the weight of what serves visitors (man 7 sched)
PROBE_FRONT = 15  # seconds
MEGABYTE = 1 << 20
VENV_SPACE = 300 * MEGABYTE  # a Django project with a database driver and a few libraries
SETTINGS_CHECK = """
import importlib, json, os, sys, django
django.setup()
from django.apps import apps
from django.conf import settings
own = importlib.import_module(os.environ["ESPALIER_SETTINGS"])
root = getattr(settings, "STATIC_ROOT", None)
shipped = os.path.realpath(getattr(own, "STATIC_ROOT", None) or "/")
if not shipped.startswith(os.path.realpath(sys.prefix) + "/"):
    shipped = ""
print()
print(json.dumps({"staticfiles": apps.is_installed("django.contrib.staticfiles"),
                  "static_root": str(root) if root else "",
                  "shipped": shipped,
                  "compress": bool(apps.is_installed("compressor") and
                              settings.COMPRESS_ENABLED and settings.COMPRESS_OFFLINE)}))
"""


@dataclasses.dataclass(eq=False)
class ReleaseError(Exception):
    """A step failed: `step` in a word, `sentence` for a person, `detail` as the tool printed it."""

    step: str
    sentence: str
    detail: str = ""


class UsageError(Exception):
    """The command was called wrongly; the message is a sentence for a person."""


@dataclasses.dataclass(eq=False)
class Busy(Exception):
    """Another release is running; `holder` is what it wrote about itself: pid, what, since, by."""

    holder: dict[str, Any]

    @property
    def sentence(self) -> str:
        """What to tell a person."""
        known = "{by}, since {since}: release {what}, pid {pid} here"
        who = known.format_map(self.holder) if self.holder else "it has just begun"
        return f"another release is running ({who}); wait for it, or stop that process."


# --- what this machine is told ---------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Config:
    """The machine's release.json, written by the Ansible role. Times are in seconds."""

    file: Path
    project: str
    root: Path
    user: str
    group: str
    environment_file: Path
    runtime_files: tuple[Path, ...]
    uv: str
    python: str
    web_unit: str
    socket: str
    live_socket: Path
    keep: int
    probe_path: str
    probe_host: str
    probe_timeout: float
    drain_timeout: float
    lock_timeout: str
    page_caches: tuple[Path, ...]
    front: str
    process_unit: str
    schedule_unit: str
    is_first: bool

    @classmethod
    def load(cls, file: Path) -> Config:
        """Read one release.json; raises UsageError with a sentence."""
        try:
            given = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read: {error}; run site.yml again.") from error
        names = [field.name for field in dataclasses.fields(cls) if field.name != "file"]
        if missing := [name for name in names if name not in given]:
            raise UsageError(f"{file} lacks {', '.join(missing)}; run site.yml again.")
        values = {name: given[name] for name in names}
        for name in ("root", "environment_file", "live_socket"):
            values[name] = Path(values[name])
        for name in ("runtime_files", "page_caches"):
            values[name] = tuple(Path(path) for path in values[name])
        return cls(file=file, **values)

    @classmethod
    def find(cls, project: str | None) -> Config:
        """The named project's configuration, or the only one there is; raises UsageError."""
        found = {path.parent.name: path for path in sorted(CONFIGURATIONS.glob("*/release.json"))}
        if project is None and len(found) == 1:
            return cls.load(next(iter(found.values())))
        if project in found:
            return cls.load(found[project])
        if not found:
            raise UsageError(f"no {CONFIGURATIONS}/*/release.json here; run site.yml first.")
        known = ", ".join(found)
        asked = f"no project {project} here" if project else "several projects here"
        raise UsageError(f"{asked}; say --project with one of: {known}.")


def parse_environment(text: str, where: str = "environment file") -> dict[str, str]:
    """Variables of a systemd EnvironmentFile; raises ReleaseError naming the line."""
    variables = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', value)
        bad_value = value.startswith('"') and not quoted
        if bad_value or not equals or not re.fullmatch(r"[A-Za-z_]\w*", key):
            sentence = f'{where} line {number} is not KEY="value"; run site.yml again.'
            raise ReleaseError("environment", sentence)
        # systemd drops a backslash only before these four
        variables[key] = re.sub(r'\\(["\\`$])', r"\1", quoted[1]) if quoted else value
    return variables


def format_environment(variables: Mapping[str, str]) -> str:
    """The text of a systemd EnvironmentFile that reads back as `variables`."""
    escaped = {key: re.sub(r'(["\\])', r"\\\1", value) for key, value in variables.items()}
    return "".join(f'{key}="{value}"\n' for key, value in escaped.items())


# --- telling people --------------------------------------------------------------------------


class Progress:
    """Lines on stderr: each step, how long it took (s), and its notes after it."""

    def __init__(self) -> None:
        """Begin without notes."""
        self.notes: list[str] = []

    def write(self, text: str) -> None:
        """Print without a newline; a reader that went away must not stop a release."""
        with suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Say `text` when the running step ends."""
        self.notes.append(text)

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[None]:
        """Time one step; an OSError inside becomes a ReleaseError of this step."""
        started = time.monotonic()
        self.write(f"  {text:<44}")
        try:
            yield
        except OSError as error:
            raise ReleaseError(name, explain_os_error(error)) from error
        else:
            self.write(f"{time.monotonic() - started:6.1f} s")
        finally:
            self.write("\n" + "".join(f"      {note}\n" for note in self.notes))
            self.notes.clear()


def free_space(path: Path) -> tuple[int, Path]:
    """Bytes free to an ordinary user where `path` is or will be, and that place's mount point."""
    while not path.exists():
        path = path.parent
    stat, path = os.statvfs(path), path.resolve()
    while not path.is_mount():
        path = path.parent
    return stat.f_bavail * stat.f_frsize, path


def require_space(path: Path, needed: int) -> None:
    """Raise ReleaseError unless `needed` bytes are free where `path` is."""
    free, mount = free_space(path)
    if free < needed:
        sizes = f"{needed // MEGABYTE} MB are needed, {free // MEGABYTE} MB are free"
        hint = "free some space, or lower how many releases are kept and run `release clean`."
        raise ReleaseError("space", f"the disk at {mount} is too full: {sizes}; {hint}")


def disk_full(path: Path) -> str:
    """The sentence for a write that found no space."""
    free, mount = free_space(path)
    return f"the disk at {mount} is full ({free // MEGABYTE} MB free); free some space and repeat."


def explain_os_error(error: OSError) -> str:
    """A sentence for an operating system error."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return disk_full(Path(error.filename or "/"))
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)


def last_line(output: str) -> str:
    """The last line that says something, which is where tracebacks name the error."""
    return ([line.strip() for line in output.splitlines() if line.strip()] or ["no output"])[-1]


def explain_uv(output: str, root: Path) -> str:
    """What to change when uv could not install, told from its output."""
    lowered = output.lower()
    causes = re.findall(r"cause: (.+)", output)
    if "no space left on device" in lowered or "os error 28" in lowered:
        return disk_full(root)
    compilers = ("failed to build", "python.h", "pg_config", "gcc", "error: command")
    if any(word in lowered for word in compilers):
        libpq = ", libpq-dev" if "pg_config" in lowered else ""
        return (
            "a requirement has to be compiled here and could not be; add what it needs under "
            f"`packages:` in project.yml, for example build-essential, python3-dev{libpq}."
        )
    if "no solution found" in lowered or "not found in the package registry" in lowered:
        return (
            f"the requirements cannot be met together: {causes[0] if causes else last_line(output)}"
        )
    if any(word in lowered for word in ("failed to fetch", "error sending request", "dns error")):
        return "the package index cannot be reached from this machine; see below which address."
    return f"uv could not install the requirements: {last_line(output)}"


def explain_django(what: str) -> Callable[[str], str]:
    """Make the function that turns a traceback into a sentence beginning with `what`."""

    def explain(output: str) -> str:
        cause, hint = last_line(output), ""
        if "ModuleNotFoundError" in cause:
            hint = (
                " (add the package to the requirements, or to `extra_requirements:` in project.yml)"
            )
        elif re.match(r"KeyError|[\w.]*ImproperlyConfigured|[\w.]*UndefinedValueError", cause):
            hint = " (a missing environment variable belongs under `environment:` in project.yml)"
        return f"{what}: {cause}{hint}"

    return explain


def explain_start(log: str) -> tuple[str, str]:
    """What matters of a unit's log (40 lines at most), and the cause as the end of a sentence.

    A worker's traceback is the project's; what gunicorn's master prints after it hides it.
    """
    parts = log.split("Exception in worker process\n")
    if len(parts) == 1:
        return "\n".join(log.splitlines()[-40:]), ""
    own = re.split(r"^\[", parts[1], maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    # The line after the last frame; below it the worker repeats the message alone.
    errors = re.findall(r"^[A-Za-z_][\w.]*: .+", own, re.MULTILINE)
    cause = f": {errors[-1] if errors else last_line(own)}"
    if denied := re.search(r"(?:Read-only file system|Permission denied): '(.+)'", own):
        where = os.path.dirname(denied[1])
        cause += (
            f" (it cannot write to {where}: have the project write to a directory outside of the "
            "release, and name that under `writable:` in project.yml)"
        )
    return "\n".join(own.splitlines()[-40:]), cause


# --- the machine -----------------------------------------------------------------------------


def system(*argv: str, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the operating system as root; the caller looks at its return code."""
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout)


def point(link: Path, target: str) -> None:
    """Make the symlink `link` point to `target` in one atomic step."""
    fresh = link.with_name(f".{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.rename(link)


@dataclasses.dataclass(frozen=True)
class Release:
    """One built release: its directory, and its release.json, which is written last."""

    path: Path
    record: dict[str, Any]

    @property
    def id(self) -> str:
        """The name of its directory."""
        return self.path.name

    @property
    def age_key(self) -> tuple[str, str]:
        """Sorts releases from the oldest to the newest."""
        return self.record["prepared"], self.id

    @property
    def workdir(self) -> Path:
        """Where manage.py is."""
        return self.path / self.record["workdir"]

    @property
    def python(self) -> str:
        """The interpreter of its virtualenv."""
        return str(self.path / "venv/bin/python")


class Machine:
    """The layout under the project's root, its two slots, and how things are run here."""

    def __init__(self, config: Config, progress: Progress) -> None:
        """Raises UsageError when the project's user is missing."""
        self.config, self.progress = config, progress
        self.root = config.root
        self.releases, self.venvs = self.root / "releases", self.root / "venvs"
        self.build, self.slots = self.root / "build", self.root / "slots"
        self.static, self.cache = self.root / "static", self.root / ".cache"
        self.lock_file, self.history = self.root / "release.lock", self.root / "history"
        self.site_lock_file = self.root / "site.lock"
        self.current = self.root / "current"
        self.by = "root"
        try:
            self.account = pwd.getpwnam(config.user)
        except KeyError as error:
            sentence = f"{config.file} names the user {config.user}, which is missing."
            raise UsageError(sentence) from error

    @property
    def drops(self) -> bool:
        """Whether there are root's privileges to drop (there are none in tests)."""
        return os.geteuid() == 0 and self.account.pw_uid != 0

    def ensure_directories(self) -> None:
        """Make what is missing of the layout."""
        self.slots.mkdir(exist_ok=True)
        for path in (self.releases, self.venvs, self.build, self.static, self.cache):
            if not path.exists():
                path.mkdir()
                if self.drops:
                    os.chown(path, self.account.pw_uid, self.account.pw_gid)

    @contextmanager
    def as_user(self) -> Iterator[None]:
        """Touch files as the project's user: root in a user's directory follows any symlink."""
        if not self.drops:
            yield
            return
        os.setegid(self.account.pw_gid)
        os.seteuid(self.account.pw_uid)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def environment(self, release: Release | None = None) -> dict[str, str]:
        """What project code sees: the machine's settings, the release's, nothing of root's."""
        files = [self.config.environment_file] + ([release.path / "release.env"] if release else [])
        variables = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.root),
            "USER": self.config.user,
            "LOGNAME": self.config.user,
            "LANG": "C.UTF-8",
        }
        for file in files:
            variables |= parse_environment(file.read_text(), str(file))
        return variables

    def run(
        self,
        argv: Sequence[str],
        step: str,
        explain: Callable[[str], str],
        env: Mapping[str, str],
        cwd: Path,
        stdin: str | None = None,
    ) -> str:
        """Run as the project's user, in a process group that ends when this command does.

        Returns stdout. A failure raises ReleaseError with `explain(output)` and the output's tail.
        """
        account = self.account
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            umask=0o022,
            **(who if self.drops else {}),
        )
        if nice := os.getpriority(os.PRIO_PROCESS, 0):
            set_nice(process.pid, nice)  # its session is a new one
        try:
            out, err = process.communicate(stdin)
        except BaseException:
            end_group(process)
            raise
        if process.returncode:
            output = out + err
            raise ReleaseError(step, explain(output), "\n".join(output.splitlines()[-40:]))
        return out

    # slots

    def unit(self, slot: str) -> str:
        """The web unit that runs `slot`."""
        return self.config.web_unit.format(slot=slot)

    def socket(self, slot: str) -> str:
        """Where that unit listens."""
        return self.config.socket.format(slot=slot)

    def live_slot(self) -> str | None:
        """The slot that nginx's symlink leads to; None before the first release."""
        with suppress(OSError):
            target = os.readlink(self.config.live_socket)
            return next((slot for slot in SLOTS if self.socket(slot) == target), None)
        return None

    def slot_target(self, slot: str) -> str | None:
        """The id that the slot's symlink names."""
        with suppress(OSError):
            return os.path.basename(os.readlink(self.slots / slot))
        return None

    def pinned(self) -> set[str]:
        """Ids that a slot names: running, or what a reboot would start."""
        return {target for slot in SLOTS if (target := self.slot_target(slot))}

    def live(self) -> Release | None:
        """The release that visitors get."""
        slot = self.live_slot()
        target = self.slot_target(slot) if slot else None
        return self.load(target) if target else None

    def fingerprint(self) -> str:
        """One hash over the files that a running slot has read at its start."""
        digest = hashlib.sha256()
        for path in self.config.runtime_files:
            content = path.read_bytes() if path.exists() else b""
            digest.update(f"{path} {path.exists()} {len(content)}\n".encode() + content)
        return digest.hexdigest()

    def is_stale(self) -> bool:
        """Whether the live slot started before the files it depends on changed."""
        slot = self.live_slot()
        if slot is None:
            return False
        file = self.slots / f"{slot}.fingerprint"
        return not file.exists() or file.read_text() != self.fingerprint()

    # releases

    def load(self, id: str) -> Release | None:
        """The complete release `id`; None when it is missing or half-built."""
        path = self.releases / id
        with suppress(OSError, ValueError):
            if (path / "venv/.complete").exists():
                return Release(path, json.loads((path / "release.json").read_text()))
        return None

    def require(self, id: str) -> Release:
        """The complete release `id`; raises UsageError that names those there are."""
        if release := self.load(id) if valid_id(id) else None:
            return release
        known = ", ".join(release.id for release in self.all()) or "none"
        raise UsageError(f"no release {id} on this machine; there are: {known}.")

    def all(self) -> list[Release]:
        """Every complete release, the newest first."""
        names = [path.name for path in self.releases.iterdir()] if self.releases.exists() else []
        found = [release for name in names if (release := self.load(name))]
        return sorted(found, key=lambda release: release.age_key, reverse=True)

    def went_live(self) -> list[dict[str, str]]:
        """Every time a release went live on this machine, the first one first."""
        lines = self.history.read_text().splitlines() if self.history.exists() else []
        rows = [line.split(maxsplit=3) for line in lines]
        names = ("since", "id", "slot", "by")
        return [dict(zip(names, [*row, ""][:4], strict=True)) for row in rows if len(row) > 2]

    def good(self) -> set[str]:
        """Ids that have been live on this machine."""
        return {row["id"] for row in self.went_live()}

    def discard(self, path: Path) -> None:
        """Remove a release, a virtualenv or a staging directory, unless something runs from it."""
        if path.parent == self.releases and path.name in self.pinned():
            return
        if path.parent == self.venvs and any(r.record["venv"] == path.name for r in self.all()):
            return
        with self.as_user():
            if path.is_symlink() or not path.is_dir():  # somebody's own, where only releases are
                path.unlink(missing_ok=True)
                return
            # The mark of completeness goes first: killed half-way, the rest counts as half-built.
            for mark in ("release.json", ".complete"):
                (path / mark).unlink(missing_ok=True)
            shutil.rmtree(path, ignore_errors=True)


def valid_id(id: str) -> bool:
    """Whether `id` can name a release's directory."""
    return bool(re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", id, re.ASCII))


def set_nice(pid: int, nice: int) -> None:
    """Say how readily a process leaves the processors to others: 0 as usual, 19 most of all.

    Linux weighs sessions against each other where it groups by them, as it does on Debian, and else
    processes (man 7 sched, the autogroup feature); so both are told.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))


@contextmanager
def giving_way() -> Iterator[None]:
    """Let visitors go first: what is started meanwhile takes what is left of the processors."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    set_nice(os.getpid(), BUILD_NICE)
    try:
        yield
    finally:
        set_nice(os.getpid(), before)


def end_group(process: subprocess.Popen[str]) -> None:
    """End a process and its children: politely, after 10 s for good."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(10)
            return


@contextmanager
def undoing() -> Iterator[ExitStack]:
    """A stack of callbacks that run, last first, only when the block fails."""
    undo = ExitStack()
    try:
        yield undo
    except BaseException:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave half an undo
        undo.close()
        raise


@contextmanager
def locked(machine: Machine, what: str) -> Iterator[None]:
    """Hold the machine's release lock, which the kernel frees however this process ends."""
    with os.fdopen(os.open(machine.lock_file, os.O_RDWR | os.O_CREAT, 0o644), "r+") as file:
        for attempt in range(10):  # `release status` holds it for an instant
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if attempt == 9:
                    raise Busy(lock_body(machine.lock_file)) from error
                time.sleep(0.1)
        file.truncate()
        json.dump({"pid": os.getpid(), "what": what, "since": now(), "by": machine.by}, file)
        file.flush()
        yield


def lock_body(file: Path) -> dict[str, Any]:
    """What the last holder of a lock wrote about itself."""
    with suppress(OSError, ValueError):
        return json.loads(file.read_text())
    return {}


def lock_holder(file: Path) -> dict[str, Any] | None:
    """Who holds a lock now; None when nobody does."""
    with suppress(FileNotFoundError), open(file) as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return lock_body(file)
    return None


# --- the lock over the whole site ------------------------------------------------------------


def hold(machine: Machine, what: str, beats: BinaryIO, say: Callable[[str], None]) -> None:
    """Hold the lock over the whole site for a release that is led from elsewhere.

    Whoever leads it sends a line every few seconds, which says what is being done now. The lock is
    free again when the lines end, or stay away for HOLD_SILENCE seconds: a leader that was killed,
    or lost its network, holds nobody up. What the lock's file says then stays, so that the next
    leader can be told that a release was cut off. Raises Busy if another one holds it.

    `say` is given one JSON object: `token`, which the commands of this release bring along, and
    `cut_off`, what the last leader wrote if it did not end by itself, else null.
    """
    with os.fdopen(os.open(machine.site_lock_file, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(lock_body(machine.site_lock_file)) from error
        cut_off = lock_body(machine.site_lock_file) or None
        body = {"pid": os.getpid(), "what": what, "since": now(), "by": machine.by}
        body["token"] = os.urandom(8).hex()

        def write(text: str) -> None:
            file.seek(0)
            file.truncate()
            file.write(text)
            file.flush()

        write(json.dumps(body))
        say(json.dumps({"token": body["token"], "cut_off": cut_off}))
        left = b""
        while select.select([beats], [], [], HOLD_SILENCE)[0]:
            read = os.read(beats.fileno(), 4096)
            if not read:
                return  # cut off: the file keeps what was being done
            *lines, left = (left + read).split(b"\n")
            for line in lines:
                if line == b"done":
                    write("")
                    return
                if line:
                    write(json.dumps(body | {"what": line.decode(errors="replace")}))


def check_site_lock(machine: Machine, token: str) -> None:
    """Raise Busy if a release of the whole site runs that this command does not belong to."""
    holder = lock_holder(machine.site_lock_file)
    if holder is not None and holder.get("token") != token:
        raise Busy(holder)


def now() -> str:
    """The time in UTC, as text that sorts."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")


# --- prepare: the archive --------------------------------------------------------------------


def read_build(archive: Path, project: str) -> dict[str, Any]:
    """build.json of an archive made for `project`; raises ReleaseError."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            member = tar.extractfile("build.json")
            build = json.load(member) if member else None
    except (OSError, KeyError, ValueError, tarfile.TarError, EOFError) as error:
        sentence = f"{archive} is not a release archive ({error}); build it with the kit again."
        raise ReleaseError("archive", sentence) from error
    lacking = [key for key in sorted(BUILD_KEYS) if not isinstance(build, dict) or key not in build]
    if lacking:
        raise ReleaseError("archive", f"build.json in {archive} lacks {', '.join(lacking)}.")
    if build["project"] != project:
        sentence = f"{archive} holds {build['project']}; this machine runs {project}."
        raise ReleaseError("archive", sentence)
    for path in (build["workdir"], build["requirements"]["path"]):
        if path.startswith("/") or ".." in path.split("/"):
            raise ReleaseError("archive", f"build.json in {archive} names {path}, outside of it.")
    return build


def unpack(archive: BinaryIO, target: Path) -> None:
    """Unpack plain files, directories and symlinks that stay inside `target`, which must exist.

    Written by hand because Python 3.11.2 (Debian 12) has no extraction filters. Symlinks are made
    last, so that no file is ever written through one. Raises ReleaseError for anything else.
    """
    with tarfile.open(fileobj=archive, mode="r:gz") as tar:
        links = []
        for member in tar:
            name = os.path.normpath(member.name)
            path = target / name
            if name.startswith(("/", "..")) or not (
                member.isreg() or member.isdir() or member.issym()
            ):
                raise bad_member(member.name)
            if member.isdir():
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                links.append((path, member))
                continue
            source = tar.extractfile(member)
            assert source is not None  # a regular file always has content
            with source, open(path, "xb") as file:
                shutil.copyfileobj(source, file)
            path.chmod(0o755 if member.mode & 0o100 else 0o644)
        for path, member in links:
            path.symlink_to(member.linkname)
        for path, member in links:
            with suppress(RuntimeError, OSError):  # a loop, on some Python versions
                if path.resolve().is_relative_to(target.resolve()):
                    continue
            raise bad_member(member.name)


def bad_member(name: str) -> ReleaseError:
    """The refusal of an archive member."""
    sentence = f"the archive holds {name}, which would leave the release directory; it is refused."
    return ReleaseError("unpack", sentence)


# --- prepare: the virtualenv -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Requirements:
    """What the project asks for: `texts` by file name in the archive, or a package's `spec`."""

    kind: str
    path: str
    spec: str
    texts: dict[str, str]
    constraints: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether it installs something out of the archive itself, so no two builds are alike."""
        if self.kind == "requirements":
            lines = [line for text in self.texts.values() for line in logical_lines(text)]
            pattern = r"(-e|--editable)\b|[./]|file:|[^:]*\.(whl|gz|zip)$|[^;]*@\s*file:"
            return any(re.match(pattern, line) for line in lines)
        pattern = r'\{[^}]*\b(editable|directory|path|workspace)\s*=(?!\s*"\.")'
        return any(re.search(pattern, text) for text in self.texts.values())


def read_requirements(build: Mapping[str, Any], tree: Path) -> Requirements:
    """Read the files of build.json's requirements under `tree`, with all that they include."""
    given = build["requirements"]
    texts: dict[str, str] = {}
    constraints: list[str] = []

    def read(name: str, origin: str) -> None:
        name = os.path.normpath(name)
        if name in texts:
            return
        try:
            texts[name] = (tree / name).read_text()
        except OSError as error:
            sentence = f"{origin} names {name}, which is not in the archive; is it ignored by git?"
            raise ReleaseError("install", sentence) from error
        if given["kind"] != "requirements":
            return
        for line in logical_lines(texts[name]):
            pattern = r"(-r|-c|--requirement|--constraint)[\s=]*([^\s:]+)$"
            if include := re.match(pattern, line):
                included = os.path.normpath(os.path.join(os.path.dirname(name), include[2]))
                if name in constraints or include[1].lstrip("-").startswith("c"):
                    constraints.append(included)
                read(included, name)

    if given["kind"] != "package":
        read(given["path"], "build.json")
    if given["kind"] == "uv.lock":
        read(os.path.join(os.path.dirname(given["path"]), "pyproject.toml"), given["path"])
    path = os.path.normpath(given["path"])
    return Requirements(given["kind"], path, given["spec"], texts, tuple(constraints))


def logical_lines(text: str) -> list[str]:
    """Lines of a requirements file: continuations joined, comments and blank lines dropped."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def requirement_name(line: str) -> str:
    """The normalised distribution name of one requirement line; "" when it has none."""
    line = re.sub(r"^(-e|--editable)[\s=]+", "", line.strip())
    found = (
        re.search(r"#egg=([\w.-]+)", line)
        or re.search(r"://.*/([A-Za-z0-9_.]+)-[^/]*\.whl", line)
        or re.match(r"([A-Za-z0-9][\w.-]*)\s*($|[\s\[(<>=!~;@])", line)
    )
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def named(lines: Iterable[str]) -> set[str]:
    """The distributions that requirement lines name."""
    return {name for line in lines if (name := requirement_name(line))}


def needed_extras(
    extras: Iterable[str], names: Collection[str], constrained: Collection[str] = ()
) -> list[str]:
    """The kit's extras that the project does not name; its constraints choose their versions."""
    taken = set(names)
    if taken & {"psycopg2", "psycopg2-binary", "psycopg-binary"}:
        taken.add("psycopg")  # a driver of the same family is there already
    needed = [extra for extra in extras if requirement_name(extra) not in taken]
    bare = re.compile(r"\s*[<>=!~;@].*")
    return [
        bare.sub("", extra) if requirement_name(extra) in constrained else extra for extra in needed
    ]


def venv_name(requirements: Requirements, extras: Sequence[str], python: str, identity: str) -> str:
    """16 hex: the same for the same requirements, extras and Python, whatever the code is."""
    own = identity if requirements.is_local else ""
    parts = [dataclasses.asdict(requirements), sorted(extras), python, own]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def python_version(machine: Machine, build: Mapping[str, Any]) -> str:
    """The X.Y that the release runs on."""
    if build["python"]:
        return build["python"]
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    argv = [machine.config.python, "-c", script]
    return machine.run(argv, "install", last_line, machine.environment(), machine.root).strip()


def uv_environment(machine: Machine) -> dict[str, str]:
    """What uv sees: the machine's settings, the system's certificates, never a Python download."""
    return machine.environment() | {
        "UV_CACHE_DIR": str(machine.cache / "uv"),
        "UV_SYSTEM_CERTS": "1",
        "UV_NATIVE_TLS": "1",  # the older name of the line above
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_COMPILE_BYTECODE": "1",
        "UV_NO_PROGRESS": "1",
    }


def make_venv(machine: Machine, build: Mapping[str, Any], tree: Path, undo: ExitStack) -> str:
    """Make or reuse the virtualenv for the archive unpacked at `tree`; returns its name.

    A virtualenv cannot be moved, so it is built in place and marked complete at the end.
    """
    extras, version = build["extra_requirements"], python_version(machine, build)
    with machine.as_user():
        wanted = read_requirements(build, tree)
    venv = machine.venvs / venv_name(wanted, extras, version, build["identity"])
    if (venv / ".complete").exists():
        machine.progress.note(f"the virtualenv {venv.name} is there already")
        return venv.name
    machine.discard(venv)
    require_space(machine.venvs, VENV_SPACE)
    undo.callback(machine.discard, venv)
    folder = tree / os.path.dirname(wanted.path)

    def uv(*argv: str, stdin: str | None = None) -> str:
        def explain(output: str) -> str:
            return explain_uv(output, machine.venvs)

        env = uv_environment(machine)
        return machine.run([machine.config.uv, *argv], "install", explain, env, folder, stdin)

    at = ("--python", str(venv))
    uv("venv", "--python", build["python"] or machine.config.python, str(venv))
    source, stdin, constrained = ["-r", str(tree / wanted.path)], None, set[str]()
    if wanted.kind == "package":
        source = [wanted.spec]
        # What a package pins is known only once it is resolved.
        names = named(logical_lines(uv("pip", "compile", "-q", *at, "-", stdin=wanted.spec)))
    elif wanted.kind == "uv.lock":
        source = ["-r", "-"]
        options = ("--frozen", "--no-dev", "--no-emit-project", "--no-editable", *at)
        stdin = uv("export", "-q", *options)
        names = named(logical_lines(stdin))
    elif wanted.kind == "pyproject":
        project = tomllib.loads(wanted.texts[wanted.path]).get("project", {})
        names = named(project.get("dependencies", []))
    else:
        lines = {name: logical_lines(text) for name, text in wanted.texts.items()}
        names = named(line for name in lines.keys() - wanted.constraints for line in lines[name])
        constrained = named(line for name in wanted.constraints for line in lines[name])
    if wanted.is_local:  # an editable install would point into the staging directory
        source.insert(0, "--no-editable")
    uv("pip", "install", *at, *source, *needed_extras(extras, names, constrained), stdin=stdin)
    with machine.as_user():
        (venv / ".complete").touch()
    return venv.name


# --- prepare: static files -------------------------------------------------------------------


def static_files(folder: Path) -> Iterator[str]:
    """Paths of plain files under `folder`, relative to it, in a fixed order."""
    for base, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(base, name)
            if not path.is_symlink() and not name.endswith(".espalier-new"):
                yield str(path.relative_to(folder))


def compress_static(folder: Path) -> int:
    """Make files readable by nginx, and write a .gz beside those that shrink; returns how many."""
    count = 0
    folder.chmod(0o755)
    for path in [folder / name for name in static_files(folder)]:
        path.chmod(0o644)
        path.parent.chmod(0o755)
        sibling = path.with_name(path.name + ".gz")
        if path.suffix.lower() not in COMPRESSIBLE or sibling.exists():
            continue
        stat = path.stat()
        if stat.st_size <= COMPRESS_ABOVE:
            continue
        content = gzip.compress(path.read_bytes(), 9, mtime=0)
        if len(content) < stat.st_size:
            sibling.write_bytes(content)
            sibling.chmod(0o644)
            os.utime(sibling, ns=(stat.st_mtime_ns, stat.st_mtime_ns))  # nginx answers with it
            count += 1
    return count


def differs(one: Path, other: Path) -> bool:
    """Whether both files exist and have different content."""
    return one.exists() and other.exists() and not filecmp.cmp(one, other, shallow=False)


def publish_static(folder: Path, store: Path, replace: bool) -> int:
    """Link files of `folder` that the shared `store` lacks; returns how many.

    With `replace` also those whose content differs. Each appears by an atomic rename.
    """
    count = 0
    for name in sorted(static_files(folder)):  # a plain file before its compressed one
        source, target = folder / name, store / name
        plain = name.removesuffix(".gz")
        if not replace and plain != name and differs(folder / plain, store / plain):
            continue  # it would stand beside another content, and nginx would serve it for that
        if target.exists() and not replace:
            continue
        if target.exists() and filecmp.cmp(source, target, shallow=False):
            continue
        if replace:  # nginx must not serve what was compressed of the content before
            target.with_name(f"{target.name}.gz").unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.espalier-new")
        fresh.unlink(missing_ok=True)
        try:
            fresh.hardlink_to(source)
        except OSError:  # another filesystem, or one without hard links
            shutil.copy2(source, fresh)
        fresh.rename(target)
        count += 1
    return count


def prune_static(machine: Machine, folders: Sequence[Path]) -> int:
    """Remove the files of the shared store that none of `folders` has; returns how many."""
    count = 0
    with machine.as_user():
        for name in list(static_files(machine.static)):
            plain = name.removesuffix(".gz")
            if any((folder / name).exists() or (folder / plain).exists() for folder in folders):
                continue
            (machine.static / name).unlink()
            count += 1
        for base, _, _ in os.walk(machine.static, topdown=False):
            if Path(base) != machine.static:
                with suppress(OSError):  # not empty
                    os.rmdir(base)
    return count


def add_missing(shipped: Path, folder: Path) -> int:
    """Copy the files of `shipped` that `folder` lacks; returns how many."""
    missing = [name for name in static_files(shipped) if not (folder / name).exists()]
    for name in missing:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(shipped / name, folder / name)
    return len(missing)


def collect_static(machine: Machine, release: Release, found: Mapping[str, Any]) -> str:
    """Run collectstatic and publish; returns the static folder inside the release, or ""."""

    def manage(*command: str) -> None:
        argv = [release.python, release.record["manage"], *command]
        explain = explain_django(f"{command[0]} failed")
        out = machine.run(argv, "static", explain, machine.environment(release), release.workdir)
        machine.progress.note(last_line(out))

    if not found["staticfiles"] or not found["static_root"]:
        lacking = "STATIC_ROOT" if found["staticfiles"] else "django.contrib.staticfiles"
        machine.progress.note(f"skipped: the project's settings have no {lacking}")
        return ""
    manage("collectstatic", "--noinput")
    folder = Path(found["static_root"])
    # A package may ship what its build (Vite, webpack) made in the place where it collects static
    # files, inside the virtualenv, and only there.
    if found["shipped"] and folder.is_relative_to(release.path):
        with machine.as_user():
            count = add_missing(Path(found["shipped"]), folder)
        machine.progress.note(f"{count} more that the package ships collected")
    if found["compress"]:  # django-compressor, told to serve only what was compressed before
        manage("compress")
    if not folder.is_relative_to(release.path):
        machine.progress.note(f"not published: the project collects into {folder} by itself")
        return ""
    with machine.as_user():
        folder.mkdir(parents=True, exist_ok=True)
        compress_static(folder)
        publish_static(folder, machine.static, replace=False)
    return str(folder.relative_to(release.path))


# --- prepare ---------------------------------------------------------------------------------


def release_environment(build: Mapping[str, Any], path: Path) -> dict[str, str]:
    """The release's own variables; `path` is where the release will be."""
    overlay = "espalier_overlay.settings"
    return {
        "DJANGO_SETTINGS_MODULE": overlay if build["overlay"] else build["settings"],
        "ESPALIER_SETTINGS": build["settings"],
        "ESPALIER_RELEASE": path.name,
        "ESPALIER_STATIC_ROOT": str(path / "static"),
        "PYTHONPATH": f"{path}/overlay:{path}/{build['workdir']}",
    }


# Words after which a line is more than one command.
SHELL_WORDS = {"case", "cd", "exec", "export", "for", "if", "set", "trap", "until", "while"}
SHELL_WORDS |= {"!", "."}
# The server's command line; `$socket` is the slot's, sizes come from the machine's environment.
SERVERS = {
    "uvicorn": (
        'uvicorn --uds "$socket" --workers "$ESPALIER_WEB_WORKERS" --no-access-log --proxy-headers '
        "--forwarded-allow-ips '*' --timeout-graceful-shutdown \"$ESPALIER_WEB_TIMEOUT\" "
        "{application}"
    ),
    "granian": (
        'granian --interface {interface} --uds "$socket" --workers "$ESPALIER_WEB_WORKERS" '
        '--uds-permissions 666 --workers-kill-timeout "$ESPALIER_WEB_TIMEOUT" '
        "{threads}{application}"
    ),
    # Told to end, uwsgi would drop its requests.
    "uwsgi": (
        'uwsgi --http-socket "$socket" --chmod-socket=666 --master --need-app --die-on-term '
        '--hook-master-start "unix_signal:15 gracefully_kill_them_all" --disable-logging '
        '--processes "$ESPALIER_WEB_WORKERS" --threads "$ESPALIER_WEB_THREADS" '
        '--harakiri "$ESPALIER_WEB_TIMEOUT" --buffer-size 32768 --module {application}'
    ),
}


def script_begin(build: Mapping[str, Any]) -> str:
    """How a script in bin/ begins: `$release` is its release, and it is beside manage.py."""
    # `pwd -P` leaves the slot's symlink, so that `ps` shows which release a process belongs to.
    return (
        "#!/bin/sh\n"
        'release=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1\n'
        f'cd "$release"/{shlex.quote(build["workdir"])} || exit 1\n'
    )


def web_script(build: Mapping[str, Any], gunicorn_config: Path) -> str:
    """The text of bin/web, which the web unit runs with --bind."""
    # The asgi worker warns of a number of threads, as it starts one for each request under way.
    worker = "--worker-class asgi --threads 1 " if build["interface"] == "asgi" else ""
    quote, begin = shlex.quote, script_begin(build)
    if line := SERVERS.get(build.get("server", "")):
        threads = '--blocking-threads "$ESPALIER_WEB_THREADS" ' if not worker else ""
        command = line.format(
            application=quote(build["application"]),
            interface="asginl" if worker else "wsgi",
            threads=threads,
        )
        # Not every server takes the place of a socket that another one has left behind.
        rest = f'socket=${{2#unix:}}\nrm -f "$socket"\nexec "$release/venv/bin/"{command}\n'
        return begin + rest
    return (
        f'{begin}exec "$release/venv/bin/gunicorn" --config {quote(str(gunicorn_config))} '
        f'{worker}"$@" {quote(build["application"])}\n'
    )


def shell_line(command: str) -> str:
    """A command as a line for a shell that becomes it, so that it is the one told to end.

    A shell stays where the line is more than one command; to pass signals on is its business then.
    """
    first = command.split(maxsplit=1)[0]
    if re.search(r"[;&|<>(){}`\n]", command) or first in SHELL_WORDS:
        return command
    return f"exec env {command}" if "=" in first else f"exec {command}"


def process_script(build: Mapping[str, Any]) -> str:
    """The script that becomes one of the project's other processes, or one of its commands.

    Its argument is `NAME-NUMBER` for a process, `NAME` for what is scheduled. Commands are the
    project's, for a shell, in the directory of manage.py, with the virtualenv in front.
    """
    cases = ""
    for name, process in build.get("processes", {}).items():
        run = f"exec sh -c {shlex.quote(shell_line(process['command']))}"
        if process["single"]:
            alone = f'"$release/venv/bin/python" -m espalier_overlay.alone {name} --'
            run = f"exec {alone} sh -c {shlex.quote(shell_line(process['command']))}"
        cases += f"{name}-*) {run};;\n"
    for name, scheduled in build.get("schedule", {}).items():
        cases += f"{name}) exec sh -c {shlex.quote(scheduled['command'])};;\n"
    return (
        f'{script_begin(build)}PATH="$release/venv/bin:$PATH"\n'
        f'case "$1" in\n{cases}*) echo "$1 is no process of this release" >&2; exit 1;;\nesac\n'
    )


def find_prepared(machine: Machine, build: Mapping[str, Any], id: str | None) -> Release | None:
    """A complete release of the same archive and Python; with `id`, only that one."""
    if id and not valid_id(id):
        raise UsageError(f"{id!r} cannot name a release; use letters, digits, '.', '_' and '-'.")
    python = python_version(machine, build)
    same = [
        release
        for release in machine.all()
        if release.record["identity"] == build["identity"] and release.record["python"] == python
    ]
    if id is None:
        return same[0] if same else None
    if machine.load(id) and id not in {release.id for release in same}:
        raise UsageError(f"release {id} exists with other content; choose another --id.")
    return next((release for release in same if release.id == id), None)


@giving_way()
def prepare(
    machine: Machine, archive: Path, id: str | None, undo: ExitStack
) -> tuple[Release, bool]:
    """Build the release of `archive`, or find it built; returns it and whether it was built now."""
    build = read_build(archive, machine.config.project)
    check_schedule(build)
    if release := find_prepared(machine, build, id):
        return release, False
    stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    id = id or f"{stamp}-{build['identity'][:6]}"
    staging, path = machine.build / id, machine.releases / id
    step = machine.progress.step
    with step("unpack", f"unpack {build['source']} as {id}"):
        remove_leftovers(machine)
        with tarfile.open(archive, "r:gz") as tar:
            # unpacked once, again as bytecode, and again as static files
            require_space(machine.build, 3 * sum(member.size for member in tar) + 50 * MEGABYTE)
        undo.callback(machine.discard, staging)
        # opened as root, since an upload may be for root's eyes only
        with open(archive, "rb") as file, machine.as_user():
            staging.mkdir()
            unpack(file, staging)
    with step("install", "install requirements"):
        venv = make_venv(machine, build, staging, undo)
    with step("unpack", "write the release's own files"), machine.as_user():
        text = format_environment(release_environment(build, path))
        (staging / "release.env").write_text(text)
        (staging / "bin").mkdir()
        config = machine.config.file.parent / "gunicorn.conf.py"
        for name, text in (
            ("web", web_script(build, config)),
            ("process", process_script(build)),
        ):
            (staging / "bin" / name).write_text(text)
            (staging / "bin" / name).chmod(0o755)
        (staging / "venv").symlink_to(f"../../venvs/{venv}")
        undo.callback(machine.discard, path)
        staging.rename(path)
    record = build | {"id": path.name, "venv": venv, "python": python_version(machine, build)}
    release = Release(path, record)
    with step("check", "import the project's settings"):
        argv = [release.python, "-c", SETTINGS_CHECK]
        explain = explain_django(f"the settings {build['settings']} do not load here")
        env = machine.environment(release)
        found = json.loads(last_line(machine.run(argv, "check", explain, env, release.workdir)))
    with step("static", "collect static files"):
        record["static"] = collect_static(machine, release, found)
    with step("compile", "compile to bytecode"), suppress(ReleaseError):
        argv = [release.python, "-m", "compileall", "-q", "code", "overlay"]
        machine.run(argv, "compile", last_line, env, path)  # a project may hold odd files
    with step("unpack", "mark the release complete"), machine.as_user():
        record["prepared"] = now()
        fresh = path / ".release.json.new"
        fresh.write_text(json.dumps(record, indent=1) + "\n")
        fresh.rename(path / "release.json")
    return release, True


# --- migrate ---------------------------------------------------------------------------------


def migration_files(release: Release) -> set[tuple[str, str]]:
    """What a release's migrations are made of: its own files, by content, and its virtualenv."""
    files = {("", release.record["venv"])}
    for path in (release.path / "code").rglob("migrations/*.py"):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.add((str(path.relative_to(release.path)), digest))
    return files


def ask_guard(machine: Machine, release: Release, command: str, stdin: str | None = None) -> Any:
    """Ask `espalier_overlay.guard` in a release; None where it has none, as an older kit's."""
    if not (release.path / "overlay/espalier_overlay/guard.py").exists():
        return None
    argv = [release.python, "-m", "espalier_overlay.guard", command]
    env = machine.environment(release)
    explain = explain_django("the migrations cannot be looked at (--accept all goes on without)")
    return json.loads(last_line(machine.run(argv, "guard", explain, env, release.workdir, stdin)))


def guard(machine: Machine, code: Release, other: Release, command: str) -> list[dict[str, Any]]:
    """What `code`'s migrations do to `other`; [] where both have the same ones."""
    if migration_files(code) == migration_files(other):
        return []
    known = ask_guard(machine, other, "columns")
    return (ask_guard(machine, code, command, json.dumps(known)) or []) if known else []


def refuse_unsafe(
    step: str, verdicts: Sequence[Mapping[str, Any]], accepted: Collection[str], what: str
) -> None:
    """Raise ReleaseError for what the code that runs meanwhile could not live with."""
    unsafe = [
        (verdict["migration"], issue)
        for verdict in verdicts
        for issue in verdict["issues"]
        if verdict["migration"] not in accepted
        and (issue["code"] != "IRREVERSIBLE" or step == "rollback")
    ]
    if not unsafe:
        return
    lines = [
        f"{name}: {issue['message']}"
        + (f"\n    instead: {issue['fix']}" if step == "migrate" else "")
        for name, issue in unsafe
    ]
    word = " ".join(f"--accept {name}" for name in dict.fromkeys(name for name, _ in unsafe))
    raise ReleaseError(step, f"{what}; to do it all the same, say {word}.", "\n".join(lines))


def migrate(machine: Machine, release: Release, accepted: Collection[str] = ()) -> bool:
    """Apply the release's migrations under the database's lock; returns whether there were any.

    Before that, what the live release could not live with is refused, unless it is accepted.
    """
    live = machine.live()
    if live and live.id != release.id:
        with machine.progress.step("migrate", "look at the migrations"):
            verdicts = [] if "all" in accepted else guard(machine, release, live, "check")
            for verdict in verdicts:
                for lock in verdict["locks"]:
                    machine.progress.note("{table}: {lock} ({effect})".format_map(lock))
            what = f"the live release {live.id} could not live with these migrations"
            refuse_unsafe("migrate", verdicts, accepted, what)
    with machine.progress.step("migrate", "migrate the database"):
        argv = [release.python, "-m", "espalier_overlay.migrate"]
        argv += ["--lock-timeout", machine.config.lock_timeout]
        env = machine.environment(release)
        explain = explain_django("the migrations failed")
        out = machine.run(argv, "migrate", explain, env, release.workdir)
        for line in out.splitlines():
            machine.progress.note(line)
    return "nothing to migrate" not in out.lower()


# --- switch ----------------------------------------------------------------------------------


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        """`path` is the socket's; `timeout` (s) is for each read and write."""
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        """Connect to the socket instead of to a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a probe got: an HTTP status (0: no answer at all) and the beginning of the body."""

    status: int
    body: str

    def is_good(self, release: Release) -> bool:
        """Whether it is this release that answers, and is ready."""
        if not release.record["overlay"]:
            # 400 is what Django answers to a host that ALLOWED_HOSTS lacks.
            return 0 < self.status < 500 and self.status != 400
        with suppress(ValueError, AttributeError):
            return self.status == 200 and json.loads(self.body).get("release") == release.id
        return False

    def __str__(self) -> str:
        """One line for a person."""
        return f"{self.status} {self.body.strip()[:500]}" if self.status else self.body


def probe(machine: Machine, slot: str, release: Release, timeout: float = 5) -> Answer:
    """Ask the slot once whether it is ready."""
    path = machine.config.probe_path if release.record["overlay"] else "/"
    return ask(machine, slot, path, timeout)


def ask(machine: Machine, slot: str, path: str, timeout: float = 5) -> Answer:
    """Ask the slot for a page, as nginx would; never raises for a slot that does not answer."""
    connection = UnixConnection(machine.socket(slot), timeout)
    headers = {"Host": machine.config.probe_host, "X-Forwarded-Proto": "https"}
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(65536).decode(errors="replace"))
    except (OSError, http.client.HTTPException) as error:
        return Answer(0, f"no answer ({error or type(error).__name__})")
    finally:
        connection.close()


def choose_slot(live: str | None) -> str:
    """The slot that a new release starts in: the one that is not live."""
    return SLOTS[1] if live == SLOTS[0] else SLOTS[0]


def unit_state(unit: str) -> dict[str, str]:
    """What systemd says about a unit: ActiveState, NRestarts, Job (absent or 0: none queued)."""
    shown = system("systemctl", "show", unit, "-p", "ActiveState,NRestarts,Job").stdout
    return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)


def has_failed(state: Mapping[str, str]) -> bool:
    """Whether a unit that was asked to start has ended instead."""
    active = state.get("ActiveState")
    ended = active == "inactive" and state.get("Job", "0") in ("", "0")
    return active == "failed" or ended or state.get("NRestarts", "0") not in ("", "0")


def stop_slot(machine: Machine, slot: str) -> None:
    """Stop the slot's unit; it finishes its requests first, for `drain_timeout` seconds at most."""
    unit = machine.unit(slot)
    try:
        system("systemctl", "stop", unit, timeout=machine.config.drain_timeout)
    except subprocess.TimeoutExpired:
        machine.progress.note(f"{unit} did not finish its requests in time and is ended")
        system("systemctl", "kill", "--signal=SIGKILL", unit)
        system("systemctl", "stop", unit)


def set_enabled(unit: str, enabled: bool) -> None:
    """Choose whether a reboot starts the unit; says nothing to systemd when it is so already."""
    if (system("systemctl", "is-enabled", "--quiet", unit).returncode == 0) != enabled:
        verb = "enable" if enabled else "disable"
        done = system("systemctl", verb, unit)
        if done.returncode:
            raise ReleaseError("switch", f"systemctl {verb} {unit} failed.", done.stderr)


def abandon_slot(machine: Machine, slot: str, previous: str | None) -> None:
    """Undo the start of a slot that did not go live: stop it, point it where it pointed."""
    if machine.live_slot() == slot:
        return
    stop_slot(machine, slot)
    system("systemctl", "reset-failed", machine.unit(slot))
    with suppress(ReleaseError):
        set_enabled(machine.unit(slot), False)
    link = machine.slots / slot
    if previous:
        point(link, f"../releases/{previous}")
    else:
        link.unlink(missing_ok=True)


def wait_until_ready(machine: Machine, slot: str, release: Release, since: int) -> None:
    """Probe until the release answers; raises ReleaseError with the unit's log when it does not."""
    unit, limit = machine.unit(slot), machine.config.probe_timeout
    deadline = time.monotonic() + limit
    sentence = f"{unit} did not become ready within {limit:g} s"
    while True:
        answer = probe(machine, slot, release)
        if answer.is_good(release):
            return
        if has_failed(unit_state(unit)):
            sentence = f"{unit} ended while it started"
            break
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    log, cause = explain_start(unit_log(unit, since))
    detail = f"{log}\nlast answer to the probe: {answer}"
    raise ReleaseError("switch", f"{sentence}{cause}; its log and last answer follow.", detail)


def unit_log(unit: str, since: int) -> str:
    """What the unit wrote since a moment (Unix seconds), 400 lines at most."""
    wanted = ("-u", unit, "--since", f"@{since}", "-n", "400", "-o", "cat")
    return system("journalctl", *wanted).stdout


def warm_up(machine: Machine, slot: str, since: int) -> None:
    """Ask for the front page in every worker, so that the first visitor need not wait.

    Raises ReleaseError if it is a server error: a release can be ready, and all its pages broken.
    """
    with concurrent.futures.ThreadPoolExecutor(WARM_REQUESTS) as pool:
        pages = pool.map(lambda _: ask(machine, slot, "/", timeout=30), range(WARM_REQUESTS))
        broken = [page.status for page in pages if page.status >= 500]
    if broken:
        time.sleep(0.5)  # the journal is a moment behind
        log = "\n".join(unit_log(machine.unit(slot), since).splitlines()[-40:])
        sentence = (
            f"the front page answers {broken[0]}, though the release is ready; its log follows."
        )
        raise ReleaseError("switch", sentence, log)


def switch(machine: Machine, release: Release, undo: ExitStack) -> None:
    """Start the release in the idle slot and, when it answers, send visitors to it."""
    slot = choose_slot(machine.live_slot())
    unit, sock = machine.unit(slot), machine.socket(slot)
    with machine.progress.step("switch", f"start {release.id} in the {slot} slot"):
        stop_slot(machine, slot)
        undo.callback(abandon_slot, machine, slot, machine.slot_target(slot))
        point(machine.slots / slot, f"../releases/{release.id}")
        (machine.slots / f"{slot}.fingerprint").write_text(machine.fingerprint())
        since = int(time.time())
        # Whoever changed the unit or its socket's directory need not have told systemd.
        system("systemctl", "daemon-reload")
        system("systemd-tmpfiles", "--create", f"/etc/tmpfiles.d/{machine.config.project}.conf")
        system("systemctl", "reset-failed", unit)  # also sets its count of restarts to zero
        started = system("systemctl", "start", "--no-block", unit)
        if started.returncode:
            raise ReleaseError("switch", f"systemctl start {unit} failed.", started.stderr)
        wait_until_ready(machine, slot, release, since)
        warm_up(machine, slot, since)
    with machine.progress.step("switch", "send visitors to it"):
        if folder := release.record["static"]:
            with machine.as_user():
                publish_static(release.path / folder, machine.static, replace=True)
        # Enabled before the rename, and the other disabled after it (in `settle`): killed anywhere
        # in between, a reboot still starts the slot that nginx connects to.
        set_enabled(unit, True)
        with open(machine.history, "a") as history:
            history.write(f"{now()} {release.id} {slot} {machine.by}\n")
        point(machine.config.live_socket, sock)
        forget_pages(machine)


def forget_pages(machine: Machine) -> None:
    """Remove what nginx has cached of the release before; a missing file is a miss to nginx.

    Finished pages only, whose names are 32 hexadecimal digits: nginx may be writing the others.
    """
    for cache in machine.config.page_caches:
        for page in cache.glob("*/*/" + "[0-9a-f]" * 32):
            with suppress(OSError):  # nginx tidies up as well
                page.unlink()


def backlog(listing: str, path: str) -> int:
    """Connections waiting to be accepted at the unix socket `path`, from `ss -xlnH`."""
    rows = [row.split() for row in listing.splitlines()]
    return sum(int(row[2]) for row in rows if len(row) > 4 and row[4] == path)


def wait_for_backlog(machine: Machine, slot: str) -> None:
    """Wait, 10 s at most, until two looks 0.1 s apart find nobody waiting at the slot's socket."""
    empty, deadline = 0, time.monotonic() + 10
    while empty < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
        empty = 0 if backlog(system("ss", "-xlnH").stdout, machine.socket(slot)) else empty + 1


def settle(machine: Machine) -> None:
    """Make everything else agree with the live slot: links, what a reboot starts, the old slot.

    Also finishes what a run that was killed after its switch left open.
    """
    live = machine.live_slot()
    target = machine.slot_target(live) if live else None
    if live is None or target is None:
        return
    old = choose_slot(live)
    with machine.progress.step("retire", f"retire the {old} slot"):
        if not machine.current.is_symlink() or os.readlink(machine.current) != f"releases/{target}":
            point(machine.current, f"releases/{target}")
        set_enabled(machine.unit(live), True)
        set_enabled(machine.unit(old), False)
        if unit_state(machine.unit(old)).get("ActiveState") not in ("inactive", "failed"):
            wait_for_backlog(machine, old)
            stop_slot(machine, old)
            forget_pages(machine)  # its last answers came after the switch
    if release := machine.live():
        settle_processes(machine, release)


# --- the other processes ---------------------------------------------------------------------


def wanted_processes(release: Release) -> list[str]:
    """The instances that a release's other processes come to: `worker-1`, `worker-2`, …"""
    processes = release.record.get("processes", {})
    return [f"{name}-{n}" for name in processes for n in range(1, processes[name]["count"] + 1)]


def settle_processes(machine: Machine, release: Release) -> None:
    """Have the project's other processes and its timers be those of the live release.

    A process is told to end and starts again with the new code once it has finished the job in
    hand; that is not waited for. One that the release does not name any more ends the same way.
    """
    wanted = {name: f"{release.id} {machine.fingerprint()}" for name in wanted_processes(release)}
    marks = {path.name.removeprefix("process-"): path for path in machine.slots.glob("process-*")}
    schedule = release.record.get("schedule", {}) if machine.config.is_first else {}
    timers = {timer_file(machine, name): timer(machine, one) for name, one in schedule.items()}
    there = set(UNITS.glob(machine.config.schedule_unit.format(name="*") + ".timer"))
    changed = [p for p, text in timers.items() if not p.exists() or p.read_text() != text]
    stale = [
        name
        for name, text in wanted.items()
        if name not in marks or marks[name].read_text() != text
    ]
    gone = marks.keys() - wanted.keys()
    if not (stale or gone or changed or there - timers.keys()):
        return
    with machine.progress.step("processes", "hand the code to the other processes"):
        for path in there - timers.keys():
            system("systemctl", "disable", "--now", path.name)
            path.unlink()
        for path in changed:
            path.write_text(timers[path])
        system("systemctl", "daemon-reload")
        for path in changed:
            required("processes", "systemctl", "enable", path.name)
            required("processes", "systemctl", "restart", path.name)
        for name in sorted(gone):
            unit = machine.config.process_unit.format(name=name)
            system("systemctl", "disable", unit)
            system("systemctl", "stop", "--no-block", unit)
            marks[name].unlink()
        for name in stale:
            unit = machine.config.process_unit.format(name=name)
            set_enabled(unit, True)
            system("systemctl", "reset-failed", unit)
            required("processes", "systemctl", "restart", "--no-block", unit)
            (machine.slots / f"process-{name}").write_text(wanted[name])


def required(step: str, *argv: str) -> None:
    """Run a command of the operating system; raises ReleaseError if it fails."""
    done = system(*argv)
    if done.returncode:
        raise ReleaseError(step, f"{' '.join(argv)} failed: {last_line(done.stderr)}", done.stderr)


def timer_file(machine: Machine, name: str) -> Path:
    """Where the timer of a scheduled command is."""
    return UNITS / f"{machine.config.schedule_unit.format(name=name)}.timer"


def timer(machine: Machine, scheduled: Mapping[str, str]) -> str:
    """The timer of a scheduled command."""
    return (
        "# Written by `release` from `schedule` in project.yml.\n[Timer]\n"
        f"OnCalendar={scheduled['when']}\nPersistent=true\n\n"
        "[Install]\nWantedBy=timers.target\n"
    )


def check_schedule(build: Mapping[str, Any]) -> None:
    """Raise ReleaseError for a time that systemd does not understand."""
    for name, scheduled in build.get("schedule", {}).items():
        done = system("systemd-analyze", "calendar", scheduled["when"])
        if done.returncode:
            raise ReleaseError(
                "check",
                f"`schedule: {name}: when: {scheduled['when']}` in project.yml is no time that "
                "systemd understands. Write for example daily, hourly, or Mon..Fri 06:30.",
                done.stderr,
            )


def process_states(machine: Machine) -> dict[str, dict[str, str]]:
    """How the other processes are: systemd's word, and the release that each was started with."""
    states = {}
    for mark in sorted(machine.slots.glob("process-*")):
        name = mark.name.removeprefix("process-")
        unit = machine.config.process_unit.format(name=name)
        state = unit_state(unit).get("ActiveState", "unknown")
        states[name] = {"state": state, "release": mark.read_text().split()[0]}
    return states


def run_hooks(machine: Machine, release: Release, moment: str) -> int:
    """Run the commands that the project names for a moment of a release; returns how many."""
    commands = release.record.get("hooks", {}).get(moment, [])
    env = machine.environment(release)
    env["PATH"] = f"{release.path}/venv/bin:{env['PATH']}"
    for command in commands:
        with machine.progress.step("hook", f"{moment}: {command}"):

            def explain(output: str, command: str = command) -> str:
                return f"the hook `{command}` failed: {last_line(output)}"

            out = machine.run(["sh", "-c", command], "hook", explain, env, release.workdir)
            if out.strip():
                machine.progress.note(last_line(out))
    return len(commands)


# --- clean -----------------------------------------------------------------------------------


def kept(
    newest_first: Sequence[Release], good: set[str], pinned: set[str], live: str | None, keep: int
) -> set[str]:
    """Ids to keep: the newest `keep` that have been live, those in slots, those still waiting.

    A release that was never live waits for its switch when it is newer than the live one.
    """
    ids = [release.id for release in newest_first]
    waiting = ids[: ids.index(live)] if live in ids else ids
    proven = [id for id in ids if id in good][:keep]
    return {*pinned, *proven, *(id for id in waiting if id not in good)}


def remove_leftovers(machine: Machine) -> list[str]:
    """Remove what a killed run left half-built; returns names. The lock must be held."""
    found = [*machine.build.iterdir(), *machine.releases.iterdir(), *machine.venvs.iterdir()]
    marks = {machine.releases: "release.json", machine.venvs: ".complete"}
    halves = [path for path in found if not (path / marks.get(path.parent, "never")).exists()]
    for path in halves:
        machine.discard(path)
    return [f"{path.parent.name}/{path.name}" for path in halves]


def clean(machine: Machine) -> list[str]:
    """Remove old releases, virtualenvs that no kept one uses, and leftovers; returns names."""
    with machine.progress.step("clean", "remove what is no longer needed"):
        removed = remove_leftovers(machine)
        releases, live = machine.all(), machine.live()
        pinned, name = machine.pinned(), live.id if live else None
        keep = kept(releases, machine.good(), pinned, name, machine.config.keep)
        used = {release.record["venv"] for release in releases if release.id in keep}
        old = [release.path for release in releases if release.id not in keep]
        old += [path for path in machine.venvs.iterdir() if path.name not in used]
        for path in old:
            machine.discard(path)
            removed.append(f"{path.parent.name}/{path.name}")
        # Whatever a page of a kept release may name stays.
        folders = [
            r.path / r.record["static"] for r in releases if r.id in keep and r.record["static"]
        ]
        if count := prune_static(machine, folders):
            removed.append(f"{count} static files")
        # Archives are named <project>-<identity>.tar.gz by who brought them.
        wanted = {release.record["identity"] for release in releases if release.id in keep}
        for path in (machine.root / "archives").glob("*.tar.gz"):
            if path.name.removesuffix(".tar.gz").rpartition("-")[2] not in wanted:
                path.unlink()
                removed.append(f"archives/{path.name}")
        for name in removed:
            machine.progress.note(f"removed {name}")
    return removed


# --- the command -----------------------------------------------------------------------------


def live_state(machine: Machine) -> dict[str, Any] | None:
    """The live release for JSON; `healthy` is what it answers now."""
    release, slot = machine.live(), machine.live_slot()
    if release is None or slot is None:
        return None
    state = {key: release.record[key] for key in ("identity", "revision", "version")}
    # With patience: a busy site is not a broken one, and would be released again.
    healthy = probe(machine, slot, release, timeout=30).is_good(release)
    times = [row for row in machine.went_live() if row["id"] == release.id]
    since = {key: times[-1][key] if times else "" for key in ("since", "by")}
    return {"id": release.id, **state, "slot": slot, "healthy": healthy, **since}


def release_rows(machine: Machine) -> list[dict[str, Any]]:
    """Every complete release for JSON, the newest first."""
    live, good = machine.live(), machine.good()
    keys = ("identity", "revision", "version", "source", "prepared")
    return [
        {"id": release.id, **{key: release.record[key] for key in keys}}
        | {"live": bool(live and live.id == release.id), "good": release.id in good}
        for release in machine.all()
    ]


def put_live(machine: Machine, release: Release, undo: ExitStack) -> str:
    """Switch to the release unless that changes nothing; returns what was done in a word."""
    live = live_state(machine)
    if not live or live["id"] != release.id:
        switch(machine, release, undo)
        return "switched"
    if live["healthy"] and not machine.is_stale():
        return "unchanged"
    switch(machine, release, undo)
    return "restarted"


def do_deploy(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Build, migrate, put live, tidy up; only what is left to do of it."""
    with undoing() as undo:
        build = read_build(args.archive, machine.config.project)
        live = machine.live()
        same = live is not None and live.record["identity"] == build["identity"]
        if live and same and live.record["python"] == python_version(machine, build):
            state = live_state(machine)
            if state and (not state["healthy"] or machine.is_stale()):
                migrate(machine, live)  # its database may be another one, or made anew, since
            action, release = put_live(machine, live, undo), live
        else:
            release, _ = prepare(machine, args.archive, args.id, undo)
            migrate(machine, release, args.accept)
            switch(machine, release, undo)
            action = "deployed"
    settle(machine)
    if action == "deployed":
        clean(machine)
    return done(action, release, f"release {release.id} is live ({action}).")


def do_prepare(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Build a release; nothing that runs changes."""
    with undoing() as undo:
        release, built = prepare(machine, args.archive, args.id, undo)
    action = "prepared" if built else "unchanged"
    return done(action, release, f"release {release.id} is ready to switch to ({action}).")


def do_migrate(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Migrate the database to a release that is prepared."""
    release = machine.require(args.id)
    action = "migrated" if migrate(machine, release, args.accept) else "unchanged"
    return done(action, release, f"the database fits release {release.id} ({action}).")


def do_switch(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Put a prepared release live."""
    return go_live(machine, machine.require(args.id), put_live)


def do_restart(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Start the live release anew in the other slot, without a failed request."""
    live = machine.live()
    if live is None:
        raise ReleaseError("restart", "no release is live here yet; run `release deploy ARCHIVE`.")

    def restart(machine: Machine, release: Release, undo: ExitStack) -> str:
        switch(machine, release, undo)
        return "restarted"

    return go_live(machine, live, restart)


def do_rollback(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Put live the release named, or the newest that was live and is older than the live one."""
    release = previous(machine, args.id)
    check_back(machine, release, args.accept)
    return go_live(machine, release, put_live)


def previous(machine: Machine, id: str | None) -> Release:
    """The release that a rollback goes to: the named one, or the good one before the live one."""
    if id:
        return machine.require(id)
    live, good = machine.live(), machine.good()
    if live is None:
        raise ReleaseError(
            "rollback", "no release is live here, so there is none to roll back from."
        )
    older = [r for r in machine.all() if r.id in good and r.age_key < live.age_key]
    if not older:
        sentence = f"no release older than {live.id} was ever live here; see `release list`."
        raise ReleaseError("rollback", sentence)
    return older[0]


def check_back(machine: Machine, release: Release, accepted: Collection[str]) -> None:
    """Raise ReleaseError if an older release could not live with what was migrated since."""
    live = machine.live()
    if live and live.id != release.id and "all" not in accepted:
        verdicts = guard(machine, live, release, "beyond")
        what = f"{release.id} could not live with what was migrated since"
        refuse_unsafe("rollback", verdicts, accepted, what)


def do_check(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Refuse a rollback to a release that could not live with the database as it is."""
    release = machine.require(args.id)
    check_back(machine, release, args.accept)
    return done("unchanged", release, f"{release.id} can live with the database as it is.")


def do_plan(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Say what a prepared release would change: requirements, migrations, processes."""
    release, live = machine.require(args.id), machine.live()
    verdicts = guard(machine, release, live, "check") if live else []
    plan = {
        "live": live.record["revision"] if live else "",
        "wanted": release.record["revision"],
        "requirements": requirement_changes(machine, live, release),
        "migrations": verdicts,
        "processes": wanted_processes(release),
    }
    lines = [f"{verdict['migration']}" for verdict in verdicts] or ["no migrations"]
    return plan | {"message": "\n".join(lines)}


def requirement_changes(
    machine: Machine, live: Release | None, release: Release
) -> dict[str, list[str]]:
    """Package -> its versions in the live release and in the new one, "" for none; what differs."""
    if live is None or live.record["venv"] == release.record["venv"]:
        return {}

    def installed(one: Release) -> dict[str, str]:
        argv = [machine.config.uv, "pip", "freeze", "--python", one.python]
        out = machine.run(argv, "plan", last_line, uv_environment(machine), machine.root)
        pairs = (re.split(r"==| @ ", line, maxsplit=1) for line in out.splitlines())
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    before, after = installed(live), installed(release)
    names = sorted(before.keys() | after.keys())
    changes = {name: [before.get(name, ""), after.get(name, "")] for name in names}
    return {name: pair for name, pair in changes.items() if pair[0] != pair[1]}


def go_live(
    machine: Machine, release: Release, put: Callable[[Machine, Release, ExitStack], str]
) -> dict[str, Any]:
    """Put a prepared release live in the way `put` does."""
    with undoing() as undo:
        action = put(machine, release, undo)
    settle(machine)
    return done(action, release, f"release {release.id} is live ({action}).")


def do_probe(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Ask this machine's own nginx until the live release answers through it."""
    live = machine.live()
    if live is None:
        raise ReleaseError("probe", "no release is live here, so none can answer.")
    answer = probe_front(machine, live)
    if not answer.is_good(live):
        raise ReleaseError(
            "probe", f"{live.id} does not answer through {machine.config.front}.", str(answer)
        )
    return done("unchanged", live, f"{live.id} answers through {machine.config.front}.")


def probe_front(machine: Machine, release: Release) -> Answer:
    """The release's answer through nginx, which may ask other machines too, or the last other."""
    # Nothing leaves the machine: whose certificate it is does not matter.
    context = ssl._create_unverified_context()
    path = machine.config.probe_path if release.record["overlay"] else "/"
    request = urllib.request.Request(
        machine.config.front + path, headers={"Host": machine.config.probe_host}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    deadline = time.monotonic() + PROBE_FRONT
    while True:
        try:
            with opener.open(request, timeout=5) as response:
                answer = Answer(response.status, response.read(65536).decode(errors="replace"))
        except urllib.error.HTTPError as error:
            answer = Answer(error.code, error.read(65536).decode(errors="replace"))
        except OSError as error:
            answer = Answer(0, f"no answer ({error})")
        if answer.is_good(release) or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def do_hook(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Run the project's hooks of a moment: before_migrate, after_switch or after_rollback.

    Those of the release that is named, or of the live one.
    """
    moment, _, id = args.what.partition(":")
    release = machine.require(id) if id else machine.live()
    if release is None:
        raise ReleaseError("hook", "no release is live here, so it has no hooks.")
    count = run_hooks(machine, release, moment)
    action = "ran" if count else "unchanged"
    return done(action, release, f"{count} hooks of {release.id} ran.")


def do_remove(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Remove a release that nothing runs from."""
    release = machine.require(args.id)
    if release.id in machine.pinned():
        raise UsageError(f"{release.id} runs, or would after a reboot; it is not removed.")
    machine.discard(release.path)
    return done("removed", release, f"removed {release.id}.") | {"removed": clean(machine)}


def do_hold(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Hold the lock over the whole site while lines come in; see `hold`."""
    hold(machine, args.what, sys.stdin.buffer, lambda line: print(line, flush=True))
    return {"changed": False, "message": "the lock is free again."}


def do_manage(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Become the project's manage.py, in the live release, with its environment and terminal.

    Past a connection pool: commands hold locks and settings of a session, which a pool shares.
    """
    live = machine.live()
    if live is None:
        raise ReleaseError("manage", "no release is live here, so there is no manage.py to run.")
    env = machine.environment(live)
    if direct := env.get("ESPALIER_DIRECT_DATABASE_URL"):
        env |= {"ESPALIER_DATABASE_URL": direct, "ESPALIER_POOLER": ""}
    env |= {name: os.environ[name] for name in ("TERM", "COLUMNS", "LINES") if name in os.environ}
    words = args.words[1:] if args.words[:1] == ["--"] else args.words
    os.umask(0o022)
    os.chdir(live.workdir)
    if machine.drops:
        os.setgroups([])
        os.setgid(machine.account.pw_gid)
        os.setuid(machine.account.pw_uid)
    sys.stdout.flush()
    os.execve(live.python, [live.python, live.record["manage"], *words], env)


def do_log(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """What went live on this machine, when, and who did it."""
    rows = machine.went_live()
    table = [["SINCE", "RELEASE", "SLOT", "BY"]]
    table += [[row["since"][:19], row["id"], row["slot"], row["by"]] for row in rows]
    return {"log": rows, "message": format_table(table)}


def do_clean(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Remove what is no longer needed."""
    removed = clean(machine)
    return {"changed": bool(removed), "removed": removed, "message": f"removed {len(removed)}."}


def do_list(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Every release on this machine."""
    rows = release_rows(machine)
    marks = ["live" if row["live"] else "was live" if row["good"] else "" for row in rows]
    table = [["RELEASE", "", "VERSION", "REVISION", "PREPARED"]] + [
        [row["id"], mark, row["version"], row["revision"][:12], row["prepared"][:19]]
        for row, mark in zip(rows, marks, strict=True)
    ]
    return {"releases": rows, "message": format_table(table)}


def do_status(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """What is live, how it is, and whether a release is running."""
    live, stale, lock = live_state(machine), machine.is_stale(), lock_holder(machine.lock_file)
    site_lock = lock_holder(machine.site_lock_file)
    table = [["project", machine.config.project], ["live", live["id"] if live else "nothing yet"]]
    if live:
        table += [["revision", f"{live['revision']} {live['version']}"], ["slot", live["slot"]]]
        table += [["since", f"{live['since'][:19]} {live['by']}"]]
        table += [["healthy", "yes" if live["healthy"] else "NO"]]
        table += [["settings", "changed; run `release restart`" if stale else "up to date"]]
    if lock is not None:
        table += [["running", "release {what}, pid {pid}".format_map(lock) if lock else "yes"]]
    if site_lock is not None:
        table += [["whole site", "{by}, since {since}: {what}".format_map(site_lock)]]
        site_lock.pop("token", None)
    processes = process_states(machine)
    for name, one in processes.items():
        table += [["process", f"{name} {one['state']}, {one['release']}"]]
    state = {"live": live, "stale": stale, "processes": processes, "lock": lock}
    state["releases"] = release_rows(machine)
    state["site_lock"] = site_lock
    return state | {"message": format_table(table)}


def done(action: str, release: Release, message: str) -> dict[str, Any]:
    """A command's result."""
    return {
        "action": action,
        "changed": action != "unchanged",
        "id": release.id,
        "identity": release.record["identity"],
        "message": message,
    }


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


COMMANDS: dict[str, tuple[Callable[[Machine, argparse.Namespace], dict[str, Any]], str, str]] = {
    "deploy": (do_deploy, "ARCHIVE", "build a release, migrate, put it live, tidy up"),
    "prepare": (do_prepare, "ARCHIVE", "only build a release"),
    "migrate": (do_migrate, "ID", "only migrate the database to a release"),
    "switch": (do_switch, "ID", "only put a built release live"),
    "restart": (do_restart, "", "start the live release anew, as after a change of settings"),
    "rollback": (do_rollback, "[ID]", "put the release live that was live before"),
    "hook": (do_hook, "WHAT", "run the project's hooks of a moment (MOMENT or MOMENT:ID)"),
    "check": (do_check, "ID", "refuse a rollback that the database does not allow any more"),
    "plan": (do_plan, "ID", "say what a built release would change"),
    "probe": (do_probe, "", "ask the live release through this machine's nginx"),
    "remove": (do_remove, "ID", "remove a release that nothing runs from"),
    "clean": (do_clean, "", "remove old releases and leftovers"),
    "hold": (do_hold, "WHAT", "hold the lock over the whole site, as the controller does"),
    "log": (do_log, "", "say what went live here, when, and who did it"),
    "manage": (do_manage, "WORDS", "run the live release's manage.py, as the project's user"),
    "list": (do_list, "", "list the releases on this machine"),
    "status": (do_status, "", "say what is live and how it is"),
}


READING = ("list", "status", "log", "probe", "manage", "check", "plan")  # need no lock


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 when it is wrong."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--project", help="which project, when this machine has several")
    common.add_argument("--by", help="who does it, for the log (default: who called sudo)")
    common.add_argument(
        "--accept", action="append", metavar="APP.MIGRATION", help="though it is unsafe; or `all`"
    )
    common.add_argument("--token", help="of the lock over the whole site that this belongs to")
    what = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser("release", description=what, parents=[common])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, operand, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text, parents=[common])
        if operand == "ARCHIVE":
            sub.add_argument("archive", type=Path, metavar="ARCHIVE")
            sub.add_argument("--id", default=None, help="name of the release (default: the time)")
        elif operand == "WORDS":
            sub.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
        elif operand == "WHAT":
            sub.add_argument("what", metavar="WHAT")
        elif operand:
            sub.add_argument("id", metavar="ID", nargs="?" if operand == "[ID]" else None)
    args = parser.parse_args(argv)
    by = os.environ.get("SUDO_USER") or "root"
    return argparse.Namespace(
        **{"json": False, "project": None, "by": by, "token": "", "accept": []} | vars(args)
    )


def fail_on_signal(number: int, frame: object) -> None:
    """Make a signal fail the running step, which undoes what the run made."""
    raise ReleaseError("stopped", f"stopped by {signal.Signals(number).name}.")


def perform(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Run the command, under the lock if it changes anything."""
    function = COMMANDS[args.command][0]
    machine.by = " ".join(args.by.split())
    if args.command in READING:
        return function(machine, args)
    if os.geteuid() not in (0, machine.account.pw_uid):
        raise UsageError(f"root's rights are needed; run: sudo release {args.command} ...")
    if args.command == "hold":  # changes nothing, and may just end
        return function(machine, args)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, fail_on_signal)
    check_site_lock(machine, args.token)
    operand = getattr(args, "archive", None) or getattr(args, "id", None) or ""
    with locked(machine, f"{args.command} {operand}".strip()):
        machine.ensure_directories()
        return function(machine, args)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    args = parse_arguments(argv)
    os.umask(0o022)
    machine, detail = None, ""
    result: dict[str, Any] = {"ok": False}
    try:
        machine = Machine(Config.find(args.project), Progress())
        result = {"ok": True} | perform(machine, args)
        status, text = 0, result.pop("message")
    except UsageError as error:
        result |= {"step": "usage", "error": str(error), "detail": ""}
        status, text = 2, f"release: {error}"
    except Busy as error:
        result |= {"step": "lock", "error": error.sentence, "detail": "", "lock": error.holder}
        status, text = 3, f"release: {error.sentence}"
    except (ReleaseError, OSError) as caught:
        error = caught
        if isinstance(caught, OSError):
            error = ReleaseError(args.command, explain_os_error(caught))
        detail = error.detail
        result |= {"step": error.step, "error": error.sentence, "detail": detail}
        status, text = 1, f"release: {error.step} failed: {error.sentence}"
    if machine and args.command not in (*READING, "hold"):
        result["live"] = live = live_state(machine)
        if status == 1:
            name = f"The release {live['id']}" if live else "No release"
            serving = f"{name} is {'still serving' if live else 'live'}."

            text = "\n".join(filter(None, [text, detail, serving]))
    if args.json:
        print(json.dumps(result))
    else:
        print(text, file=sys.stderr if status else sys.stdout)
    return status


if __name__ == "__main__":
    sys.exit(main())
