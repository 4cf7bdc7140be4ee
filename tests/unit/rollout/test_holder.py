"""The process that holds the lock for site.yml ends when it is told to, or with the run."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.site import Site, SiteError
from espalier.rollout import holder
from espalier.rollout.lock import HEARTBEAT

NO_MACHINES = Site(Path("inventories/x"), "shop", {"services": {"django": []}}, {}, {}, {})


class Run:
    """A process that stands for the run of site.yml; `pipes` end with it, the second also with a
    process that it has forked.
    """

    def __init__(self) -> None:
        """Begin it."""
        first, everybody = os.pipe(), os.pipe()
        self.pipes = (first[0], everybody[0])
        sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
        self.process = subprocess.Popen(sleep, pass_fds=(first[1], everybody[1]))
        self.orphan = subprocess.Popen(sleep, pass_fds=(everybody[1],))
        os.close(first[1])
        os.close(everybody[1])

    def kill(self) -> None:
        """Kill it; nobody asks for its exit status yet."""
        self.process.kill()


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    for process in (made.process, made.orphan):
        process.kill()
        process.wait()
    for pipe in made.pipes:
        os.close(pipe)


@pytest.fixture
def site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold_command: Callable[..., list[str]]
) -> Site:
    """A site of one machine, which is here: `ssh` and `sudo` run what they are given."""
    programs = {
        "ssh": 'for last; do :; done; exec sh -c "$last"',
        "sudo": 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"',
        "release": (
            'while [ $# -gt 0 ]; do [ "$1" = --token ] && token=$2; shift; done; '
            f'exec {shlex.join(hold_command(tmp_path / "lock", "ann"))} "$token"'
        ),
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return Site(
        Path("inventories/x"), "shop", {"services": {"django": ["app1"]}}, {}, {}, {"app1": {}}
    )


def is_free(lock: Path) -> bool:
    """Whether nobody holds a lock at this moment."""
    with open(lock) as file, suppress(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def status_at_its_end(pid: int) -> int:
    """Wait for a process, 10 s at most; gives its exit status."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    raise AssertionError(f"{pid} goes on")


def test_it_ends_when_it_is_told_to(run: Run) -> None:
    held = holder.start(NO_MACHINES, "ann@desk", run=run.pipes)
    assert held["tokens"] == {}
    holder.end(held["socket"])
    assert status_at_its_end(held["pid"]) == 0


def test_it_ends_with_the_run(run: Run) -> None:
    held = holder.start(NO_MACHINES, "ann@desk", run=run.pipes)
    time.sleep(1)
    assert os.waitpid(held["pid"], os.WNOHANG) == (0, 0), "it ended before the run did"
    run.orphan.kill()
    run.kill()  # its process id is still taken
    assert status_at_its_end(held["pid"]) == 0
    holder.end(held["socket"])


def test_the_lock_is_free_as_soon_as_it_was_unlocked(run: Run, site: Site, tmp_path: Path) -> None:
    held = holder.start(site, "ann@desk", run=run.pipes)
    assert list(held["tokens"]) == ["app1"]
    assert not is_free(tmp_path / "lock")
    holder.end(held["socket"])
    assert is_free(tmp_path / "lock")
    assert (tmp_path / "lock").read_text() == "", "nothing was cut off"
    assert status_at_its_end(held["pid"]) == 0


def test_what_the_run_is_stands_in_the_lock(run: Run, site: Site, tmp_path: Path) -> None:
    held = holder.start(site, "ann@desk", run=run.pipes, what="remove")
    deadline = time.monotonic() + 2 * HEARTBEAT
    while (said := json.loads((tmp_path / "lock").read_text())["what"]) != "remove":
        assert time.monotonic() < deadline, said
        time.sleep(0.1)
    holder.end(held["socket"])


def test_run_that_was_killed_leaves_that_it_was_cut_off(
    run: Run, site: Site, tmp_path: Path
) -> None:
    held = holder.start(site, "ann@desk", run=run.pipes)
    run.kill()
    time.sleep(1)
    assert not is_free(tmp_path / "lock"), "a task of the run goes on"
    run.orphan.kill()
    assert status_at_its_end(held["pid"]) == 0
    assert is_free(tmp_path / "lock")
    assert held["tokens"]["app1"] in (tmp_path / "lock").read_text()


def test_lock_that_was_lost_is_taken_again(run: Run, site: Site, tmp_path: Path) -> None:
    held = holder.start(site, "ann@desk", run=run.pipes)

    def written() -> dict[str, Any]:
        return dict(json.loads((tmp_path / "lock").read_text()))

    first = written()["pid"]
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while written()["pid"] == first:
        assert time.monotonic() < deadline, "nobody took it again"
        time.sleep(0.2)
    assert written()["token"] == held["tokens"]["app1"]
    assert not is_free(tmp_path / "lock")
    holder.end(held["socket"])
    assert status_at_its_end(held["pid"]) == 0


def test_words_of_a_crash_are_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python").write_text(
        "#!/bin/sh\necho Traceback >&2; echo OSError: no >&2; exit 1\n"
    )
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(SiteError) as raised:
        holder.start(NO_MACHINES, "ann@desk", run=run.pipes)
    assert str(raised.value) == "the lock over the site cannot be taken: OSError: no"
    assert raised.value.detail == "Traceback\nOSError: no\n"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the test finds pipes there")
def test_pipes_of_a_run_end_with_its_first_process_and_with_the_last() -> None:
    script = """
import os, time
from espalier.rollout.holder import RunPipes
pipes = RunPipes()
if not os.fork():
    assert pipes.is_forked
    if not os.fork():
        time.sleep(2)
    os._exit(0)
assert not pipes.is_forked
os.wait()
print(*pipes.readers, flush=True)
os.read(0, 1)
"""
    pipe = subprocess.PIPE
    run = subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe)
    assert run.stdin and run.stdout
    readers = [f"/proc/{run.pid}/fd/{number}" for number in run.stdout.readline().decode().split()]
    first, everybody = (os.open(name, os.O_RDONLY) for name in readers)
    assert select.select([first, everybody], [], [], 0)[0] == []
    run.kill()
    assert select.select([first, everybody], [], [], 1)[0] == [first]
    assert select.select([everybody], [], [], 10)[0] == [everybody]
    run.wait()


def test_machine_that_does_not_give_the_lock_is_named(run: Run) -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_port": 1}
    site = Site(
        Path("inventories/x"), "shop", {"services": {"django": ["app1"]}}, {}, {}, {"app1": closed}
    )
    # Under --limit a machine that does not answer is left out: nothing can be released there.
    held = holder.start(site, "ann@desk", run=run.pipes)
    assert held["notes"] == [
        "app1 does not answer, so it is not locked; nothing can be released there."
    ]
    holder.end(held["socket"])
    assert status_at_its_end(held["pid"]) == 0
    asked = {"app1": closed | {"ansible_become_password": "x", "ansible_ssh_common_args": "-L 1"}}
    refused = Site(site.inventory, "shop", site.topology, {}, {}, asked)
    with pytest.raises(SiteError, match="has no place in a configuration file of ssh"):
        holder.start(refused, "ann@desk", run=run.pipes)
