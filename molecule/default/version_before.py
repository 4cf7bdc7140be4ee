#!/usr/bin/env python3
"""Take over a site that the version before has made, under traffic, and release to it.

    version_before.py -i molecule/default/inventory

The lab of the inventory must be up, and its machines as new. tests/version-before names the commit
of the version before. Its kit converges the machines. Then, while visitors read and write, today's
site.yml runs on them, twice, several machines are given certificates of another authority, and a
release and a rollback follow, as a person types them.

Exit status 1, unless every step ended as it should, and

- the first of today's runs changed something only where the text of a file changed, or released;
- no service was restarted but Django's;
- the second run changed nothing;
- no request failed, and no row was lost, doubled or stale.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from espalier.environment import plain_environment
from espalier.inventory.listing import ListingError, read_machines
from espalier.lab.other_version import programs, version_before
from espalier.lab.process import LabError
from espalier.load.report import is_clean, sentence
from espalier.load.site import LoadError, site_of
from espalier.load.takeover import Change, State, changes_in, restarted, unexplained
from espalier.load.visitors import MAX_REQUESTS, MAX_SECONDS, Load

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = "examples/orchard"
EVERY_PAGE = "garden/templates/garden/base.html"
VISITORS = 6
PAUSE = 0.1  # seconds between a visitor's requests: traffic, not a benchmark, on two cores
# Where the kit writes files on a machine, apart from data and releases.
CONFIGURED = ("/etc", "/usr/local", "/usr/lib/systemd", "/var/lib/espalier")
FILES = f"""
import glob, hashlib, json, os
found = {{}}
for path in [*glob.glob("/srv/*/*/"), *glob.glob("/etc/espalier/**/", recursive=True)]:
    known = os.stat(path)
    found[path.rstrip("/")] = [oct(known.st_mode), known.st_uid, known.st_gid, "a directory"]
for top in {CONFIGURED!r}:
    for folder, _, names in os.walk(top):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path):
                known = os.stat(path)
                digest = hashlib.sha256(open(path, "rb").read()).hexdigest()
                found[path] = [oct(known.st_mode), known.st_uid, known.st_gid, digest]
