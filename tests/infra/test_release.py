"""Releases under traffic: those that go live, those that fail, and those that are killed.

Changed releases are made from the example project; the tests that need no other code run on any
site. Each test leaves the site with the release that it found.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from espalier.lab.inventory import read_lab
from espalier.lab.machines import wait_for
from espalier.lab.process import podman
from espalier.project.pack import pack
from espalier.project.servers import SERVERS
from tests.infra.test_check_mode import assert_nothing_to_report

testinfra_hosts = ["ansible://django"]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "orchard"
EVERY_PAGE = "garden/templates/garden/base.html"
MADE_HERE = "test-"  # how the names of these tests' archives begin
SLOTS = ("blue", "green")


# --- what is on the machine -----------------------------------------------------------------------


@dataclass
class Machine:
    """The releases of a project on its machine, looked at from outside."""

    host: Any
    project: str

    @property
    def root(self) -> str:
        """Where the project is."""
        return f"/srv/{self.project}"

    def live(self) -> dict[str, Any]:
        """Give what `release status` says about the live release."""
        return self.status()["live"]

    def status(self) -> dict[str, Any]:
        """Give all that `release status` says."""
        command = "release --project %s --json status"
        return json.loads(self.host.check_output(command, self.project))

    def releases(self) -> set[str]:
        """Give the names of all releases, half-built ones too."""
        return set(self.host.check_output("ls -A %s", f"{self.root}/releases").split())

    def archive(self) -> str:
        """Give the path of the archive that the live release was made of."""
        return f"{self.root}/archives/{self.project}-{self.live()['identity']}.tar.gz"

    def unit(self, slot: str) -> str:
        """Give the name of a slot's unit."""
        return f"{self.project}-web@{slot}"

    def idle(self) -> str:
        """Give the slot that is not live."""
        return next(slot for slot in SLOTS if slot != self.live()["slot"])

    def process(self, slot: str) -> str:
        """Give the process id of a slot's gunicorn; 0 when it does not run."""
        return self.host.check_output("systemctl show -P MainPID %s", self.unit(slot))

    def slots(self, question: str) -> list[str]:
        """Give the slots of which ``systemctl is-<question>`` is true."""
        ask = "systemctl is-%s --quiet %s"
        return [slot for slot in SLOTS if self.host.run(ask, question, self.unit(slot)).rc == 0]

    def answer(self) -> dict[str, Any]:
        """Give what the health view answers through nginx."""
        ask = (
            "import json, sys, urllib.request as u; c = json.load(open(sys.argv[1])); "
            "front = c['front'].replace('https:', 'http:'); "
            "print(u.urlopen(front + '/-/ready').read().decode())"
        )
        config = f"/etc/espalier/{self.project}/release.json"
        return json.loads(self.host.check_output("python3 -c %s %s", ask, config))

    def begin(self, command: str, archive: str, id: str) -> str:
        """Start a release command and do not wait for it; gives its process id."""
        return self.host.check_output(
            "nohup release --project %s %s %s --id %s > /dev/null 2>&1 < /dev/null & echo $!",
            *(self.project, command, archive, id),
        )

    def wait_until(self, condition: str, then: str = ":", seconds: int = 60) -> None:
        """Wait until a shell command succeeds on the machine, and do something right after."""
        script = f"until {condition}; do sleep 0.02; done; {then}"
        waited = self.host.run("timeout %s sh -c %s", str(seconds), script)
        assert waited.rc == 0, f"not so after {seconds} s: {condition}"

    def traces(self) -> str:
        """Give all that a failed release could leave behind, or disturb."""
        processes = "; ".join(f"systemctl show -P MainPID {self.unit(slot)}" for slot in SLOTS)
        return self.host.check_output(
            f"cd {self.root}; ls -A releases build venvs; find . -maxdepth 2 -type l -ls | "
            "awk '{print $11, $12, $13}' | sort; ls /etc/systemd/system/multi-user.target.wants; "
            # Not dead ones: whoever asks for a unit, as the alerts do each minute, has it loaded.
            "systemctl list-units --state=active,activating,deactivating,failed --plain "
            f"--no-legend '{self.project}-web@*'; {processes}"
        )


@pytest.fixture
def server(app: Any, project: str, is_lab: bool, topology: dict[str, Any]) -> Iterator[Machine]:
    """Give the app machine; afterwards the release that was live is live, and no other is new."""
    if not is_lab:
        pytest.skip("breaks things, so only in a lab")
    if topology["tiers"]:
        pytest.skip("long: the baseline's scenarios run it, and `release` with several machines")
    server = Machine(app, project)
    before, known = server.live()["id"], server.releases()
    yield server
    if server.live()["id"] != before:
        server.host.check_output("release --project %s switch %s", server.project, before)
    for id in server.releases() - known:
        server.host.check_output("rm -r %s", f"{server.root}/releases/{id}")
    server.host.check_output(
        f"cd {server.root} && rm -f archives/{MADE_HERE}* && "
        "for slot in blue green; do [ -e slots/$slot ] || rm -f slots/$slot*; done"
    )
    live = server.live()
    assert live["id"] == before
    assert live["healthy"]


