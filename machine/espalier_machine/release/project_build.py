"""The project's own build: what browsers run is made in the new release, before it is collected.

Downloads stay in `.cache` of the project, by the hashes that a lock file names. What npm installs
is needed to build and to collect, and is no part of the release.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from espalier_machine.common.excerpt import error_line
from espalier_machine.common.text import last_line
from espalier_machine.release import memory
from espalier_machine.release.disk import MEGABYTE, disk_full
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.native import install, with_packages
from espalier_machine.release.record import Release
from espalier_machine.release.scope import Bound

MODULES, INCLUDE = "node_modules", "npm_config_include"
NODE = re.compile(r"\b(npm|npx|node|yarn|pnpm|bun)\b")
# Debian's npm brings the module that compares versions as npm does; another node is taken as it is.
SATISFIES = (
    "let semver; try { semver = require('semver') } catch { semver = { validRange: () => null } }"
    "const range = process.argv[1];"
    "console.log(!semver.validRange(range) || semver.satisfies(process.version, range))"
)
# What yarn and npm print of a package that wants another node.
NODE_TOO_OLD = re.compile(r'engine "node" is incompatible.*?Expected version "([^"]+)"', re.S)
UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|network timeout"
)


def require_node(machine: Machine, build: Mapping[str, Any]) -> None:
    """Install node and npm where the project's build needs them and this machine has none.

    `espalier site` has installed them; a release that is the first with a build comes before that.
    Raises ReleaseError where they cannot be had.
    """
    path = machine.environment()["PATH"]
    if not build.get("build", {}).get("node") or shutil.which("npm", path=path):
        return
    install(machine, ("nodejs", "npm"), "the project's build needs them")
    if not shutil.which("npm", path=path):
        raise ReleaseError(
            "build",
            "the project is built with npm, which is not on this machine: run `espalier site`, "
            "which installs it, or write `build: []` in project.yml where what it makes is in git.",
        )


def build_project(machine: Machine, release: Release) -> list[Path]:
    """Run the build's commands, if there are any; returns what is to be removed when all is done.

    Raises ReleaseError with the sentence for the command that failed.
    """
    build = release.record.get("build", {})
    if not build:
        return []
    before = set(modules(release.path / "code"))
    env = build_environment(machine, release)
    node = with_node(machine, build.get("engines", ""), env) if build.get("node") else []
    for command in build.get("commands", []):
        with machine.progress.step("build", command):
            # Who leaves development dependencies out means it; npm lets `include` win.
            seen = {key: env[key] for key in env if key != INCLUDE or "--omit" not in command}
            run = partial(_run, machine, release, [*node, "sh", "-c", command], seen)
            out = with_packages(machine, run)
            if out.strip():
                machine.progress.note(last_line(out))
    if runs_node(release.record):
        return []
    return [path for path in modules(release.path / "code") if path not in before]


def _run(machine: Machine, release: Release, argv: Sequence[str], env: Mapping[str, str]) -> str:
    """Run a command of the build, the last of `argv`; returns what it printed."""
    detected = release.record["build"]["detected"]

    def explain(output: str) -> str:
        return explain_build(output, argv[-1], detected, machine.root)

    return machine.run(argv, "build", explain, env, release.workdir)


def with_node(machine: Machine, engines: str, env: Mapping[str, str]) -> list[str]:
    """What stands before a command that is to run with a node of some versions.

    Nothing where Debian's is one of them. Else npm brings one from its registry, in the package
    `node`, and keeps it in its cache.

    Args:
        machine: this one.
        engines: the versions, in npm's words; "" for any. What is no range (`lts/*`) is any, too.
        env: what the command sees.
    """
    if not engines:
        return []
    argv = ["node", "-e", SATISFIES, engines]
    if machine.run(argv, "build", last_line, env, machine.root).strip() != "false":
        return []
    machine.progress.note(f"with a node of npm's, as Debian's is not {engines}")
    # An npx in the command would take the option from its environment.
    apart = ["env", "--unset=npm_config_package"]
    return ["npx", "--yes", f"--package=node@{engines}", "--", *apart]


def build_environment(machine: Machine, release: Release) -> dict[str, str]:
    """What the commands see: the site's environment, the virtual environment, caches that stay."""
    env = machine.environment(release)
    cache = str(machine.cache)
    spare = Bound.of(memory.read()).memory
    return {
        "npm_config_cache": f"{cache}/npm",
        "npm_config_store_dir": f"{cache}/pnpm",
        "npm_config_prefer_offline": "true",
        # Tools that build are development dependencies, also where NODE_ENV is production.
        INCLUDE: "dev",
        "npm_config_audit": "false",
        "npm_config_fund": "false",
        "npm_config_update_notifier": "false",
        # Of itself node takes half of what it may have, at most.
        "NODE_OPTIONS": f"--max-old-space-size={spare * 3 // 4 // MEGABYTE}",
        # Debian's node trusts what the machine trusts; another one has authorities of its own.
        "NODE_EXTRA_CA_CERTS": "/etc/ssl/certs/ca-certificates.crt",
        "YARN_CACHE_FOLDER": f"{cache}/yarn",
        "YARN_GLOBAL_FOLDER": f"{cache}/yarn-berry",
        "XDG_CACHE_HOME": cache,
        "XDG_DATA_HOME": f"{cache}/share",
        **env,
        "PATH": f"{release.path}/venv/bin:{env['PATH']}",
    }


def explain_build(output: str, command: str, detected: bool, root: Path) -> str:
    """What to change when a command of the build failed, told from its output."""
    if "ENOSPC" in output or "no space left on device" in output.lower():
        return disk_full(root)
    if "JavaScript heap out of memory" in output:
        return (
            f"the build `{command}` needs more memory than can be spared here. What helps: swap, a "
            "larger machine, or to keep what it makes in git and write `build: []` in project.yml"
        )
    cause = _cause(output)
    if UNREACHABLE.search(output):
        cause = f"npm's registry cannot be reached from this machine ({cause})"
    if "msgfmt" in output:
        cause += " (write `packages: [gettext]` in project.yml)"
    hint = ""
    if found := NODE_TOO_OLD.search(output):
        hint = f'; write `node: "{found[1].replace(" ", "")}"` in project.yml'
    elif detected:
        hint = (
            "; nobody stated it: where what it makes is in git, write `build: []` in project.yml, "
            "and else the commands that are right"
        )
    return f"the build `{command}` failed: {cause}{hint}"


def _cause(output: str) -> str:
    """The line that says what went wrong, of npm's many."""
    lines = re.findall(r"(?m)^npm (?:error|ERR!) (?!code |errno |A complete|Lifecycle)(.+)", output)
    own = [line for line in output.splitlines() if not line.startswith(("npm ", ">"))]
    errors = [line.strip() for line in own if re.search(r"\berror\b", line, re.I)]
    if errors:
        return errors[0]
    return lines[0] if lines else error_line(output)


def modules(code: Path) -> Iterator[Path]:
    """The directories below `code` that npm installs into, none inside of another one."""
    for base, folders, _ in os.walk(code):
        if MODULES in folders:
            folders.remove(MODULES)
            yield Path(base, MODULES)


def runs_node(record: Mapping[str, Any]) -> bool:
    """Whether the release runs node beside Django, and so needs what npm installed."""
    commands = [one["command"] for one in record.get("processes", {}).values()]
    commands += [one["command"] for one in record.get("schedule", {}).values()]
    return any(NODE.search(command) for command in commands)
