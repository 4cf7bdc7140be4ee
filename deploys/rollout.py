"""A release of the whole site: its steps, each of which pyinfra runs on every machine at once.

What a machine does is the business of the `release` command there; here is only the order, what
one machine's answer means for the others, and what a person is told. A step never raises: the
first failure is noted, the steps after it do nothing but go back and let go of the lock, and the
last one says how it went.
"""

from __future__ import annotations

import datetime
import json
import math
import re
import shlex
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import gevent
from gevent.lock import Semaphore
from pyinfra import host
from pyinfra.api import StringCommand
from pyinfra.context import ctx_host
from pyinfra.operations import python

from deploys.described import ROOT, DeployError, Site, as_root, read, who
from espalier.project.cache import CACHE

BATCHES = ("1", "10%", "40%", "100%")
BEAT = 5  # seconds between two signs of life for the lock over the site
GONE = 3  # attempts in a row that find nobody at a machine's SSH port, BEAT seconds apart


def batches(names: Sequence[str], sizes: Sequence[str] = BATCHES) -> list[list[str]]:
    """Cut machines into batches that follow each other.

    Args:
        names: the machines, in order.
        sizes: how many machines have the release after each batch: a number, or a share such as
            `40%`, rounded up. The last batch takes all that are left, whatever the sizes say.

    Raises:
        DeployError: a size is neither.
    """
    ends = []
    for size in sizes:
        if not re.fullmatch(r"[1-9]\d*|(100|[1-9]\d?)%", size):
            raise DeployError(
                f"{size!r} is no size of a batch. Write machines (1) or a share (10%), separated "
                "by commas, such as 1,10%,40%,100%.",
                2,
            )
        is_share = size.endswith("%")
        share = math.ceil(len(names) * int(size.rstrip("%")) / 100)
        ends.append(min(share if is_share else int(size), len(names)))
    cuts = sorted({0, *ends, len(names)})
    return [list(names[begin:end]) for begin, end in pairwise(cuts)]


@dataclass(frozen=True)
class Options:
    """What the person at the terminal wants."""

    version: str = ""
    batches: tuple[str, ...] = BATCHES
    only_plan: bool = False  # build it on the first machine, say what it would change, and stop
    accept: tuple[str, ...] = ()  # migrations that are unsafe, and wanted all the same
    back_to: str | None = None  # a rollback: to this release, or "" for the one before


@dataclass
class Failure:
    """The first thing that went wrong: where, in which step, a sentence, and a tool's words."""

    machine: str
    step: str
    sentence: str
    detail: str = ""
    status: int = 1