@pytest.fixture
def variant(
    server: Machine, hostvars: dict[str, Any], tmp_path: Path
) -> Callable[[Mapping[str, str]], str]:
    """Pack the example project with something added to its files; gives the archive's path there.

    The text is appended to the file, which is made if need be.
    """
    if server.project != "orchard":
        pytest.skip("needs the source of the example project")

    def make(additions: Mapping[str, str]) -> str:
        code = tmp_path / "code"
        shutil.copytree(EXAMPLE, code, ignore=shutil.ignore_patterns("__pycache__", "*.sqlite3"))
        for name, text in additions.items():
            with open(code / name, "a") as file:
                file.write(text)
        build = json.loads(server.host.check_output("cat %s", f"{server.root}/current/build.json"))
        project = hostvars[server.host.backend.host]["project"] | {"directory": str(code)}
        # The kit's own requirements are among them, so that the virtual environment is there.
        packed = pack(
            project | {"name": server.project, "extra_requirements": []},
            *(ROOT, tmp_path / "cache", ROOT / "overlay"),
            dict.fromkeys(SERVERS, build["extra_requirements"]),
        )
        there = f"{server.root}/archives/{MADE_HERE}{packed.archive.identity}.tar.gz"
        server.host.ansible("copy", f"src={packed.archive.path} dest={there}", check=False)
        return there

    return make


# --- releases that go live ------------------------------------------------------------------------


def test_changed_release_goes_live_and_back_without_a_failed_request(
    server: Machine, site: Any, variant: Any, uninterrupted: Any, release: Any
) -> None:
    old, archive = server.live(), variant({EVERY_PAGE: "<p>The quinces are ripe.</p>"})
    assert b"The quinces are ripe." not in site.get("/")[1]

    deployed = release("deploy", archive, "--id", "test-quince")
    assert deployed["status"] == 0, deployed
    assert deployed["action"] == "deployed"
    new = server.live()
    assert new["id"] == "test-quince"
    assert new["slot"] != old["slot"]
    assert b"The quinces are ripe." in site.get("/")[1]
    assert server.answer()["release"] == "test-quince"
    assert server.slots("active") == server.slots("enabled") == [new["slot"]]
    listed = {row["id"]: row for row in release("list")["releases"]}
    assert listed["test-quince"]["live"]
    assert listed[old["id"]]["good"]
    assert not listed[old["id"]]["live"]

    back = release("rollback")
    assert back["status"] == 0, back
    assert server.live()["id"] == old["id"]
    assert b"The quinces are ripe." not in site.get("/")[1]
    assert server.slots("active") == server.slots("enabled") == [old["slot"]]
    assert "test-quince" in {row["id"] for row in release("list")["releases"]}


def test_deploying_what_is_live_changes_nothing(
    server: Machine, uninterrupted: Any, release: Any
) -> None:
    live, traces = server.live(), server.traces()
    again = release("deploy", server.archive())
    assert (again["status"], again["action"], again["changed"]) == (0, "unchanged", False)
    assert server.live() == live
    assert server.traces() == traces


def test_changed_environment_takes_effect_without_a_failed_request(
    server: Machine, uninterrupted: Any, release: Any
) -> None:
    file = f"/etc/espalier/{server.project}/environment"
    name, process = server.answer()["machine"], server.process(server.live()["slot"])
    server.host.check_output("cp -a %s %s", file, f"{file}.before")
    try:
        rename = 's/^ESPALIER_MACHINE=.*/ESPALIER_MACHINE="renamed"/'
        server.host.check_output("sed -i %s %s", rename, file)
        assert server.status()["stale"]
        assert server.answer()["machine"] == name
        # What a run of site.yml does when it finds the live release with other settings.
        restarted = release("deploy", server.archive())
        assert (restarted["status"], restarted["action"]) == (0, "restarted"), restarted
        assert server.answer()["machine"] == "renamed"
        assert not server.status()["stale"]
    finally:
        server.host.check_output("mv %s %s", f"{file}.before", file)
    assert release("restart")["status"] == 0
    assert server.answer()["machine"] == name
    assert not server.status()["stale"]
    assert server.process(server.live()["slot"]) != process


# --- releases that fail ---------------------------------------------------------------------------

