"""Asking machines over pyinfra's connections: a task in, an answer out, many at the same time."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gevent
from pyinfra.api import StringCommand
from pyinfra.api.host import Host

from espalier.inventory.remote import explain, root_command
from espalier.inventory.site import SiteError
from espalier.rollout.commands import archive_path, read_answer, release_command, step_arguments
from espalier.rollout.lab import build_wheels, pack_command
from espalier.rollout.order import Answer, Task

CHECK_EVERY = 5  # seconds between two looks whether a machine is still there
GONE = 3  # looks in a row that find nobody at a machine's SSH port
PURGE = 'purge=$(command -v purge-microcache) || exit 0; exec "$purge" "$1"'


@dataclass(frozen=True)
class Output:
    """How a command on a machine ended: whether its status was 0, and the lines that it wrote."""

    good: bool
    lines: list[str]
    errors: list[str]

    @property
    def last_words(self) -> str:
        """The last line that says something; of standard error, where there is one."""
        words = [line.strip() for line in [*self.lines, *self.errors] if line.strip()]
        return explain(words[-1]) if words else "it says nothing."


@dataclass
class Transport:
    """How the machines of one release are asked.

    Attributes:
        project: its name.
        hosts: pyinfra's connected hosts, by machine.
        variables: how each machine is reached, which has the password for sudo.
        archive: what is to be built, here; None for a rollback.
        wheels: where those that one machine has built for the others are kept here.
        lab: the name of the container that builds here for the site.
        packages: of Debian, which the project names.
        by: who releases.
        accept: migrations that are unsafe and wanted all the same.
        tokens: of the site's lock, by machine.
        check_reachable: raises OSError unless a machine answers, within CHECK_EVERY seconds.
        add_to_plan: completes what `compare` told with what only the control machine knows.
    """

    project: str
    hosts: Mapping[str, Host]
    check_reachable: Callable[[str], None]
    variables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    archive: Path | None = None
    wheels: Path | None = None
    lab: str = ""
    packages: Sequence[str] = ()
    by: str = ""
    accept: Sequence[str] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)
    add_to_plan: Callable[[dict[str, Any]], None] = lambda plan: None

    def perform(self, task: Task) -> Answer:
        """Do one task; never raises."""
        began = time.monotonic()
        try:
            data, note = self._perform(task)
        except SiteError as error:
            return Answer(
                error=str(error),
                detail=error.detail,
                status=error.status,
                seconds=round(time.monotonic() - began, 2),
            )
        except Exception as error:  # a mistake of ours must not leave the lock and half a release
            return Answer(error=f"{type(error).__name__}: {error}")
        return Answer(data, note, seconds=round(time.monotonic() - began, 2))

    def _perform(self, task: Task) -> tuple[Mapping[str, Any], str]:
        if task.step == "build":
            return self._build(task)
        if task.step == "wheels":
            return self._build_in_lab(task) if task.like else self._fetch_wheels(task)
        if task.step == "purge":
            # Before nginx was configured for it there are neither the command nor cached pages.
            purge = ["sh", "-c", PURGE, "purge", task.release]
            self.run(task.machine, purge, "nginx still serves cached pages of the release before")
            return {}, ""
        if task.step == "front":
            return {"answers": self._front_answers(task.machine)}, ""
        data = self.ask(task.machine, step_arguments(task))
        if task.step == "switch" and task.probe:
            self.ask(task.machine, ["probe"])
        if task.step == "compare":
            plan = dict(data)
            self.add_to_plan(plan)
            return plan, ""
        return data, _note(task.step, data)

    def ask(self, machine: str, arguments: Sequence[str]) -> Mapping[str, Any]:
        """Run the release command; gives its JSON.

        Raises:
            SiteError: with its sentence if it failed, or if the machine is gone.
        """
        command = release_command(
            self.project,
            arguments,
            by=self.by,
            token=self.tokens.get(machine, ""),
            accept=self.accept,
        )
        output = self._as_root(machine, command)
        return read_answer(machine, output.lines, output.errors)

    def _front_answers(self, machine: str) -> bool:
        """Whether the live release answers now through the machine's own nginx."""
        try:
            self.ask(machine, ["probe", "--timeout", "0"])
        except SiteError:
            return False
        return True

    def _build(self, task: Task) -> tuple[Mapping[str, Any], str]:
        assert self.archive
        target = archive_path(self.project, self.archive.name)
        self._upload(task.machine, self.archive, target)
        command = ["prepare", target, "--id", task.release]
        command += ["--settings", task.settings] if task.settings else []
        if self.wheels and self.wheels.exists():
            with self._folder(task.machine) as folder:
                wheels = f"{folder}/{self.wheels.name}"
                if not self.hosts[task.machine].put_file(str(self.wheels), wheels):
                    raise SiteError("the wheels could not be copied there.")
                data = self.ask(task.machine, [*command, "--wheels", wheels])
        else:
            data = self.ask(task.machine, command)
        if not data["changed"]:
            return data, "was built before"
        told = [f"settings {data['settings']}"] if data.get("settings") else []
        # An older program does not tell.
        told += [f"installed {', '.join(data['packages'])}"] if data.get("packages") else []
        return data, "; ".join(told)

    def _fetch_wheels(self, task: Task) -> tuple[Mapping[str, Any], str]:
        """Bring what a machine has built here, for the others."""
        assert self.wheels
        with self._folder(task.machine) as folder:
            file = f"{folder}/{self.wheels.name}"
            data = self.ask(task.machine, ["wheels", task.release, file])
            if data["wheels"]:
                self._download(task.machine, file, self.wheels)
        return data, _note(task.step, data)

    def _build_in_lab(self, task: Task) -> tuple[Mapping[str, Any], str]:
        """Have a lab machine here build for machines that are like one of them."""
        assert self.archive and self.wheels
        why = f"the configuration of {task.like} could not be read"
        data = build_wheels(
            self.lab,
            self.project,
            task.platform,
            self.packages,
            self.archive,
            self.wheels,
            lambda: self.run(task.like, pack_command(self.project), why),
            lambda path, local: self._download(task.like, path, local),
        )
        return data, _note(task.step, data)

    def _download(self, machine: str, path: str, local: Path) -> None:
        if not self.hosts[machine].get_file(path, str(local)):
            raise SiteError(f"{path} could not be copied from {machine}.")

    def _upload(self, machine: str, archive: Path, target: str) -> None:
        """Put the archive on a machine, readable by root only."""
        with self._folder(machine) as folder:
            local = f"{folder}/{archive.name}"
            if not self.hosts[machine].put_file(str(archive), local):
                raise SiteError("the archive could not be copied there.")
            install = ["install", "-m", "600", local, target]
            self.run(machine, install, "the archive could not be copied there")

    @contextmanager
    def _folder(self, machine: str) -> Iterator[str]:
        """A directory of our own on a machine, for as long as the block runs.

        Nobody else there may read a project's code.
        """
        made = self._shell(machine, "mktemp -d")
        folder = (made.lines or [""])[-1]
        if not made.good or not folder.startswith("/"):
            raise SiteError(f"no directory for files could be made: {made.last_words}")
        try:
            yield folder
        finally:
            self._shell(machine, shlex.join(["rm", "-rf", folder]))

    def run(self, machine: str, command: Sequence[str], failure: str) -> list[str]:
        """Run a command as root; gives the lines of its standard output.

        Raises:
            SiteError: the command failed (`failure` says what that means), or the machine does not
                answer any more.
        """
        output = self._as_root(machine, command)
        if not output.good:
            raise SiteError(f"{failure}: {output.last_words}")
        return output.lines

    def _as_root(self, machine: str, command: Sequence[str]) -> Output:
        line, password = root_command(self.variables.get(machine, {}), command)
        return self._shell(machine, line, stdin=password.rstrip("\n"))

    def _shell(self, machine: str, line: str, stdin: str = "") -> Output:
        """Run a shell line, and look meanwhile whether the machine is still there.

        Raises:
            SiteError: it is not.
        """
        host = self.hosts[machine]
        arguments = {"_stdin": stdin} if stdin else {}
        job = gevent.spawn(host.run_shell_command, StringCommand(line), **arguments)
        silent = 0
        while not job.ready():
            job.join(CHECK_EVERY)
            if job.ready():
                break
            # ssh itself would wait for a machine that was powered off for many minutes.
            try:
                self.check_reachable(machine)
                silent = 0
            except OSError as error:
                silent += 1
                if silent == GONE:
                    job.kill(block=False)
                    raise SiteError(f"it does not answer any more ({error}).") from error
        try:
            good, output = job.get()
        except Exception as error:  # whatever paramiko or the network raises
            raise SiteError(f"the connection was lost ({error or type(error)}).") from error
        return Output(good, output.stdout_lines, output.stderr_lines)


def _note(step: str, data: Mapping[str, Any]) -> str:
    """What a person is told beside a step that went well."""
    match step:
        case "wheels":
            return ", ".join(name.split("-")[0] for name in data["wheels"]) or "none was built"
        case "migrate":
            return "" if data["changed"] else "nothing to migrate"
        case "switch":
            return str(data["action"]) if data["action"] != "switched" else ""
        case "clean":
            return f"removed {len(data['removed'])}"
    return ""


def perform_all(tasks: Iterable[Task], perform: Callable[[Task], Answer]) -> list[Answer]:
    """Do tasks at the same time; gives their answers in the same order."""
    jobs = [gevent.spawn(perform, task) for task in tasks]
    gevent.joinall(jobs)
    return [job.get() for job in jobs]
