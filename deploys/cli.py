"""The command line: release, rollback, status, log, manage, logs, psql."""

from __future__ import annotations

import argparse
import json
import logging
import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.deploy import add_deploy
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operations import run_ops
from pyinfra.api.state import BaseStateCallback, StateStage

from deploys.described import DeployError, Site, as_root, read
from deploys.rollout import BATCHES, Display, Options, Rollout, compose

CONNECT_TIMEOUT = 10  # seconds


class _Connecting(BaseStateCallback):
    """Keeps why a machine cannot be reached."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}

    def host_connect_error(self, state: State, host: Any, error: Any) -> None:  # type: ignore[override]
        self.errors[host.name] = str(error)


def connect(site: Site) -> State:
    """Connect to every machine that a release touches.

    Raises DeployError, with what to look at, unless all can be reached: a release of a part of the
    site would leave it with two.
    """
    logging.getLogger("pyinfra").setLevel(logging.CRITICAL)  # told in our own words
    hosts = [(machine, site.connection(machine)) for machine in site.hosts]
    state = State(Inventory((hosts, {})), Config(CONNECT_TIMEOUT=CONNECT_TIMEOUT, FAIL_PERCENT=0))
    connecting = _Connecting()
    state.add_callback_handler(connecting)
    state.set_stage(StateStage.Connect)
    try:
        connect_all(state)
    except PyinfraError as error:
        said = "; ".join(f"{name}: {why}" for name, why in connecting.errors.items())
        raise DeployError(
            f"Not every machine can be reached, so nothing was changed. {said or error}. Check "
            "that they are on, and `ansible_host` and `ansible_user` in hosts.yml."
        ) from error
    return state


def roll(arguments: argparse.Namespace, options: Options) -> int:
    """Release or roll back; gives the exit status."""
    display = Display(None if arguments.json else sys.stderr)
    rollout = Rollout(read(arguments.inventory), options, display)
    state = connect(rollout.site)
    state.set_stage(StateStage.Prepare)
    add_deploy(state, compose, rollout)
    state.set_stage(StateStage.Execute)
    run_ops(state)
    disconnect_all(state)
    display.close()
    if arguments.json:
        print(json.dumps(rollout.result()))
    else:
        print(rollout.sentence(), file=sys.stderr if rollout.failure else sys.stdout)
    return rollout.status_of_exit


def do_release(arguments: argparse.Namespace) -> int:
    """Release what the inventory declares, or another version of it."""
    sizes = tuple(arguments.batches.split(","))
    options = Options(arguments.version, sizes, arguments.plan, tuple(arguments.accept))
    return roll(arguments, options)


def do_rollback(arguments: argparse.Namespace) -> int:
    """Go back to the release before, or to the one named."""
    return roll(arguments, Options(accept=tuple(arguments.accept), back_to=arguments.release))


def remote(site: Site, machine: str, *command: str) -> list[str]:
    """The ssh command that runs another one as root on a machine."""
    return [*site.ssh(machine), as_root(command)]


def each(site: Site, *command: str) -> dict[str, dict[str, Any]]:
    """Ask the release command on every machine, at once; gives its JSON per machine."""
    command = ("release", "--json", "--project", site.name, *command)
    jobs = {
        machine: subprocess.Popen(
            remote(site, machine, *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for machine in site.machines("django")
    }
    answers = {}
    for machine, job in jobs.items():
        out, error = job.communicate()
        try:
            answers[machine] = json.loads(out)
        except ValueError:
            said = error.decode(errors="replace").strip().splitlines()
            answers[machine] = {"ok": False, "error": said[-1] if said else "no answer"}
    return answers


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text as aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def do_status(arguments: argparse.Namespace) -> int:
    """Say what is live on each machine, how it is, since when, by whom, and what is kept."""
    site = read(arguments.inventory)
    answers = each(site, "status")
    if arguments.json:
        print(json.dumps(answers))
        return 0 if all(answer["ok"] for answer in answers.values()) else 1
    rows = [["MACHINE", "LIVE", "REVISION", "HEALTHY", "SINCE", "BY", "KEPT"]]
    for machine, answer in answers.items():
        if not answer["ok"]:
            rows.append([machine, answer["error"], "", "", "", "", ""])
            continue
        live = answer["live"] or dict.fromkeys(("id", "revision", "since", "by", "healthy"), "")
        healthy = "yes" if live["healthy"] else "NO"
        if live["healthy"] and answer["stale"]:
            healthy = "yes, but its settings have changed"
        rows.append(
            [
                *(machine, live["id"] or "nothing yet", live["revision"][:12], healthy),
                *(live["since"][:19], live["by"], str(len(answer["releases"]))),
            ]
        )
    print(table(rows))
    for answer in answers.values():
        if lock := answer.get("site_lock"):
            print(f"{lock['by']} is at work since {lock['since'][:19]}: {lock['what']}")
    lives = {(answer.get("live") or {}).get("identity") for answer in answers.values()}
    if len(lives) > 1:
        print("The machines serve different releases: `make release` or `make rollback` ends that.")
    good = all(a["ok"] and a["live"] and a["live"]["healthy"] for a in answers.values())
    return 0 if good and len(lives) == 1 else 1


def do_log(arguments: argparse.Namespace) -> int:
    """Say what went live, when, where, and who did it."""
    answers = each(read(arguments.inventory), "log")
    if arguments.json:
        print(json.dumps(answers))
    else:
        lines = [
            [row["since"][:19], machine, row["id"], row["by"]]
            for machine, answer in answers.items()
            for row in answer.get("log", [])
        ]
        print(table([["SINCE", "MACHINE", "RELEASE", "BY"], *sorted(lines)]))
    failed = {machine: a["error"] for machine, a in answers.items() if not a["ok"]}
    for machine, error in failed.items():
        print(f"{machine}: {error}", file=sys.stderr)
    return 1 if failed else 0


def attached(site: Site, machine: str, command: Sequence[str]) -> int:
    """Run a command as root on a machine with this terminal; gives its exit status."""
    ssh = remote(site, machine, *command)
    if sys.stdin.isatty() and sys.stdout.isatty():
        ssh[1:1] = ["-t"]
    try:
        return subprocess.run(ssh).returncode
    except KeyboardInterrupt:
        return 130


def do_manage(arguments: argparse.Namespace) -> int:
    """Run manage.py in the live release, on the first machine that runs Django."""
    site = read(arguments.inventory)
    words = shlex.split(arguments.words)
    if not words:
        raise DeployError('Say what to run: make manage CMD="createsuperuser".', 2)
    command = ["release", "--project", site.name, "manage", "--", *words]
    return attached(site, site.machines("django")[0], command)


def do_logs(arguments: argparse.Namespace) -> int:
    """Follow what Django says on every machine."""
    site = read(arguments.inventory)
    journal = ["journalctl", "--no-hostname", "-n", str(arguments.lines), "-o", "short-iso"]
    journal += ["-f"] if arguments.follow else []
    jobs = {}
    for machine in site.machines("django"):
        command = remote(site, machine, *journal, "-t", f"{site.name}-web")
        jobs[machine] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    width = max(map(len, jobs))

    def copy(machine: str) -> None:
        for line in jobs[machine].stdout or ():
            print(f"{machine:<{width}}  {line}", end="", flush=True)

    threads = [threading.Thread(target=copy, args=(machine,), daemon=True) for machine in jobs]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for job in jobs.values():
            job.terminate()
    return max(job.wait() for job in jobs.values())


def do_psql(arguments: argparse.Namespace) -> int:
    """Open psql on the primary, in the project's database, as its administrator."""
    site = read(arguments.inventory)
    command = ["runuser", "-u", "postgres", "--", "psql", "-d", site.name]
    command += ["-c", arguments.words] if arguments.words else []
    return attached(site, site.machines("postgresql_primary")[0], command)


