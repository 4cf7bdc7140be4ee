"""Another version of the kit, checked out beside this one, with the programs that run it.

For what compares two versions: the scenario `default`, which begins with a site of the version
before, and `bench/before.py`. `tests/version-before` names its commit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from espalier.lab.process import LabError
from espalier.paths import KIT

COMMIT = KIT / "tests" / "version-before"


def version_before() -> Path:
    """Check out the version before, under .lab/; gives its directory.

    Raises:
        LabError: this clone does not have its commit.
    """
    commit = COMMIT.read_text().strip()
    there = subprocess.run(["git", "-C", KIT, "cat-file", "-e", f"{commit}^{{commit}}"])
    if there.returncode:
        raise LabError(
            f"{COMMIT.relative_to(KIT)} names the commit {commit}, which this clone does not "
            "have: run `git fetch --unshallow`, or clone without --depth."
        )
    tree = KIT / ".lab" / "version-before" / commit[:12]
    if not (tree / "site.yml").exists():
        shutil.rmtree(tree, ignore_errors=True)
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout", str(KIT), str(tree)]
        subprocess.run(clone, check=True)
        subprocess.run(["git", "-C", tree, "checkout", "--quiet", "--detach", commit], check=True)
    return tree


def programs(tree: Path) -> Path:
    """Give the directory of the programs that run another version, installed where needed.

    A version that is a package of its own must not import today's, so it has its own virtual
    environment. One from before that imports nothing of the kit's, and takes today's Ansible.
    """
    if "project" not in tomllib.loads((tree / "pyproject.toml").read_text()):
        return Path(sys.executable).parent
    directory = tree / ".venv" / "bin"
    if not (directory / "ansible-playbook").exists():
        pip = [str(directory / "python"), "-m", "pip", "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--requirement", "requirements.txt"]
        subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=tree, check=True)
        subprocess.run(pip, cwd=tree, check=True)
    return directory