@dataclass
class Rollout:
    """One release, or one rollback, of the whole site."""

    site: Site
    options: Options = field(default_factory=Options)
    display: Any = None
    failure: Failure | None = None
    warning: str = ""  # of a hook that failed after the switch
    token: str = ""
    status: dict[str, dict[str, Any]] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)  # the release to put live, per machine
    archive: Path | None = None
    identity: str = ""
    plan: dict[str, Any] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    switched: list[str] = field(default_factory=list)
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)
    _lock: Any = None
    _doing: str = "begin"

    def __post_init__(self) -> None:
        """Find the machines; the first one holds the lock and migrates."""
        self.machines = self.site.machines("django")
        self.first = self.machines[0]
        self.name = self.site.name
        self.began = time.monotonic()

    # -- asking machines -------------------------------------------------------------------------

    def ask(self, *arguments: str) -> dict[str, Any]:
        """Run the release command on the machine at hand; gives its JSON.

        Raises DeployError with its sentence if it fails, or if the machine is gone.
        """
        for migration in self.options.accept:
            arguments = ("--accept", migration, *arguments)
        token = ["--token", self.token] if self.token else []
        out = self.run(self._command(*token, *arguments))
        return self._answer(out[-1] if out else "", "\n".join(out[-20:]))

    def _command(self, *arguments: str) -> str:
        """The shell line of the release command."""
        return as_root(["release", "--json", "--project", self.name, "--by", who(), *arguments])

    def _answer(self, line: str, output: str) -> dict[str, Any]:
        """Read what the release command said; DeployError with its sentence if it failed."""
        try:
            said = json.loads(line)
        except ValueError:
            raise DeployError(
                f"the release command does not answer as it should; run site.yml on {host.name}.",
                1,
                output,
            ) from None
        if not said.pop("ok", True):
            status = 3 if said["step"] == "lock" else 1
            raise DeployError(f"{said['step']} failed: {said['error']}", status, said["detail"])
        return said

    def run(self, command: str) -> list[str]:
        """Run a shell line on the machine at hand; gives its output's lines.

        Raises DeployError when the machine does not answer any more.
        """
        machine = ctx_host.get()  # the context itself belongs to this greenlet only
        job = gevent.spawn(machine.run_shell_command, StringCommand(command))
        where = (host.data.ssh_hostname, int(host.data.get("ssh_port") or 22))
        silent = 0
        while not job.ready():
            job.join(BEAT)
            if job.ready():
                break
            # ssh itself would wait for a machine that was powered off for many minutes.
            try:
                socket.create_connection(where, BEAT).close()
                silent = 0
            except OSError as error:
                silent += 1
                if silent == GONE:
                    job.kill(block=False)
                    raise DeployError(f"it does not answer any more ({error}).") from error
        try:
            _, output = job.get()
        except Exception as error:  # whatever paramiko or the network raises
            raise DeployError(f"the connection was lost ({error or type(error)}).") from error
        return [line.line for line in output if line.buffer_name == "stdout"]

    # -- steps -----------------------------------------------------------------------------------

    def step(self, name: str, work: Callable[[], str | None], *, always: bool = False) -> None:
        """Do a step on the machine at hand, unless something has failed; note how it went."""
        if self.failure and not always:
            return
        self._doing = f"{name} {host.name}"
        began = time.monotonic()
        self.display.begin(name, host.name)
        try:
            note = work() or ""
        except DeployError as error:
            self.display.end(name, host.name, time.monotonic() - began, "FAILED")
            if self.failure is None:
                self.failure = Failure(host.name, name, str(error), error.detail, error.status)
            return
        except Exception as error:  # a mistake of ours must not leave the lock and half a release
            self.display.end(name, host.name, time.monotonic() - began, "FAILED")
            if self.failure is None:
                self.failure = Failure(host.name, name, f"{type(error).__name__}: {error}")
            return
        took = time.monotonic() - began
        self.seconds.setdefault(name, {})[host.name] = round(took, 2)
        self.display.end(name, host.name, took, note)

    def lock(self) -> None:
        """Take the lock over the whole site, on the first machine."""
        if host.name != self.first:
            return

        def work() -> str:
            what = "rollback" if self.options.back_to is not None else "release"
            client = host.connector.client
            # The connection keeps it: whatever ends this process, ends the lock.
            stdin, stdout, stderr = client.exec_command(self._command("hold", what))
            line = stdout.readline()
            said = self._answer(line, line or stderr.read().decode(errors="replace"))
            self.token, self._lock = said["token"], stdin
            gevent.spawn(self._beat)
            if before := said["cut_off"]:
                return (
                    f"the {before['what']} that {before['by']} began at {before['since'][:19]} was "
                    "cut off; going on from what the machines say"
                )
            return ""

        self.step("lock", work)

    def _beat(self) -> None:
        while self._lock is not None:
            with suppress(OSError):
                self._lock.write(f"{self._doing}\n")
                self._lock.flush()
            gevent.sleep(BEAT)

    def look(self) -> None:
        """Ask what is live on the machine."""
        if host.name not in self.machines:
            return

        def work() -> None:
            self.status[host.name] = self.ask("status")

        self.step("look", work)

    def pack(self) -> None:
        """Pack what is to be released, here."""
        if host.name == self.first and self.options.back_to is None:
            self.step("pack", self._pack)

    def _pack(self) -> str:
        project = self._project()
        notes: list[str] = []
        # Loaded by now: `read` does it while it waits.
        from espalier.project.errors import ProjectError
        from espalier.project.pack import pack

        try:
            packed = pack(
                project,
                ROOT,
                CACHE.expanduser(),
                ROOT / "overlay",
                self.site.requirements,
                show=notes.extend,
            )
        except ProjectError as error:
            raise DeployError(str(error), 2) from error
        self.archive, self.identity = packed.archive.path, packed.archive.identity
        build = packed.archive.build
        return f"{build['source']} {build['version']} {build['revision'][:12]}".strip()

    def choose(self) -> None:
        """Choose, once all machines have said what is live, the release of each."""
        if host.name == self.first:
            back_to = self.options.back_to
            work = self._choose_new if back_to is None else lambda: self._choose_old(back_to)
            self.step("plan", work)

    def _choose_new(self) -> str:
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
        for machine in self.machines:
            rows = self.status[machine]["releases"]
            there = [row["id"] for row in rows if row["identity"] == self.identity]
            live = self.status[machine]["live"]
            if live and live["id"] in there:
                there = [live["id"]]
            self.ids[machine] = there[0] if there else f"{stamp}-{self.identity[:6]}"
        return self.ids[self.first]

    def _choose_old(self, wanted: str) -> str:
        rows = {machine: self.status[machine]["releases"] for machine in self.machines}
        self.identity = wanted_identity(rows, self._live(), self.machines, wanted)
        for machine in self.machines:
            there = [row["id"] for row in rows[machine] if row["identity"] == self.identity]
            if not there:
                raise DeployError(
                    f"{machine} does not have that release any more, so the site cannot go back to "
                    "it as a whole. Say which one: `release list` on the machines shows them.",
                    2,
                )
            self.ids[machine] = there[0]
        return f"back to {self.ids[self.first]}"

    def _live(self) -> dict[str, str]:
        """The identity that is live, per machine; "" for none."""
        return {
            machine: (self.status[machine]["live"] or {"identity": ""})["identity"]
            for machine in self.machines
        }

    @property
    def is_live_everywhere(self) -> bool:
        """Whether there is nothing to do: all machines serve it, well, as their settings are."""
        states = [self.status[machine] for machine in self.machines]
        return all(
            state["live"]
            and state["live"]["identity"] == self.identity
            and state["live"]["healthy"]
            and not state["stale"]
            for state in states
        )

    def unlock(self) -> None:
        """Let go of the lock."""
        if host.name != self.first or self._lock is None:
            return
        lock, self._lock = self._lock, None
        with suppress(OSError):
            lock.write("done\n")
            lock.flush()
            lock.channel.recv_exit_status()

    def build(self) -> None:
        """Bring the archive and build the release, on every machine at once."""
        if self.failure or self.options.back_to is not None or self.is_live_everywhere:
            return
        if host.name not in self.machines:
            return
        if self.options.only_plan and host.name != self.first:
            return
        rows = self.status[host.name]["releases"]
        if any(row["id"] == self.ids[host.name] for row in rows):
            return

        def work() -> str:
            assert self.archive
            there = f"/srv/{self.name}/archives/{self.archive.name}"
            self._bring(there)
            said = self.ask("prepare", there, "--id", self.ids[host.name])
            self.built.append(host.name)
            return "" if said["changed"] else "was built before"

        self.step("build", work)

    def _bring(self, there: str) -> None:
        """Put the archive on the machine at hand, for root's eyes only."""
        assert self.archive
        # A directory of our own, as nobody else on the machine may read a project's code.
        folder = (self.run("mktemp -d") or [""])[-1]
        if not folder.startswith("/"):
            raise DeployError("there is no room for the archive in its directory for such files.")
        local = f"{folder}/{self.archive.name}"
        try:
            if not host.put_file(str(self.archive), local):
                raise DeployError("the archive could not be copied there.")
            self.run(as_root(["install", "-m", "600", local, there]))
        finally:
            self.run(shlex.join(["rm", "-rf", folder]))

    def migrate(self) -> None:
        """Migrate the database, once; before a rollback, ask whether it can be lived with."""
        if host.name != self.first or self.failure or self.is_live_everywhere:
            return
        if self.options.only_plan:
            self.step("compare", self._compare)
            return
        if self.options.back_to is not None:
            self.step("check", lambda: self.ask("check", self.ids[host.name]) and None)
            return

        def work() -> str:
            if self.hooks("before_migrate"):
                self.ask("hook", f"before_migrate:{self.ids[host.name]}")
            said = self.ask("migrate", self.ids[host.name])
            return "" if said["changed"] else "nothing to migrate"

        self.step("migrate", work)

    def _compare(self) -> None:
        self.plan = self.ask("plan", self.ids[host.name])
        from espalier.project.schema import check
        from espalier.project.source.git import commits

        self.plan["commits"] = commits(
            check(self._project()),
            ROOT,
            CACHE.expanduser(),
            self.plan["live"],
            self.plan["wanted"],
        )

    def _project(self) -> dict[str, Any]:
        project = dict(self.site.project)
        if self.options.version:
            project["version"] = self.options.version
        return project

    def hooks(self, moment: str) -> list[str]:
        """The commands that the project names for a moment."""
        return list((self.site.project.get("hooks") or {}).get(moment) or [])

    def hook(self) -> None:
        """Run what the project wants once all machines serve the release.

        It does serve: a hook that fails is said, and undoes nothing.
        """
        if self.failure or not self.switched or host.name != self.first:
            return
        moment = "after_switch" if self.options.back_to is None else "after_rollback"
        if not self.hooks(moment):
            return

        def work() -> str:
            try:
                self.ask("hook", moment)
            except DeployError as error:
                self.warning = f"{error}\n{error.detail}".strip()
                return "FAILED"
            return ""

        self.step("hook", work)

    def switch(self, batch: Sequence[str]) -> None:
        """Send visitors to the release on the machines of one batch, and look through nginx."""
        if host.name not in batch or self.failure or self.is_live_everywhere:
            return
        if self.options.only_plan:
            return

        def work() -> str:
            self.switched.append(host.name)  # from now on it may have happened
            said = self.ask("switch", self.ids[host.name])
            self.ask("probe")
            return said["action"] if said["action"] != "switched" else ""

        self.step("switch", work)

    def go_back(self) -> None:
        """After a failure: what has switched goes back, what was built is removed."""
        if not self.failure:
            return
        before = (self.status.get(host.name) or {}).get("live")
        if host.name in self.switched and before and before["id"] != self.ids[host.name]:
            self.step("go back", lambda: self.ask("switch", before["id"]) and None, always=True)
        if host.name in self.built and before:
            self.step(
                "remove", lambda: self.ask("remove", self.ids[host.name]) and None, always=True
            )

    def forget(self) -> None:
        """Have a web server forget the pages that it keeps of the release before."""
        if self.failure or not self.switched or not self.site.project.get("microcache"):
            return
        if host.name not in self.site.machines("nginx"):
            return
        command = as_root(["microcache-forget", self.identity])
        self.step("forget", lambda: self.run(command) and None)

    def tidy_up(self) -> None:
        """Remove what is no longer needed."""
        if self.failure or not self.switched or host.name not in self.machines:
            return
        self.step("tidy up", lambda: f"removed {len(self.ask('clean')['removed'])}")

    def conclude(self) -> None:
        """Say how it went, for pyinfra's own command; raises DeployError if it failed."""
        if host.name == self.first:
            self.display.close()
            self.display.line(self.sentence())
        if self.status_of_exit:
            raise DeployError("it failed; the line above says why", self.status_of_exit)

    # -- what it comes to ------------------------------------------------------------------------

    @property
    def action(self) -> str:
        """What was done, in a word or two."""
        if self.failure or not self.switched:
            return "unchanged"
        return "rolled back" if self.options.back_to is not None else "released"

    @property
    def status_of_exit(self) -> int:
        """The exit status that tells it."""
        return self.failure.status if self.failure else int(bool(self.warning))

    def result(self) -> dict[str, Any]:
        """How it went, as plain data; durations in seconds."""
        return {
            "ok": self.failure is None,
            "action": self.action,
            "project": self.name,
            "identity": self.identity,
            "machines": {
                machine: {
                    "release": self.ids.get(machine, ""),
                    "before": (self.status.get(machine, {}).get("live") or {"id": ""})["id"],
                }
                for machine in self.machines
            },
            "steps": self.seconds,
            "seconds": round(time.monotonic() - self.began, 2),
            "warning": self.warning,
            "plan": self.plan,
            "error": vars(self.failure) if self.failure else None,
        }

    def sentence(self) -> str:
        """How it went, for a person."""
        took = f"{time.monotonic() - self.began:.1f} s"
        if (failure := self.failure) is not None:
            lines = [f"{failure.machine}: {failure.sentence}", failure.detail.strip()]
            if failure.status == 1 and self.switched:
                lines.append("The machines that had switched went back.")
            elif failure.status == 1:
                lines.append("Visitors are served as before.")
            return "\n".join(line for line in lines if line)
        release = self.ids[self.first]
        if self.plan:
            return plan_text(self, release)
        if self.action == "unchanged":
            return f"{release} is live already; nothing to do ({took})."
        said = f"{release} is live on {', '.join(self.machines)} after {took}."
        return f"{said}\nBut {self.warning}" if self.warning else said


