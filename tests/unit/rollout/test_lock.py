"""The lock over the site: taken on every machine, or on none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from espalier.rollout.lock import LockError, take

# A stand-in for `release hold`: it answers at once, and tells at its end what it was told last.
HOLD = """
import sys
print(sys.argv[1], flush=True)
words = sys.stdin.read().split("\\n") if len(sys.argv) == 2 else []
open(sys.argv[3] if len(sys.argv) > 3 else "/dev/null", "w").write("\\n".join(words))
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
"""
KEPT = """
import sys
print(sys.argv[1], flush=True)
open(sys.argv[2], "w").write(sys.stdin.read())
"""


@pytest.fixture
def machines(tmp_path: Any) -> Callable[..., Any]:
    """Give what starts the stand-in on a machine: by machine, its answer, or (answer, status)."""

    def start_on(answers: dict[str, Any]) -> Any:
        def start(machine: str, token: str = "") -> subprocess.Popen[str]:
            answer = answers[machine]
            command = [sys.executable, "-c", KEPT, answer, str(tmp_path / machine)]
            if isinstance(answer, tuple):
                command = [sys.executable, "-c", HOLD, answer[0], str(answer[1])]
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )

        return start

    return start_on


def held(token: str, cut_off: Any = None) -> str:
    return json.dumps({"token": token, "cut_off": cut_off})


BUSY = (json.dumps({"ok": False, "step": "lock", "error": "root@ci is at work"}), 3)


def test_each_machine_gives_a_token_and_hears_that_all_is_done(
    machines: Callable[..., Any], tmp_path: Any
) -> None:
    lock = take(["app1", "app2"], machines({"app1": held("a"), "app2": held("b")}))
    assert lock.tokens == {"app1": "a", "app2": "b"}
    lock.beat("build app1")
    lock.release()
    assert (tmp_path / "app1").read_text() == "build app1\ndone\n"
    assert (tmp_path / "app2").read_text() == "build app1\ndone\n"


def test_lock_that_one_machine_refuses_is_given_back_on_the_others(
    machines: Callable[..., Any], tmp_path: Any
) -> None:
    with pytest.raises(LockError, match="root@ci is at work") as refused:
        take(["app1", "app2"], machines({"app1": held("a"), "app2": BUSY}))
    assert (refused.value.machine, refused.value.status) == ("app2", 3)
    assert (tmp_path / "app1").read_text() == "withdrawn\ndone\n"


@pytest.mark.parametrize("status", [2, 127])
def test_machine_without_the_command_has_nothing_to_lock(
    machines: Callable[..., Any], status: int
) -> None:
    lock = take(["app1", "new"], machines({"app1": held("a"), "new": ("", status)}))
    assert lock.tokens == {"app1": "a"}
    lock.release()


def test_machine_that_does_not_answer_is_refused_or_left_out(machines: Callable[..., Any]) -> None:
    start = machines({"app1": held("a"), "gone": ("", 255)})
    with pytest.raises(LockError, match="the lock over the site cannot be taken"):
        take(["app1", "gone"], start)
    lock = take(["app1", "gone"], start, skip_unreachable=True)
    assert lock.unreachable == ["gone"]
    lock.release()


def test_machine_whose_sudo_wants_a_password_says_what_to_type() -> None:
    def start(machine: str, token: str = "") -> subprocess.Popen[str]:
        pipe, argv = (
            subprocess.PIPE,
            ["sh", "-c", "echo 'sudo: a password is required' >&2; exit 1"],
        )
        return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    told = "cannot be taken: sudo needs a password there: add -K"
    with pytest.raises(LockError, match=told) as refused:
        take(["app1"], start)
    assert refused.value.detail == "", "the same once more, in sudo's words"


def test_what_was_cut_off_is_told(machines: Callable[..., Any]) -> None:
    before = {"what": "switch app1", "by": "ann@desk", "since": "2026-11-28T10:00:00.000+00:00"}
    lock = take(["app1"], machines({"app1": held("a", before)}))
    lock.release()
    assert lock.note == (
        "the switch app1 that ann@desk began at 2026-11-28T10:00:00 was not finished; going on "
        "from what the machines say"
    )
