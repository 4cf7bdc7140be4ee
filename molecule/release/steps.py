"""What happens to the site while people visit it; one function a step, which raises StepError."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial

from site_under_traffic import BROKEN, Site, StepError

RELEASES, ROLLBACKS = 10, 3
# While it is there, the project's hook before a migration waits.
HELD = "/srv/orchard/media/held"
# The steps that `--short` takes.
SHORT = (
    *("release 1", "release 2", "rollback", "broken: probe", "killed, resumed"),
    *("two at once", "site.yml", "site.yml, release"),
)
Step = Callable[[Site], None]


def every_step(requests: int) -> Iterator[tuple[str, Step]]:
    """Give the steps in their order, each with its name; so many requests are wanted in all."""
    # The slowest of many requests is slower than the slowest of a few, so the quiet time grows too.
    yield "no release", partial(quiet, seconds=max(30, requests / 300))
    every = RELEASES // (ROLLBACKS + 1) + 1
    for number in range(1, RELEASES + 1):
        yield f"release {number}", release
        if number % every == 0:
            yield f"rollback {number // every}", rollback
    yield "rollback", rollback
    yield "typed: pyinfra", by_pyinfra
    yield "version not there", no_such_version
    for part in BROKEN:
        yield f"broken: {part}", partial(broken, part=part)
    yield "processes", processes
    yield "killed, resumed", killed_and_resumed
    yield "killed, rolled back", killed_and_rolled_back
    yield "two at once", two_at_once
    yield "site.yml", by_site
    yield "site.yml, release", site_against_release
    yield "site.yml killed", site_killed
    yield "typed on one", typed_on_one_machine
    yield "powered off", powered_off
    yield "disk full", disk_full
    yield "rebooted", rebooted


def quiet(site: Site, seconds: float) -> None:
    """No release, for comparison."""
    time.sleep(seconds)


def release(site: Site) -> None:
    """A release."""
    site.change()
    site.command("release")
    site.expect_new()


def rollback(site: Site) -> None:
    """A rollback."""
    before = site.live()
    site.command("rollback")
    if site.live()["vps1"]["identity"] == before["vps1"]["identity"]:
        raise StepError("the rollback changed nothing")


def broken(site: Site, part: str) -> None:
    """A release that fails in a step."""
    before = site.live()
    site.change(BROKEN[part])
    site.command("release", status=1)
    site.expect_same(before)


def by_pyinfra(site: Site) -> None:
    """A release as those type it who know pyinfra; one that fails must say so by its status."""
    site.change()
    site.pyinfra(status=0)
    site.expect_new()
    before = site.live()
    site.change(BROKEN["build"])
    if "Visitors are served as before." not in site.pyinfra(status=1):
        raise StepError("pyinfra does not say why the release failed")
    site.expect_same(before)


def no_such_version(site: Site) -> None:
    """A release of something that is not there."""
    before = site.live()
    site.command("release", "--version", "v0.0", status=2)
    site.expect_same(before)


def killed_and_resumed(site: Site) -> None:
    """The control machine is killed when one machine has switched; the same command finishes it."""
    _kill_half_way(site)
    said = site.command("release")
    if "was not finished" not in said:
        raise StepError(f"nothing was said about the release that was cut off:\n{said}")
    site.expect_new()


def killed_and_rolled_back(site: Site) -> None:
    """The same, and `rollback` undoes it."""
    before = site.live()
    _kill_half_way(site)
    site.command("rollback")
    site.expect_same(before)


def _kill_half_way(site: Site) -> None:
    """Begin a release, and kill the control machine when one of the machines has switched."""
    site.change()
    job = site.start("release")
    site.until(job, "switch vps1")
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    site.wait_for("the lock to be free", lambda: site.lock_holder() is None)


def two_at_once(site: Site) -> None:
    """A second release while one runs is refused, and says who runs the first."""
    site.change()
    job = site.start("release")
    site.until(job, "lock vps1")
    said = site.command("release", status=3)
    if "since" not in said:
        raise StepError(f"it is not said who is at work:\n{said}")
    job.communicate()
    if job.returncode:
        raise StepError(f"the first release ended with {job.returncode}")
    site.expect_new()


def by_site(site: Site) -> None:
    """site.yml releases in the same order; one that fails is taken back, and said."""
    site.change()
    said = " ".join(site.converge().split())
    order = [said.find(word) for word in ("build app2", "migrate vps1", "switch app2", "clean")]
    if order != sorted(order) or -1 in order:
        raise StepError(f"site.yml does not release in the order of a release:\n{said[-3000:]}")
    site.expect_new()
    before = site.live()
    site.change(BROKEN["start"])
    if "no sap today" not in site.converge(status=2):
        raise StepError("site.yml does not say why the release failed")
    site.expect_same(before)


def site_against_release(site: Site) -> None:
    """A release while site.yml runs is refused, and the other way round, before anything."""
    site.change()
    job = site.start_site()
    site.until(job, "TASK [django : Configure, and install uv]")
    if "(site.yml)" not in site.command("release", status=3):
        raise StepError("it is not said that site.yml is at work")
    job.communicate()
    if job.returncode:
        raise StepError(f"site.yml ended with {job.returncode}")
    site.expect_new()
    site.change()
    site.ssh("vps1", f"touch {HELD}")
    job = site.start("release")
    site.until(job, "build vps1")
    try:
        if "another release is running" not in site.converge(status=2):
            raise StepError("it is not said why site.yml was refused")
    finally:
        site.ssh("vps1", f"rm {HELD}")
    job.communicate()
    if job.returncode:
        raise StepError(f"the release ended with {job.returncode}")
    site.expect_new()


def site_killed(site: Site) -> None:
    """site.yml is killed when one machine has switched; the lock ends with it."""
    site.change()
    job = site.start_site()
    site.until(job, "switch vps1")
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    site.wait_for("the lock to be free", lambda: site.lock_holder() is None)
    said = site.command("release")
    if "was not finished" not in said:
        raise StepError(f"nothing was said about the run that was cut off:\n{said}")
    site.expect_new()


def typed_on_one_machine(site: Site) -> None:
    """`release` typed on one of several machines wants to be told that only it is meant."""
    ask = "release {} restart > /tmp/answer 2>&1; echo $?; cat /tmp/answer"
    status, *said = site.ssh("app2", ask.format("")).splitlines()
    if status != "2" or "--only-here" not in " ".join(said):
        raise StepError(f"it ended with {status}: {said}")
    status, *said = site.ssh("app2", ask.format("--only-here")).splitlines()
    if status != "0":
        raise StepError(f"with --only-here it ended with {status}: {said}")


def powered_off(site: Site) -> None:
    """A machine is shut down while the release is built on it; later it is there again."""
    before = site.live()
    site.change()
    job = site.start("release")
    site.until(job, "plan vps1")
    site.podman("stop", "--time", "60", machine="app2")
    said = job.communicate()[0]
    if job.returncode != 1:
        raise StepError(f"the release ended with {job.returncode}:\n{said}")
    site.podman("start", machine="app2")
    site.wait_for("app2 to serve again", lambda: (site.live()["app2"] or {}).get("healthy"))
    site.expect_same(before)
    site.command("release")
    site.expect_new()


def disk_full(site: Site) -> None:
    """The disk of a machine is full when the release is built on it."""
    before = site.live()
    site.change({"requirements.txt": "\nidna==3.10\n"})
    build = "/srv/orchard/build"
    # Room enough, but the system has no place for so many files: a real ENOSPC on the way.
    options = "size=200m,nr_inodes=20,mode=0750,uid=$(id -u orchard),gid=$(id -g orchard)"
    site.ssh("app2", f"mount -t tmpfs -o {options} tmpfs {build}")
    try:
        said = site.command("release", status=1)
        if "full" not in said:
            raise StepError(f"it is not said that the disk is full:\n{said}")
    finally:
        site.ssh("app2", f"umount {build}")
    site.expect_same(before)


def rebooted(site: Site) -> None:
    """A machine reboots between releases, and everything comes back by itself."""
    before = site.live()
    site.podman("stop", "--time", "60", machine="app2")
    site.podman("start", machine="app2")
    site.wait_for("app2 to serve again", lambda: (site.live()["app2"] or {}).get("healthy"))
    site.expect_same(before)


def processes(site: Site) -> None:
    """Workers run the live release on every machine, and one beat does over all."""
    for machine in site.apps:
        said = json.loads(site.ssh(machine, "release --json status"))
        states = said["processes"]
        if set(states) != {"worker-1", "worker-2", "beat-1"}:
            raise StepError(f"{machine} runs {sorted(states)}")
        for name, one in states.items():
            if (one["state"], one["release"]) != ("active", said["live"]["id"]):
                raise StepError(f"{name} on {machine} is {one}, live is {said['live']['id']}")
    site.wait_for("one beat", lambda: len(_beating(site)) == 1, 30)
    (first,) = _beating(site)
    site.ssh(first, "systemctl stop orchard-process@beat-1")
    other = next(machine for machine in site.apps if machine != first)
    site.wait_for(f"the beat to go on on {other}", lambda: _beating(site) == [other], 30)
    site.ssh(first, "systemctl start orchard-process@beat-1")
    time.sleep(5)
    if _beating(site) != [other]:
        raise StepError(f"the beat runs on {_beating(site)}, not on {other} alone")
    if not site.ssh("vps1", "cat /srv/orchard/media/switched").strip():
        raise StepError("the hook after_switch has not run")


def _beating(site: Site) -> list[str]:
    """The machines whose beat was heard within 3 seconds."""
    look = "find /var/lib/espalier/orchard/beat -newermt '3 seconds ago' 2>/dev/null"
    return [m for m in site.apps if site.ssh(m, f"{look} || true").strip()]


def stop_and_start(site: Site) -> None:
    """What a release must not be."""
    for machine in site.apps:
        site.ssh(machine, "systemctl restart 'orchard-web@*'")
        time.sleep(2)
