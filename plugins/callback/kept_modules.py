"""Keeps the modules that Ansible has built, for the runs that come.

Before Ansible sends a module, it packs it together with the Python files that it imports, once per
run, and forgets that when the run ends. On one machine with nothing to change that was a quarter of
the run. Here the directory in which it keeps them outlasts the run. What a module is built from
names the directory, so none is older than its sources.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import ansible
from ansible import constants as C
from ansible.playbook import Playbook
from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: kept_modules
type: aggregate
short_description: Keeps the modules that Ansible has built for the runs that come
description: They are in C(~/.cache/espalier/modules). Whoever removes them loses seconds.
"""

KEPT = Path("~/.cache/espalier/modules")
UNUSED = 30 * 24 * 3600  # seconds, after which a directory of other sources is removed
ANSIBLES = "ansiballz_cache"  # ansible.executor.module_common: in the run's own directory
COLLECTIONS = ["community.postgresql"]  # those that the kit's tasks take modules from


def source_folders() -> Iterator[Path]:
    """Give the folders of modules, and of what they import."""
    packages = [ansible, *(import_module(f"ansible_collections.{name}") for name in COLLECTIONS)]
    for package in packages:
        yield from (Path(place) for place in package.__path__)
    for place in [*C.DEFAULT_MODULE_PATH, *C.DEFAULT_MODULE_UTILS_PATH]:
        yield Path(place)


def fingerprint(folders: Iterator[Path]) -> str:
    """Name a state of the Python files below these folders; 16 hexadecimal digits."""
    digest = hashlib.sha256(f"{sys.version} {ansible.__version__}".encode())
    for path in sorted(path for folder in folders for path in folder.rglob("*.py")):
        with contextlib.suppress(FileNotFoundError):
            found = path.stat()
            digest.update(f"{path} {found.st_size} {found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


class CallbackModule(CallbackBase):
    """Gives a run what earlier runs have built."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "kept_modules"

    def v2_playbook_on_start(self, playbook: Playbook) -> None:
        """Lead the run's directory to the one that stays."""
        with contextlib.suppress(OSError, ImportError):  # without it, Ansible builds them as ever
            kept = KEPT.expanduser() / fingerprint(source_folders())
            kept.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.utime(kept)
            Path(C.DEFAULT_LOCAL_TMP, ANSIBLES).symlink_to(kept)
            for other in kept.parent.iterdir():
                if other.stat().st_mtime < time.time() - UNUSED:
                    shutil.rmtree(other, ignore_errors=True)