def plan_text(rollout: Rollout, release: str) -> str:
    """What a release would change, for a person."""
    plan = rollout.plan
    live = rollout.status[rollout.first]["live"]
    lines = [f"{release} is built on {rollout.first}; live is {live['id'] if live else 'nothing'}."]

    def say(title: str, rows: Sequence[str]) -> None:
        for number, row in enumerate(rows or ["none"]):
            lines.append(f"{title if not number else '':<13} {row}")

    say("commits", plan["commits"] or ["not known (only a project with `git` has them)"])
    changes = plan["requirements"].items()
    say("requirements", [f"{name} {old or '-'} -> {new or '-'}" for name, (old, new) in changes])
    rows = []
    for verdict in plan["migrations"]:
        rows.append(verdict["migration"])
        rows += ["  {lock} on {table}: {effect}".format_map(one) for one in verdict["locks"]]
        rows += [f"  UNSAFE: {one['message']}; {one['fix']}" for one in verdict["issues"]]
        rows += [f"  cannot be told: {verdict['unknown']}"] if verdict["unknown"] else []
    say("migrations", rows)
    processes = plan["processes"]
    say("processes", [f"{name} ends after its job, and starts again" for name in processes])
    steps = batches(rollout.machines, rollout.options.batches)
    order = ", then ".join(" and ".join(batch) for batch in steps)
    say("requests", [f"none fails; visitors are sent to it on {order}"])
    return "\n".join(lines)


