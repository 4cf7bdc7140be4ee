#!/usr/bin/env python3
"""Release under traffic: good releases, broken ones, and a controller and machines that go away.

    under_traffic.py -i molecule/release/inventory                      every step
    under_traffic.py -i molecule/release/inventory --short              a few of them, as CI does
    under_traffic.py -i molecule/release/inventory --requests 100000    until so many were sent

The lab that the inventory describes must be up. Every step is what a person types (`espalier
release`, `ansible-playbook site.yml`, pyinfra's own command) or what happens to them. Throughout,
visitors read and write over kept connections; each row that the site acknowledged must be stored
once, and seen by its writer. At the end the same load sees a release the way it should not be done,
stop and start, and must notice it.

Exit status 1, unless every step ended as it should and nothing was failed, lost, doubled or stale.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from espalier.environment import plain_environment
from espalier.inventory.listing import read_machines
from espalier.lab.machines import SSH_KEY
from espalier.lab.process import podman
from espalier.load.report import is_clean, sentence
from espalier.load.site import site_of
from espalier.load.visitors import MAX_REQUESTS, MAX_SECONDS, Load

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".lab" / "release"
PROJECT = HOME / "project"
EXAMPLE = ROOT / "examples" / "orchard"
EVERY_PAGE = "garden/templates/garden/base.html"
ENTRY_POINTS = ("orchard/wsgi.py", "orchard/asgi.py")
VISITORS = 6
PAUSE = 0.1  # seconds between a visitor's requests: traffic, not a benchmark, on two cores
RELEASES, ROLLBACKS = 10, 3
# While it is there, the project's hook before a migration waits.
HELD = "/srv/orchard/media/held"
# The steps that `--short` takes.
SHORT = (
    *("release 1", "release 2", "rollback", "broken: probe", "killed, resumed"),
    *("two at once", "site.yml", "site.yml, release"),
)
FAILING_MIGRATION = """
from django.db import migrations


def fail(apps, schema_editor):
    raise ValueError("the rootstock does not take")


class Migration(migrations.Migration):
    dependencies = [("garden", "0002_first_trees")]
    operations = [migrations.RunPython(fail)]
