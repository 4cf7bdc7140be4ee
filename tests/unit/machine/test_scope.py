"""A command's scope: its bound, its launcher, and how its end for want of memory is seen."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

from espalier_machine.release import machine as module
from espalier_machine.release import memory, scope
from espalier_machine.release.memory import Faults, Memory, Taken

MB = 1 << 20
FREE = Memory(1024 * MB, 500 * MB, 0)


@pytest.fixture
def made(monkeypatch):
    monkeypatch.setattr(memory, "read", lambda: FREE)
    return scope.Scope(pwd.getpwuid(os.getuid()), "install")


@pytest.mark.parametrize(
    ("total", "available", "bound"),
    [(1024, 500, 500 - 102.4), (512, 300, 300 - 64), (512, 100, 50), (8192, 4000, 4000 - 819.2)],
)
def test_what_serves_keeps_a_reserve(total, available, bound):
    free = Memory(total * MB, available * MB, 0)
    assert scope.Bound.of(free).memory == pytest.approx(bound * MB, abs=1)


def test_swap_is_shared_and_only_then_is_there_a_soft_limit():
    assert "--property=MemoryHigh=infinity" in scope.Bound.of(FREE).properties(None)
    swapping = scope.Bound.of(Memory(1024 * MB, 500 * MB, 1024 * MB)).properties(60)
    high = swapping[2].rpartition("=")[2]
    assert swapping[1] == f"--property=MemorySwapMax={512 * MB}"
    assert 0 < int(swapping[0].rpartition("=")[2]) - int(high) == 16 * MB
    assert swapping[-1] == "--property=RuntimeMaxSec=120"


def test_project_code_runs_as_the_project_s_user(made):
    command = made.command(["uv", "pip", "install"])
    user = [f"--reuid={os.getuid()}", f"--regid={pwd.getpwuid(os.getuid()).pw_gid}"]
    become = command.index("setpriv")
    assert command[become + 1 : become + 4] == [*user, "--clear-groups"]
    assert become < command.index(sys.executable)
    assert command[-3:] == ["uv", "pip", "install"]
    # systemd would take the command for it, and write it into the journal.
    assert "--description=Step install of a release" in command
    made.ours.close()
    made.theirs.close()


def launch(made, argv, env):
    """Run the scope's launcher without systemd-run and setpriv, as the tests have no root."""
    command = made.command(argv)
    inside = command[command.index(sys.executable) :]
    fds = [made.theirs.fileno()]
    pipe = subprocess.PIPE
    process = subprocess.Popen(inside, pass_fds=fds, stdout=pipe, stderr=pipe, text=True, env={})
    made.send(env)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_launcher_gives_the_environment_and_makes_the_first_victim(made):
    argv = ["sh", "-c", "echo $SECRET $LANG; cat /proc/self/oom_score_adj"]
    code, out, err = launch(made, argv, {"SECRET": "s3cret", "PATH": os.environ["PATH"]})
    assert (code, out, err) == (0, "s3cret\n1000\n", "")
    assert made.report() is not None


def test_launcher_passes_on_how_it_ended(made):
    assert launch(made, ["sh", "-c", "kill -9 $$"], {"PATH": os.environ["PATH"]})[0] == 137
    assert made.report().kills == 0  # whoever killed it, it was not the kernel


def test_launcher_reports_when_systemd_tells_all_to_end(made):
    argv = ["sh", "-c", "kill -TERM $PPID; sleep 0.2; kill -TERM $$"]
    assert launch(made, argv, {"PATH": os.environ["PATH"]})[0] == 143
    assert made.report() is not None


def test_launcher_says_what_cannot_be_run(made):
    code, _, err = launch(made, ["/no/such/uv"], {})
    assert (code, err) == (127, "/no/such/uv: No such file or directory\n")


def test_killed_by_the_kernel():
    assert scope.was_killed(Taken(1, 1), 1)  # a compiler, say; uv itself then ends with 1
    assert not scope.was_killed(Taken(1, 0), 137)
    assert scope.was_killed(None, 137)
    assert not scope.was_killed(None, 1)


def test_sentence_has_figures_and_what_helps():
    bound = scope.Bound(398 * MB, 0, FREE)
    assert scope.needs_more_memory("install", bound, Taken(397 * MB, 1)) == (
        "it needs more memory than can be spared here: it was ended at 397 MB; 500 MB of this "
        "machine's 1024 MB were free, without swap, and 102 MB are kept for what serves. What "
        "helps: requirements that come as wheels (such as `psycopg[binary]` for `psycopg[c]`), "
        "another machine that builds them (`build_on: lab` for your own computer), swap or a "
        "larger machine."
    )
    assert "psycopg" not in scope.needs_more_memory("static", bound, None)


def crawled(*looks):
    crawl = scope.Crawl()
    return [crawl.seen(now, Faults(at_limit, major)) for now, at_limit, major in looks]


def test_a_command_that_only_reads_its_program_again_crawls():
    assert crawled((0, True, 0), (30, True, 6000), (61, True, 12000)) == [False, False, True]


def test_a_command_that_works_at_its_limit_does_not_crawl():
    assert not any(crawled((0, True, 900), (61, True, 1000), (122, True, 1100)))
    assert not any(crawled((0, True, 0), (30, False, 6000), (61, True, 12000)))


def test_a_command_may_take_longer_than_one_look_over_its_input(machine, tmp_path, monkeypatch):
    class Here(scope.Scope):
        def command(self, argv):
            command = super().command(argv)
            return command[command.index(sys.executable) :]

        def end(self):
            pass

    monkeypatch.setattr(scope, "LOOK", 0.1)
    monkeypatch.setattr(module, "is_usable", lambda: True)
    monkeypatch.setattr(module, "Scope", Here)
    monkeypatch.setattr(type(machine), "drops_privileges", True)
    text = "columns " * 20_000  # more than a pipe holds
    argv = ["sh", "-c", "sleep 0.4; wc -c"]
    env = {"PATH": os.environ["PATH"]}
    assert machine.run(argv, "guard", str, env, tmp_path, text).strip() == "160000"


def test_what_a_killed_release_has_left_is_ended_and_a_running_one_is_not(monkeypatch):
    calls, gone = [], 1 << 22  # beyond what the kernel gives

    def run(*argv):
        calls.append(argv)
        rows = [
            f"espalier-build-{pid}-3.scope loaded active running" for pid in (gone, os.getpid())
        ]
        return subprocess.CompletedProcess(argv, 0, "\n".join(rows), "")

    monkeypatch.setattr(scope.system, "run", run)
    scope.end_leftovers()
    unit = f"espalier-build-{gone}-3.scope"
    assert calls[1:] == [("systemctl", "kill", "--signal=KILL", unit)]


def test_only_what_downloads_runs_in_the_group_that_the_packet_filter_leaves_out() -> None:
    account = pwd.getpwnam("nobody")

    def groups(step: str, group: str) -> list[str]:
        command = scope.Scope(account, step, group).command(["true"])
        start = command.index("setpriv")
        return command[start + 2 : command.index("--", start)]

    own = str(account.pw_gid)
    assert groups("install", "shop-build") == ["--regid=shop-build", f"--groups={own}"]
    assert groups("build", "shop-build") == ["--regid=shop-build", f"--groups={own}"]
    assert groups("migrate", "shop-build") == [f"--regid={own}", "--clear-groups"]
    assert groups("install", "") == [f"--regid={own}", "--clear-groups"]