# An inventory may run either.
ENTRY_POINTS = ("orchard/wsgi.py", "orchard/asgi.py")
FAILING_MIGRATION = """
from django.db import migrations, models


def fail(apps, schema_editor):
    raise ValueError("the rootstock does not take")


class Migration(migrations.Migration):
    dependencies = [("garden", "0002_first_trees")]
    operations = [
        migrations.AddField("tree", "rootstock", models.TextField(null=True)),
        migrations.RunPython(fail),
    ]
"""


@pytest.mark.parametrize(
    ("additions", "said"),
    [
        pytest.param(
            {"requirements.txt": "\nasgiref<1\n"},
            ("install failed: the requirements cannot be met together", "asgiref"),
            id="requirement that does not resolve",
        ),
        pytest.param(
            {"orchard/settings.py": "\nimport arboretum\n"},
            (
                "check failed: the settings orchard.settings do not load here",
                "No module named 'arboretum'",
                "`extra_requirements:` in project.yml",
                "Traceback (most recent call last)",
                "orchard/settings.py",
            ),
            id="settings that do not import",
        ),
        pytest.param(
            {"garden/migrations/0003_fails.py": FAILING_MIGRATION},
            (
                "migrate failed: the migrations failed",
                "ValueError: the rootstock does not take",
                "0003_fails.py",
            ),
            id="migration that fails",
        ),
        pytest.param(
            dict.fromkeys(ENTRY_POINTS, '\nraise RuntimeError("no sap today")\n'),
            (
                "switch failed: orchard-web@",
                "ended while it started",
                "RuntimeError: no sap today",
                "sgi.py",
            ),
            id="project that crashes at its start",
        ),
        pytest.param(
            {"orchard/urls.py": "\nurlpatterns.insert(0, path('', lambda request: 1 / 0))\n"},
            (
                "switch failed: the front page answers 500",
                "ZeroDivisionError: division by zero",
            ),
            id="front page that is an error",
        ),
    ],
)
def test_failed_release_leaves_the_old_one_serving_and_nothing_behind(
    server: Machine,
    variant: Any,
    uninterrupted: Any,
    machine: Any,
    topology: Any,
    additions: Mapping[str, str],
    said: tuple[str, ...],
) -> None:
    archive = variant(additions)
    assert_fails(server, archive, *said)
    database = machine(topology["services"]["postgresql_primary"][0])
    ask = "SELECT count(*) FROM information_schema.columns WHERE column_name = 'rootstock'"
    assert database.check_output("runuser -u postgres -- psql -AtX orchard -c %s", ask) == "0"


def assert_fails(server: Machine, archive: str, *said: str) -> None:
    """Check that a release fails with the words given, and that it leaves no trace."""
    live, traces = server.live(), server.traces()
    command = "release --project %s deploy %s --id test-broken"
    done = server.host.run(command, server.project, archive)
    assert done.rc == 1, done
    sentence = done.stderr[done.stderr.index("release: ") :]
    for words in said:
        assert words in sentence, done.stderr
    assert sentence.rstrip().endswith(f"The release {live['id']} is still serving.")
    assert server.live() == live
    assert server.traces() == traces


@contextmanager
def small_disk(server: Machine, options: str) -> Iterator[None]:
    """Put a small file system where releases are built."""
    where, user = f"{server.root}/build", server.project
    mount = "mount -t tmpfs -o %s,mode=0750,uid=$(id -u %s),gid=$(id -g %s) tmpfs %s"
    server.host.check_output(mount, options, user, user, where)
    try:
        yield
    finally:
        server.host.check_output("umount %s", where)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        # Refused before anything is written.
        pytest.param("size=8m", "is too full: 50 MB are needed, 8 MB are free", id="too small"),
        # Enough bytes, but the system has no place for so many files: a real ENOSPC on the way.
        pytest.param("size=200m,nr_inodes=20", "is full", id="full on the way"),
    ],
)
def test_full_disk_leaves_the_old_release_serving_and_nothing_behind(
    server: Machine, variant: Any, uninterrupted: Any, options: str, said: str
) -> None:
    archive = variant({EVERY_PAGE: "<p>No room for one more tree.</p>"})
    with small_disk(server, options):
        assert_fails(server, archive, f"the disk at {server.root}/build {said}")


# --- releases that are interrupted ----------------------------------------------------------------


def deploy_and_kill(server: Machine, archive: str, when: str) -> None:
    """Begin a release as test-killed, and kill it as soon as a shell command succeeds."""
    pid = server.begin("deploy", archive, "test-killed")
    server.wait_until(when, f"kill -KILL {pid}")
    assert server.status()["lock"] is None


