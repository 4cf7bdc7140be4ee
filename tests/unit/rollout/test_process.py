"""The runner's process: what it writes is read to its end, however much that is."""

from __future__ import annotations

import subprocess
import sys

from espalier.inventory.site import Site
from espalier.rollout.process import run
from espalier.rollout.request import Request

# More than a pipe holds, on standard output, while standard error is still open.
RUNNER = """
import json, sys
sys.stdin.read()
print("step one", file=sys.stderr, flush=True)
print(json.dumps({"status": 1, "sentence": "no", "detail": "x" * 200_000}), flush=True)
print("step two", file=sys.stderr, flush=True)
"""


def test_long_report_holds_nobody_up(tmp_path) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-c", RUNNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    steps: list[str] = []
    site = Site(tmp_path, "shop", {}, {}, {}, {})
    try:
        report = run(runner, site, Request(), show=steps.append)
    finally:
        runner.kill()
    assert (report.status, len(report.detail)) == (1, 200_000)
    assert steps == ["step one", "step two"]