def wanted_identity(
    rows: dict[str, list[dict[str, Any]]],
    live: dict[str, str],
    machines: Sequence[str],
    wanted: str,
) -> str:
    """Find which release a rollback means, as its identity.

    Args:
        rows: the releases of each machine, the newest first, as `release list` gives them.
        live: the identity that is live, per machine.
        machines: the machines, in order.
        wanted: an id or an identity; "" for the newest good release before the one that is live.
            Where machines serve different ones (a release that was cut off), the older of these.

    Raises:
        DeployError: there is no such release.
    """
    everything = [row for machine in machines for row in rows[machine]]
    if wanted:
        for row in everything:
            if wanted in (row["id"], row["identity"]):
                return row["identity"]
        known = ", ".join(dict.fromkeys(row["id"] for row in everything)) or "none"
        raise DeployError(f"No machine has a release {wanted}. There are: {known}.", 2)
    order = [row["identity"] for row in rows[machines[0]]]
    serving = [identity for identity in dict.fromkeys(live.values()) if identity]
    if not serving:
        raise DeployError("No release is live, so there is none to go back from.", 2)
    if len(serving) > 1:
        return max(serving, key=lambda one: order.index(one) if one in order else -1)
    good = [row["identity"] for row in rows[machines[0]] if row["good"]]
    older = [one for one in good if order.index(one) > order.index(serving[0])]
    if not older:
        raise DeployError("No older release was ever live here; `release list` shows them.", 2)
    return older[0]