"""
# What is added to the project's files so that a release fails in a step.
BROKEN: dict[str, dict[str, str]] = {
    "build": {"requirements.txt": "\nasgiref<1\n"},
    "migrate": {"garden/migrations/0003_fails.py": FAILING_MIGRATION},
    "start": dict.fromkeys(ENTRY_POINTS, '\nraise RuntimeError("no sap today")\n'),
    "probe": {"garden/templates/garden/tree_list.html": "{% no such tag %}"},
}


class StepError(Exception):
    """A step did not end as it should."""


class Run:
    """The lab, its project, and what is done with them while visitors come."""

    def __init__(self, inventory: Path, requests: int = 0) -> None:
        """Copy inventory and project; so many requests are wanted."""
        self.requests = requests
        HOME.mkdir(parents=True, exist_ok=True)
        self.inventory = HOME / "inventory"
        shutil.copytree(inventory, self.inventory, dirs_exist_ok=True)
        shutil.rmtree(PROJECT, ignore_errors=True)
        shutil.copytree(EXAMPLE, PROJECT, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3"))
        machines = read_machines(self.inventory)
        self.site = site_of(machines)
        self.lab = next(iter(machines.values()))["lab"]["name"]
        self.apps = next(iter(machines.values()))["topology"]["services"]["django"]
        self.addresses = {name: said["ansible_host"] for name, said in machines.items()}
        self.number = 0
        self._summary = (HOME / "summary.txt").open("w", buffering=1)
        self._log = (HOME / "commands.log").open("w", buffering=1)

    def say(self, line: str) -> None:
        """Print a line at once, and keep it for those who come later."""
        print(f"release: {line}", flush=True)
        self._summary.write(line + "\n")

    # what a person does

    def change(self, additions: dict[str, str] | None = None) -> None:
        """Change one line of every page, and add to other files."""
        self.number += 1
        for name in {EVERY_PAGE, *(name for step in BROKEN.values() for name in step)}:
            source, target = EXAMPLE / name, PROJECT / name
            if source.exists():
                shutil.copyfile(source, target)
            else:
                target.unlink(missing_ok=True)
        with open(PROJECT / EVERY_PAGE, "a") as page:
            page.write(f"<!-- release {self.number} -->\n")
        for name, text in (additions or {}).items():
            with open(PROJECT / name, "a") as file:
                file.write(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of `espalier`."""
        return self.spawn("espalier", arguments[0], "-i", str(self.inventory), *arguments[1:])

    def start_site(self) -> subprocess.Popen[str]:
        """Start a run of site.yml."""
        return self.spawn("ansible-playbook", "site.yml", "-i", str(self.inventory))

    def spawn(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program of the kit; with low priority, as a controller is another machine."""
        return subprocess.Popen(
            ["nice", str(Path(sys.executable).with_name(program)), *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            env=plain_environment(PYTHONUNBUFFERED="1"),
        )

    def command(self, *arguments: str, status: int = 0) -> str:
        """Run a command of `espalier`; StepError unless it ends with the exit status."""
        job = self.start(*arguments)
        said = job.communicate()[0]
        self._log.write(f"$ {' '.join(arguments)}\n{said}\n")
        if job.returncode != status:
            raise StepError(f"{arguments[0]} ended with {job.returncode}, not {status}:\n{said}")
        return said

    def live(self) -> dict[str, Any]:
        """Give the release that is live, per machine."""
        said = self.start("status", "--json").communicate()[0]
        return {machine: answer.get("live") for machine, answer in json.loads(said).items()}

    def expect_same(self, before: dict[str, Any]) -> None:
        """StepError unless every machine serves what it served before, and well."""
        after = self.live()
        for machine in self.apps:
            one, other = before[machine], after[machine]
            if not other or not other["healthy"] or one["identity"] != other["identity"]:
                raise StepError(f"{machine} served {one} and now serves {other}")

    def expect_new(self) -> None:
        """StepError unless every machine serves the newest change."""
        often = 4 * len(self.apps)  # of whichever machine nginx asks
        ask = (
            "import urllib.request as u, ssl; c = ssl._create_unverified_context(); "
            "r = u.Request('https://127.0.0.1/', headers={'Host': 'orchard.example'}); "
            f"p = [u.urlopen(r, context=c) for _ in range({often})]; "
            f"print(sum(b'<!-- release {self.number} -->' in one.read() for one in p))"
        )
        new = int(self.ssh("vps1", f"python3 -c {shlex.quote(ask)}"))
        if new != often:
            raise StepError(f"{new} of {often} front pages are those of release {self.number}")
        lives = {(one or {}).get("identity") for one in self.live().values()}
        if len(lives) != 1:
            raise StepError(f"the machines serve different releases: {lives}")

    def ssh(self, machine: str, command: str) -> str:
        """Run a command on a machine; StepError if it fails."""
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        target = f"root@{self.addresses[machine]}"
        done = subprocess.run(
            ["ssh", "-i", str(SSH_KEY), *options, "-o", "LogLevel=ERROR", target, command],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StepError(f"{machine}: {command}: {done.stderr.strip()}")
        return done.stdout

    def podman(self, *arguments: str, machine: str) -> None:
        """Do something to a machine as a whole."""
        podman(*arguments, f"espalier-{self.lab}-{machine}")

    def converge(self, status: int = 0) -> str:
        """Run site.yml; StepError unless it ends with the exit status."""
        job = self.start_site()
        said = job.communicate()[0]
        self._log.write(f"$ ansible-playbook site.yml\n{said}\n")
        if job.returncode != status:
            raise StepError(f"site.yml ended with {job.returncode}:\n{said[-3000:]}")
        return said

    def until(self, job: subprocess.Popen[str], words: str) -> None:
        """Read what a command says until a line has some words; StepError if it ends before."""
        assert job.stdout
        said = []
        for line in job.stdout:
            said.append(line)
            if words in " ".join(line.split()):
                return
        raise StepError(f"it ended before it said {words!r}:\n{''.join(said)}")

    def wait_for(self, what: str, condition: Callable[[], bool], seconds: float = 120) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while True:
            with suppress(StepError):
                if condition():
                    return
            if time.monotonic() > deadline:
                raise StepError(f"waited {seconds:g} s in vain for {what}")
            time.sleep(0.5)

    # steps

    def quiet(self) -> None:
        """No release, for comparison: the slowest of many is slower than the slowest of a few."""
        time.sleep(max(30, self.requests / 300))

    def good(self) -> None:
        """A release."""
        self.change()
        self.command("release")
        self.expect_new()

    def back(self) -> None:
        """A rollback."""
        before = self.live()
        self.command("rollback")
        if self.live()["vps1"]["identity"] == before["vps1"]["identity"]:
            raise StepError("the rollback changed nothing")

    def broken(self, step: str) -> None:
        """A release that fails in a step."""
        before = self.live()
        self.change(BROKEN[step])
        self.command("release", status=1)
        self.expect_same(before)

    def typed(self) -> None:
        """A release as those type it who know pyinfra; one that fails must say so by its status."""
        self.change()
        self.pyinfra(status=0)
        self.expect_new()
        before = self.live()
        self.change(BROKEN["build"])
        if "Visitors are served as before." not in self.pyinfra(status=1):
            raise StepError("pyinfra does not say why the release failed")
        self.expect_same(before)

    def pyinfra(self, status: int) -> str:
        """Run the deploy file by pyinfra's own command; StepError unless it ends so."""
        command = [str(Path(sys.executable).with_name("pyinfra")), "-y"]
        done = subprocess.run(
            [*command, "deploys/inventory.py", "deploys/release.py"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=plain_environment(INVENTORY=str(self.inventory)),
        )
        self._log.write(done.stdout)
        if done.returncode != status:
            raise StepError(f"pyinfra ended with {done.returncode}:\n{done.stdout[-3000:]}")
        return done.stdout

    def no_such_version(self) -> None:
        """A release of something that is not there."""
        before = self.live()
        self.command("release", "--version", "v0.0", status=2)
        self.expect_same(before)

    def killed_and_resumed(self) -> None:
        """The controller is killed when one machine has switched; the same command finishes it."""
        self._kill_half_way()
        said = self.command("release")
        if "was cut off" not in said:
            raise StepError(f"nothing was said about the release that was cut off:\n{said}")
        self.expect_new()

    def killed_and_undone(self) -> None:
        """The same, and `rollback` undoes it."""
        before = self.live()
        self._kill_half_way()
        self.command("rollback")
        self.expect_same(before)

    def _kill_half_way(self) -> None:
        """Begin a release, and kill the controller when one of the machines has switched."""
        self.change()
        job = self.start("release")
        self.until(job, "switch vps1")
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        self.wait_for("the lock to be free", lambda: self._lock() is None)

    def _lock(self) -> dict[str, Any] | None:
        said = json.loads(self.start("status", "--json").communicate()[0])
        return said["vps1"]["site_lock"] or said["vps1"]["lock"]

    def two_at_once(self) -> None:
        """A second release while one runs is refused, and says who runs the first."""
        self.change()
        job = self.start("release")
        self.until(job, "lock vps1")
        said = self.command("release", status=3)
        if "since" not in said:
            raise StepError(f"it is not said who is at work:\n{said}")
        job.communicate()
        if job.returncode:
            raise StepError(f"the first release ended with {job.returncode}")
        self.expect_new()

    def by_site(self) -> None:
        """site.yml releases in the same order; one that fails is taken back, and said."""
        self.change()
        said = " ".join(self.converge().split())
        order = [said.find(word) for word in ("build app2", "migrate vps1", "switch app2", "clean")]
        if order != sorted(order) or -1 in order:
            raise StepError(f"site.yml does not release in the order of a release:\n{said[-3000:]}")
        self.expect_new()
        before = self.live()
        self.change(BROKEN["start"])
        if "no sap today" not in self.converge(status=2):
            raise StepError("site.yml does not say why the release failed")
        self.expect_same(before)

    def site_against_release(self) -> None:
        """A release while site.yml runs is refused, and the other way round, before anything."""
        self.change()
        job = self.start_site()
        self.until(job, "TASK [django : Configure, and install uv]")
        if "(site.yml)" not in self.command("release", status=3):
            raise StepError("it is not said that site.yml is at work")
        job.communicate()
        if job.returncode:
            raise StepError(f"site.yml ended with {job.returncode}")
        self.expect_new()
        self.change()
        self.ssh("vps1", f"touch {HELD}")
        job = self.start("release")
        self.until(job, "build vps1")
        try:
            if "another release is running" not in self.converge(status=2):
                raise StepError("it is not said why site.yml was refused")
        finally:
            self.ssh("vps1", f"rm {HELD}")
        job.communicate()
        if job.returncode:
            raise StepError(f"the release ended with {job.returncode}")
        self.expect_new()

    def site_killed(self) -> None:
        """site.yml is killed when one machine has switched; the lock ends with it."""
        self.change()
        job = self.start_site()
        self.until(job, "switch vps1")
        os.killpg(job.pid, signal.SIGKILL)
        job.wait()
        self.wait_for("the lock to be free", lambda: self._lock() is None)
        said = self.command("release")
        if "was cut off" not in said:
            raise StepError(f"nothing was said about the run that was cut off:\n{said}")
        self.expect_new()

    def typed_on_one_machine(self) -> None:
        """`release` typed on one of several machines wants to be told that only it is meant."""
        ask = "release {} restart > /tmp/answer 2>&1; echo $?; cat /tmp/answer"
        status, *said = self.ssh("app2", ask.format("")).splitlines()
        if status != "2" or "--only-here" not in " ".join(said):
            raise StepError(f"it ended with {status}: {said}")
        status, *said = self.ssh("app2", ask.format("--only-here")).splitlines()
        if status != "0":
            raise StepError(f"with --only-here it ended with {status}: {said}")

    def powered_off(self) -> None:
        """A machine is shut down while the release is built on it; later it is there again."""
        before = self.live()
        self.change()
        job = self.start("release")
        self.until(job, "plan vps1")
        self.podman("stop", "--time", "60", machine="app2")
        said = job.communicate()[0]
        if job.returncode != 1:
            raise StepError(f"the release ended with {job.returncode}:\n{said}")
        self.podman("start", machine="app2")
        self.wait_for("app2 to serve again", lambda: (self.live()["app2"] or {}).get("healthy"))
        self.expect_same(before)
        self.command("release")
        self.expect_new()

    def disk_full(self) -> None:
        """The disk of a machine is full when the release is built on it."""
        before = self.live()
        self.change({"requirements.txt": "\nidna==3.10\n"})
        build = "/srv/orchard/build"
        # Room enough, but the system has no place for so many files: a real ENOSPC on the way.
        options = "size=200m,nr_inodes=20,mode=0750,uid=$(id -u orchard),gid=$(id -g orchard)"
        self.ssh("app2", f"mount -t tmpfs -o {options} tmpfs {build}")
        try:
            said = self.command("release", status=1)
            if "full" not in said:
                raise StepError(f"it is not said that the disk is full:\n{said}")
        finally:
            self.ssh("app2", f"umount {build}")
        self.expect_same(before)

    def rebooted(self) -> None:
        """A machine reboots between releases, and everything comes back by itself."""
        before = self.live()
        self.podman("stop", "--time", "60", machine="app2")
        self.podman("start", machine="app2")
        self.wait_for("app2 to serve again", lambda: (self.live()["app2"] or {}).get("healthy"))
        self.expect_same(before)

    def processes(self) -> None:
        """Workers run the live release on every machine, and one beat does over all."""
        for machine in self.apps:
            said = json.loads(self.ssh(machine, "release --json status"))
            states = said["processes"]
            if set(states) != {"worker-1", "worker-2", "beat-1"}:
                raise StepError(f"{machine} runs {sorted(states)}")
            for name, one in states.items():
                if (one["state"], one["release"]) != ("active", said["live"]["id"]):
                    raise StepError(f"{name} on {machine} is {one}, live is {said['live']['id']}")
        self.wait_for("one beat", lambda: len(self._beating()) == 1, 30)
        (first,) = self._beating()
        self.ssh(first, "systemctl stop orchard-process@beat-1")
        other = next(machine for machine in self.apps if machine != first)
        self.wait_for(f"the beat to go on on {other}", lambda: self._beating() == [other], 30)
        self.ssh(first, "systemctl start orchard-process@beat-1")
        time.sleep(5)
        if self._beating() != [other]:
            raise StepError(f"the beat runs on {self._beating()}, not on {other} alone")
        if not self.ssh("vps1", "cat /srv/orchard/media/switched").strip():
            raise StepError("the hook after_switch has not run")

    def _beating(self) -> list[str]:
        """The machines whose beat was heard within 3 seconds."""
        look = "find /var/lib/espalier/orchard/beat -newermt '3 seconds ago' 2>/dev/null"
        return [m for m in self.apps if self.ssh(m, f"{look} || true").strip()]

    def stop_and_start(self) -> None:
        """What a release must not be."""
        for machine in self.apps:
            self.ssh(machine, "systemctl restart 'orchard-web@*'")
            time.sleep(2)


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=0, help="go on until so many were sent")
    parser.add_argument("--short", action="store_true", help="a few steps, as CI does")
    parser.add_argument("--only", default="", help="names of steps, separated by commas")
    arguments = parser.parse_args()
    run = Run(arguments.inventory, arguments.requests)
    run.change()
    run.converge()
    steps: list[tuple[str, Callable[[], None]]] = [("no release", run.quiet)]
    every = RELEASES // (ROLLBACKS + 1) + 1
    for number in range(1, RELEASES + 1):
        steps.append((f"release {number}", run.good))
        if number % every == 0:
            steps.append((f"rollback {number // every}", run.back))
    steps.append(("rollback", run.back))
    steps.append(("typed: pyinfra", run.typed))
    steps.append(("version not there", run.no_such_version))
    steps += [(f"broken: {step}", lambda step=step: run.broken(step)) for step in BROKEN]
    steps += [
        ("processes", run.processes),
        ("killed, resumed", run.killed_and_resumed),
        ("killed, undone", run.killed_and_undone),
        ("two at once", run.two_at_once),
        ("site.yml", run.by_site),
        ("site.yml, release", run.site_against_release),
        ("site.yml killed", run.site_killed),
        ("typed on one", run.typed_on_one_machine),
        ("powered off", run.powered_off),
        ("disk full", run.disk_full),
        ("rebooted", run.rebooted),
    ]
    if arguments.short:
        steps = [step for step in steps if step[0] in SHORT]
    if arguments.only:
        wanted = arguments.only.split(",")
        steps = [step for step in steps if any(step[0].startswith(name) for name in wanted)]
    wrong = False
    ledger = HOME / "ledger.jsonl"
    with Load(run.site, VISITORS, ledger, MAX_SECONDS, MAX_REQUESTS, PAUSE) as load:

        def take(name: str, work: Callable[[], None]) -> bool:
            mark, began = load.mark(), time.monotonic()
            try:
                work()
                said = ""
            except StepError as error:
                said = str(error)
            report = load.report(mark)
            good = not said and is_clean(report)
            run.say(
                f"{name:<18} {time.monotonic() - began:6.1f} s  sent {report['sent']:>6}  failed "
                f"{report['failed']}  slowest {report['slowest']:.2f} s  rows "
                f"{report['rows']['acknowledged']:>5}  lost {report['rows']['lost']}  doubled "
                f"{report['rows']['doubled']}  stale {report['stale']}"
            )
            for failure in report["failures"]:
                run.say(f"  after {failure['after']} s: {failure['what']}")
            if said:
                run.say(f"  WRONG: {said}")
            return good

        for name, work in steps:
            wrong |= not take(name, work)
        number = RELEASES
        while load.sent < arguments.requests and not wrong:
            number += 1
            wrong |= not take(f"release {number}", run.good)
    total = load.report()
    run.say(f"total: {sentence(total)}")
    with Load(run.site, VISITORS, HOME / "control.jsonl", 60, 10_000, PAUSE) as load:
        time.sleep(3)
        run.stop_and_start()
        time.sleep(3)
    control = load.report()
    run.say(f"stop and start, for comparison: {sentence(control)}")
    if not control["failed"]:
        run.say("WRONG: visitors did not notice that; so they would not notice anything")
        wrong = True
    wrong |= not is_clean(total)
    run.say("FAILED" if wrong else "every step ended as it should, and nobody noticed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