def do_maintenance(arguments: argparse.Namespace) -> int:
    """Close the site, or what lies below a path, for maintenance, or open it again."""
    site = read(arguments.inventory)
    words = [arguments.state, arguments.path]
    if arguments.state == "on":
        words.append(str(arguments.retry_after))
    statuses = []
    for machine in site.machines("nginx"):
        done = subprocess.run(
            remote(site, machine, "maintenance", *words), capture_output=True, text=True
        )
        said = (done.stdout + done.stderr).strip()
        states = {"on": f"{arguments.path} is closed", "off": f"{arguments.path} is open"}
        print(f"{machine}: {said or states.get(arguments.state, 'everything is open')}")
        statuses.append(done.returncode)
    return max(statuses)


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "release": do_release,
    "rollback": do_rollback,
    "status": do_status,
    "log": do_log,
    "manage": do_manage,
    "logs": do_logs,
    "psql": do_psql,
    "maintenance": do_maintenance,
}


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-i", "--inventory", type=Path, required=True)
    parser = argparse.ArgumentParser("deploys", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        text = (function.__doc__ or "").splitlines()[0]
        sub = commands.add_parser(name, parents=[common], help=text, description=text)
        if name in ("release", "rollback", "status", "log"):
            sub.add_argument("--json", action="store_true", help="print one JSON object")
        if name in ("release", "rollback"):
            text = "a migration that is unsafe (app.name, or all), to go on all the same"
            sub.add_argument("--accept", action="append", default=[], help=text)
        if name == "release":
            sub.add_argument(
                "--plan", action="store_true", help="say what it would change, and stop"
            )
            sub.add_argument("--version", default="", help="instead of what project.yml says")
            sub.add_argument("--batches", default=",".join(BATCHES), metavar="1,10%,40%,100%")
        if name == "rollback":
            sub.add_argument("release", nargs="?", default="", help="an id or identity")
        if name in ("manage", "psql"):
            sub.add_argument("words", nargs="?", default="", metavar="COMMAND")
        if name == "maintenance":
            sub.add_argument("state", choices=["on", "off", "status"])
            sub.add_argument("path", nargs="?", default="/", help="what lies below it (default: /)")
            sub.add_argument("--retry-after", type=int, default=600, metavar="600", help="seconds")
        if name == "logs":
            sub.add_argument("-f", "--follow", action="store_true")
            sub.add_argument("-n", "--lines", type=int, default=50)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit status: 0, 1 failed, 2 wrong use, 3 locked."""
    arguments = parse(argv)
    arguments.inventory = arguments.inventory.resolve()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    try:
        return COMMANDS[arguments.command](arguments)
    except DeployError as error:
        if getattr(arguments, "json", False):
            print(json.dumps({"ok": False, "error": {"sentence": str(error)}}))
        else:
            print(f"{arguments.command}: {error}", file=sys.stderr)
        return error.status