def assert_tidy(server: Machine) -> None:
    """Check that nothing half-built is left, and that only the live slot runs, also tomorrow."""
    status = server.status()
    assert status["live"]["healthy"]
    assert server.slots("active") == server.slots("enabled") == [status["live"]["slot"]]
    assert server.host.check_output("ls -A %s", f"{server.root}/build") == ""
    assert server.releases() == {row["id"] for row in status["releases"]}


def test_release_killed_while_it_is_built(
    server: Machine, variant: Any, uninterrupted: Any, release: Any
) -> None:
    old, archive = server.live(), variant({EVERY_PAGE: "<p>Never finished.</p>"})
    deploy_and_kill(server, archive, f"[ -d {server.root}/releases/test-killed ]")
    assert server.live() == old
    assert release("deploy", archive)["status"] == 0
    live = server.live()
    assert live["identity"] != old["identity"]
    assert live["id"] != "test-killed"
    assert_tidy(server)


def test_release_killed_while_it_starts(
    server: Machine, variant: Any, uninterrupted: Any, release: Any
) -> None:
    slow = dict.fromkeys(ENTRY_POINTS, "\nimport time\ntime.sleep(2)\n")
    old, archive = server.live(), variant(slow)
    kept, unit = server.archive(), server.unit(server.idle())
    deploy_and_kill(server, archive, f"[ $(systemctl show -P MainPID {unit}) != 0 ]")
    assert server.live() == old
    assert server.slots("enabled") == [old["slot"]]
    # Releasing what is live stops what was started beside it …
    again = release("deploy", kept)
    assert (again["status"], again["action"]) == (0, "unchanged"), again
    assert server.live() == old
    assert_tidy(server)
    # … and releasing the other uses what was built.
    again = release("deploy", archive)
    assert (again["status"], again["action"]) == (0, "deployed"), again
    assert server.live()["id"] == "test-killed"
    assert_tidy(server)


def test_release_killed_after_it_went_live(
    server: Machine, variant: Any, uninterrupted: Any, release: Any
) -> None:
    archive, idle = variant({EVERY_PAGE: "<p>Just in time.</p>"}), server.idle()
    deploy_and_kill(server, archive, f"readlink {server.root}/web.sock | grep -q {idle}")
    live = server.live()
    assert (live["id"], live["slot"], live["healthy"]) == ("test-killed", idle, True)
    assert idle in server.slots("enabled")
    again = release("deploy", archive)
    assert (again["status"], again["action"]) == (0, "unchanged"), again
    assert server.live() == live
    assert_tidy(server)


def test_second_release_at_the_same_time_is_refused(
    server: Machine, variant: Any, uninterrupted: Any
) -> None:
    traces = server.traces()
    archive = variant({"orchard/settings.py": "\nimport time\ntime.sleep(2)\n"})
    pid = server.begin("prepare", archive, "test-first")
    server.wait_until(f"[ -d {server.root}/releases/test-first ]")
    second = server.host.run("release --project %s deploy %s", server.project, archive)
    assert second.rc == 3, second
    assert "another release is running (root, since 20" in second.stderr
    assert f"release prepare {archive}, pid {pid} here" in second.stderr
    # Ended politely, the first one takes back what it made.
    server.host.check_output("kill -TERM %s", pid)
    server.wait_until(f"! kill -0 {pid} 2> /dev/null")
    assert server.traces() == traces


# --- a reboot -------------------------------------------------------------------------------------


def test_reboot_brings_the_same_release_back(
    server: Machine, site: Any, release: Any, inventory_path: str
) -> None:
    # Into the other slot, so that both have been in use.
    assert release("restart")["status"] == 0
    before, boot = server.live(), server.process(server.live()["slot"])
    reboot(inventory_path, server.host.backend.host)
    deadline = time.monotonic() + 60
    while not answers(site):
        assert time.monotonic() < deadline, "the site does not answer 60 s after its reboot"
        time.sleep(0.5)
    assert server.live() == before
    assert server.process(before["slot"]) != boot
    assert server.answer()["release"] == before["id"]
    assert server.slots("active") == server.slots("enabled") == [before["slot"]]
    # What the kit configures survives, too.
    assert_nothing_to_report(inventory_path)


def answers(site: Any) -> bool:
    """Say whether the front page is there."""
    try:
        return site.get("/")[0].status == 200
    except OSError:
        return False


def reboot(inventory: str, name: str) -> None:
    """Start a machine of the lab anew, and wait until it answers over SSH."""
    lab = read_lab(inventory)
    machine = next(machine for machine in lab.machines if machine.name == name)
    podman("restart", lab.container(machine))
    assert wait_for(machine, 60), f"{name} does not answer 60 s after its reboot"