print(json.dumps(found))
"""
# Those that the kit has switched on; others come and go by themselves.
SERVICES = """
systemctl list-units --type=service --state=running --plain --no-legend | cut -d' ' -f1 |
xargs -r systemctl show --property=Id,MainPID,UnitFileState
"""


class StepError(Exception):
    """A step did not end as it should; says why."""


class Takeover:
    """The lab, and what is done with it while visitors come."""

    def __init__(self, inventory: Path) -> None:
        """Read the inventory."""
        self.inventory = inventory.resolve()
        self.home = ROOT / ".lab" / self.inventory.parent.name
        self.home.mkdir(parents=True, exist_ok=True)
        self.machines = read_machines(self.inventory)
        self.site = site_of(self.machines)
        services = next(iter(self.machines.values()))["topology"]["services"]
        self.apps, self.web = services["django"], services["nginx"][0]
        self._summary = (self.home / "summary.txt").open("w", buffering=1)
        self._log = (self.home / "commands.log").open("w", buffering=1)

    def report(self, line: str) -> None:
        """Print a line at once, and keep it for those who come later."""
        print(f"version before: {line}", flush=True)
        self._summary.write(line + "\n")

    def run(self, *command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
        """Run a command; gives its standard output, StepError if it fails."""
        done = subprocess.run(
            command,
            cwd=cwd,
            capture_output=True,
            text=True,
            env=plain_environment(ansible=False, **environment),
        )
        self._log.write(f"$ {' '.join(map(str, command))}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            output = (done.stdout + done.stderr).strip()[-3000:]
            raise StepError(f"{Path(command[0]).name} ended with {done.returncode}:\n{output}")
        return done.stdout

    def converge(self, *options: str, **environment: str) -> str:
        """Run today's site.yml; gives what it printed."""
        playbook = Path(sys.executable).with_name("ansible-playbook")
        return self.run(playbook, "site.yml", "-i", self.inventory, *options, **environment)

    def changes(self) -> list[Change]:
        """Run today's site.yml; gives what it changed."""
        output = self.converge(ANSIBLE_STDOUT_CALLBACK="ansible.posix.json")
        # Lines for people may stand before it.
        return changes_in(json.loads(output[output.index("{\n") :]))

    def on(self, machine: str, command: str) -> str:
        """Run a command on a machine; gives its output, StepError if it fails."""
        variables = self.machines[machine]
        key = Path(variables["ansible_ssh_private_key_file"]).expanduser()
        options = ["-i", str(key), *variables["ansible_ssh_common_args"].split()]
        return self.run("ssh", *options, f"root@{variables['ansible_host']}", command)

    def state(self) -> dict[str, State]:
        """See every machine."""
        found = {}
        for machine in self.machines:
            blocks = self.on(machine, SERVICES).split("\n\n")
            units = [dict(line.split("=", 1) for line in block.splitlines()) for block in blocks]
            services = {
                unit["Id"]: unit["MainPID"]
                for unit in units
                if unit.get("UnitFileState", "").startswith("enabled")
            }
            files = json.loads(self.on(machine, f"python3 -c {shlex.quote(FILES)}"))
            packages = self.on(machine, "dpkg-query --show --showformat '${Package}\n'").split()
            found[machine] = State(files, services, self.live(), frozenset(packages))
        return found

    def live(self) -> str:
        """Give the id of the release that is live; StepError unless it serves well."""
        status = json.loads(self.on(self.apps[0], "release --json status"))
        if not status["live"] or not status["live"]["healthy"]:
            raise StepError(f"{self.apps[0]} does not serve well: {status}")
        return str(status["live"]["id"])

    # steps

    def check(self) -> None:
        """Today's kit can look at a machine that was never converged, and changes nothing."""
        self.converge("--check", "--diff")

    def begin(self) -> None:
        """The version before makes the site."""
        tree = version_before()
        playbook = programs(tree) / "ansible-playbook"
        config = str(tree / "ansible.cfg")
        # Outside of its own clone a relative directory would be the inventory's.
        project = next(iter(self.machines.values()))["project"]
        own = json.dumps({"project": project | {"directory": str(ROOT / project["directory"])}})
        options = ("-i", self.inventory, "--extra-vars", own)
        self.run(playbook, "site.yml", *options, cwd=tree, ANSIBLE_CONFIG=config)
        self.live()

    def take_over(self) -> None:
        """Today's kit converges it."""
        before = self.state()
        changed = self.changes()
        after = self.state()
        wrong = [
            f"{change.machine}: `{change.name}` {why}"
            for change in changed
            if (why := unexplained(change, before[change.machine], after[change.machine]))
        ]
        project = json.loads(self.on(self.apps[0], "cat /etc/ansible/facts.d/espalier.fact"))
        for machine in self.machines:
            for unit in restarted(before[machine], after[machine], project["projects"][0]):
                wrong.append(f"{machine}: {unit} was restarted")
        for change in changed:
            self.report(
                f"  changed {change.machine}: {change.name} {' '.join(change.files)}".rstrip()
            )
        if wrong:
            raise StepError("\n".join(wrong))

    def again(self) -> None:
        """A second run has nothing to do."""
        if changed := self.changes():
            raise StepError(f"a second run changed something: {changed}")

    def other_authority(self) -> None:
        """The machines get certificates of another authority, as after its secret was lost."""
        (self.inventory / ".secrets" / "authority").unlink()
        self.converge()
        self.again()

    def release(self) -> None:
        """A release, with a line of every page changed, back from it, and a restart."""
        project, inventory = self.home / "orchard", self.home / "inventory"
        for copy, source in ((project, ROOT / EXAMPLE), (inventory, self.inventory)):
            shutil.rmtree(copy, ignore_errors=True)
            ignored = shutil.ignore_patterns("__pycache__", "*.sqlite3")
            shutil.copytree(source, copy, ignore=ignored)
        project_file = inventory / "group_vars/all/project.yml"
        project_file.write_text(project_file.read_text().replace(EXAMPLE, str(project)))
        with (project / EVERY_PAGE).open("a") as page:
            page.write("<!-- released by today's kit -->\n")
        before, released = self.live(), ""
        for command, page_is_new in (("release", True), ("rollback", False)):
            espalier = Path(sys.executable).with_name("espalier")
            self.run(espalier, command, "-i", inventory)
            if (self.live() != before) is not page_is_new:
                raise StepError(f"after the {command}, {self.live()} is live; before: {before}")
            if ("<!-- released by today's kit -->" in self.front_page()) is not page_is_new:
                raise StepError(f"the front page is not the one of the {command}")
            released = released or self.live()
        # As if it had never been, for the tests that come. The idle slot still names it until the
        # live release has been in that slot, too.
        for app in self.apps:
            self.on(app, f"release restart --only-here && release remove --only-here {released}")

    def front_page(self) -> str:
        """Fetch the front page, on the web machine."""
        ask = (
            "import socket, ssl, urllib.request as u; c = ssl._create_unverified_context(); "
            "find = socket.getaddrinfo; "
            "socket.getaddrinfo = lambda host, *rest, **more: find('127.0.0.1', *rest, **more); "
            f"page = u.urlopen('{self.site.scheme}://{self.site.domain}/', context=c); "
            "print(page.read().decode())"
        )
        return self.on(self.web, f"python3 -c {shlex.quote(ask)}")


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-i", "--inventory", type=Path, required=True)
    arguments = parser.parse_args()
    takeover = Takeover(arguments.inventory)

    def step(name: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        takeover.report(f"{name:<40} {time.monotonic() - began:6.1f} s")

    try:
        step("today's check of a new machine", takeover.check)
        step("the version before makes the site", takeover.begin)
        with ExitStack() as stack:
            bounds = (MAX_SECONDS, MAX_REQUESTS, PAUSE)
            ledger = takeover.home / "ledger.jsonl"
            load = stack.enter_context(Load(takeover.site, VISITORS, ledger, *bounds))
            step("today's version takes it over", takeover.take_over)
            step("a second run", takeover.again)
            if len(takeover.machines) > 1:
                step("another authority between machines", takeover.other_authority)
            step("a release, a rollback, a restart", takeover.release)
        report = load.report()
    except (StepError, LabError, ListingError, LoadError) as error:
        takeover.report(f"FAILED: {error}")
        return 1
    takeover.report(sentence(report))
    for failure in report["failures"]:
        takeover.report(f"  after {failure['after']} s: {failure['what']}")
    takeover.report("taken over, and nobody noticed" if is_clean(report) else "FAILED")
    return 0 if is_clean(report) else 1


if __name__ == "__main__":
    sys.exit(main())
