"""Starts the runner's process, for those who do not live on gevent."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from espalier.inventory.site import Site

if TYPE_CHECKING:  # it brings pydantic along, which would be waited for before anything starts
    from espalier.rollout.request import Request


@dataclass(frozen=True)
class Report:
    """How it went: an exit status, a sentence, a tool's own words, and all of it as plain data.

    `result` is empty where it ended before a machine was asked for anything.
    """

    status: int
    sentence: str
    detail: str = ""
    result: dict[str, Any] = field(default_factory=dict)


@contextmanager
def start(*, pipe_steps: bool = False) -> Iterator[subprocess.Popen[str]]:
    """Start the runner's process before it is known what for: its imports take a second.

    It ends by itself where nothing is asked of it. `pipe_steps`: the lines that tell of steps come
    through a pipe, rather than to this standard error.
    """
    # -P: nothing is imported from the directory that a person types this in, which has a project.
    runner = subprocess.Popen(
        [sys.executable, "-P", "-m", "espalier.rollout"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if pipe_steps else None,
        text=True,
    )
    try:
        yield runner
    finally:
        assert runner.stdin
        with suppress(BrokenPipeError):
            runner.stdin.close()
        runner.wait()


def run(
    runner: subprocess.Popen[str],
    site: Site,
    request: Request,
    *,
    show: Callable[[str], None] = lambda line: None,
    quiet: bool = False,
    log: str = "",
) -> Report:
    """Release, or roll back.

    Args:
        runner: from `start`.
        site: where, and how its machines are reached.
        request: what is wanted.
        show: gets each line that tells of a step, where they come through a pipe.
        quiet: show no steps at all.
        log: a file that gets the steps, and all that tools printed in those that failed.
    """
    asked = json.dumps(
        {"site": site.to_json(), "request": request.to_data(), "show": not quiet, "log": log}
    )
    assert runner.stdin and runner.stdout
    runner.stdin.write(asked)
    runner.stdin.close()
    lines = []
    # Both at once: a pipe that nobody reads holds up whoever writes more than fits into it.
    with ThreadPoolExecutor(1) as reader:
        output = reader.submit(runner.stdout.read)
        for line in runner.stderr or ():
            lines.append(line.rstrip())
            show(line.rstrip())
        out = output.result()
    runner.wait()
    try:
        return Report(**json.loads(out))
    except ValueError:
        words = "\n".join(lines[-20:])
        return Report(1, "the release ended without saying how; its last words follow.", words)