def compose(rollout: Rollout) -> None:
    """Add the operations of a rollout for the machine at hand, as pyinfra runs a deploy."""
    python.call(name="Pack the project", function=rollout.pack)
    # Before looking, as what is live is true only as long as nobody else releases.
    python.call(name="Take the lock over the site", function=rollout.lock)
    python.call(name="Look what is live", function=rollout.look)
    python.call(name="Choose what is to be", function=rollout.choose)
    python.call(name="Build the release", function=rollout.build)
    python.call(name="Migrate the database", function=rollout.migrate)
    for batch in host.loop(batches(rollout.machines, rollout.options.batches)):
        name = f"Send visitors to it: {', '.join(batch)}"
        python.call(name=name, function=rollout.switch, batch=batch)
    python.call(name="Forget the pages of the release before", function=rollout.forget)
    python.call(name="Go back, if something failed", function=rollout.go_back)
    python.call(name="Tidy up", function=rollout.tidy_up)
    python.call(name="Run the project's hooks", function=rollout.hook)
    python.call(name="Let go of the lock", function=rollout.unlock)


class Display:
    """Steps on stderr: plain lines in a pipe; on a terminal the seconds run while one waits."""

    def __init__(self, stream: Any = sys.stderr) -> None:
        """Write to a stream, unless it is None."""
        self.stream = stream
        self.is_terminal = bool(stream and stream.isatty())
        self.running: dict[tuple[str, str], float] = {}
        self._ticker = gevent.spawn(self._tick) if self.is_terminal else None

    def begin(self, step: str, machine: str) -> None:
        """A machine begins a step."""
        self.running[step, machine] = time.monotonic()
        self._show_running()

    def end(self, step: str, machine: str, seconds: float, note: str) -> None:
        """A machine has ended a step."""
        self.running.pop((step, machine), None)
        self.line(f"  {step:<9} {machine:<12} {seconds:6.1f} s  {note}".rstrip())
        self._show_running()

    def line(self, text: str) -> None:
        """Write a line of its own."""
        if self.stream:
            clear = "\r\x1b[K" if self.is_terminal else ""
            self.stream.write(f"{clear}{text}\n")
            self.stream.flush()

    def close(self) -> None:
        """Nothing runs any more."""
        if self._ticker is not None:
            self._ticker.kill()
            self.stream.write("\r\x1b[K")
            self.stream.flush()

    def _show_running(self) -> None:
        if self.is_terminal and self.running:
            now = time.monotonic()
            parts = [f"{s} {m} {now - began:.0f} s" for (s, m), began in self.running.items()]
            self.stream.write(f"\r\x1b[K  … {', '.join(parts)}"[:120])
            self.stream.flush()

    def _tick(self) -> None:
        while True:
            gevent.sleep(0.5)
            self._show_running()


# pyinfra runs a deploy file for all machines at once, and reading the inventory takes a second.
_reading = Semaphore()


def deploy(inventory: Path, options: Options) -> None:
    """What a deploy file says, which pyinfra's own command runs for the machine at hand."""
    with _reading:
        rollout = _shared(inventory, options)
    compose(rollout)
    python.call(name="Say how it went", function=rollout.conclude)


@cache
def _shared(inventory: Path, options: Options) -> Rollout:
    """The rollout of this process, one for all machines."""
    return Rollout(read(inventory), options, Display())
