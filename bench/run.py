#!/usr/bin/env python3
"""Measure the kit against the usual way, side by side on two equal lab machines, in one run.

    bench/run.py                  everything; prints ratios
    bench/run.py converge         from bare machine to the first page; a run with nothing to change
    bench/run.py serving memory   requests per second on a page with one query; memory at rest

Each machine has one core and 1 GiB; the load comes from the other core. Rounds alternate between
the two machines, and medians are compared, as absolute numbers of a shared machine mean little.
"""

from __future__ import annotations

import json
import re
import shutil
import ssl
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

from espalier.environment import plain_environment
from espalier.lab.machines import SSH_KEY

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
ADDRESSES = {"kit": "198.18.8.11", "usual": "198.18.9.11"}
ROUNDS = 5
SECONDS = 8
CONNECTIONS = 16
SIDES = ("usual", "kit")


def run(*command: str, **environment: str) -> str:
    """Run a command in the repository; gives its output, ends the benchmark if it fails."""
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=plain_environment(**environment)
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


def tool(name: str) -> str:
    """Give the path of a command of the virtual environment that runs this."""
    return str(Path(sys.executable).with_name(name))


def lab(command: str, side: str) -> None:
    """Make or remove a side's machine."""
    run(sys.executable, "-m", "espalier.lab", command, "-i", f"bench/inventories/{side}")


def pack(project: Path, folder: Path) -> Path:
    """Pack a project's directory for the usual way."""
    archive = folder / f"{project.name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path in sorted(project.iterdir()):
            tar.add(path, path.name)
    return archive


def converge(side: str, project: dict[str, str], folder: Path) -> float:
    """Run a side's playbook; gives the seconds until the first page with status 200."""
    inventory = ("-i", f"bench/inventories/{side}")
    began = time.monotonic()
    if side == "kit":
        variables = {
            "project": {"directory": project["directory"], "settings": project["settings"]}
        }
        run(tool("ansible-playbook"), "site.yml", *inventory, "-e", json.dumps(variables))
    else:
        variables = {
            "archive": str(pack(Path(ROOT, project["directory"]), folder)),
            "settings": project["settings"],
            "application": project["application"],
        }
        # Ansible as it comes: no pipelining.
        run(
            tool("ansible-playbook"),
            "bench/usual/site.yml",
            *inventory,
            "-e",
            json.dumps(variables),
            ANSIBLE_PIPELINING="False",
        )
    wait_for_page(ADDRESSES[side])
    return time.monotonic() - began


def front_page(address: str, timeout: float = 5) -> bytes:
    """Give the front page; OSError unless it answers with 200 in so many seconds."""
    context = ssl._create_unverified_context()
    with urllib.request.urlopen(f"https://{address}/", context=context, timeout=timeout) as page:
        if page.status != 200:
            raise OSError(f"status {page.status}")
        return page.read()


def wait_for_page(address: str) -> None:
    """Wait until the front page answers with 200."""
    deadline = time.monotonic() + 60
    while True:
        try:
            front_page(address)
            return
        except OSError as error:
            if time.monotonic() > deadline:
                sys.exit(f"https://{address}/ does not answer: {error}")
        time.sleep(0.1)


def over_ssh(address: str, command: str) -> str:
    """Run a command on a lab machine."""
    options = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
    target = f"root@{address}"
    return run("ssh", "-i", str(SSH_KEY), *options, "-o", "LogLevel=ERROR", target, command)


def load(side: str, path: str) -> tuple[float, float]:
    """Ask for a page for some seconds; gives requests per second and the p99 in milliseconds."""
    threads = ("-t", "2", "-c", str(CONNECTIONS), "-d", f"{SECONDS}s")
    output = run("wrk", *threads, "--latency", f"https://{ADDRESSES[side]}{path}")
    if "Non-2xx" in output or "Socket errors" in output:
        sys.exit(f"{side}: requests failed:\n{output}")
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", output)[1])  # type: ignore[index]
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)\b", output).groups()  # type: ignore[union-attr]
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def wagtail() -> dict[str, str]:
    """Start a Wagtail project as its documentation says, unless one is there."""
    home = ROOT / ".lab"
    if not (home / "mysite" / "manage.py").exists():
        run(sys.executable, "-m", "venv", str(home / "wagtail"))
        run(str(home / "wagtail/bin/pip"), "install", "--quiet", "wagtail")
        run("sh", "-c", f"cd {home} && wagtail/bin/wagtail start mysite")
    return {
        "directory": ".lab/mysite",
        "settings": "mysite.settings.production",
        "application": "mysite.wsgi:application",
    }


def orchard() -> dict[str, str]:
    """The kit's example project."""
    return {
        "directory": "examples/orchard",
        "settings": "orchard.settings",
        "application": "orchard.wsgi:application",
    }


def measure_converge(folder: Path) -> None:
    """From bare machine to the first page; then again with nothing to change."""
    first: dict[str, float] = {}
    again: dict[str, float] = {}
    project = wagtail()
    for side in SIDES:
        lab("down", side)
        lab("up", side)
        first[side] = converge(side, project, folder)
        again[side] = min(converge(side, project, folder) for _ in range(3))
        print(f"{side:>6}: first page after {first[side]:.1f} s, nothing to do {again[side]:.1f} s")
    print(f"ratio  first page {first['kit'] / first['usual']:.2f}")
    print(f"ratio  nothing to do {again['kit'] / again['usual']:.2f}")


def measure_serving(folder: Path) -> None:
    """Requests per second and p99 on a page with one query."""
    for side in SIDES:
        lab("down", side)
        lab("up", side)
        converge(side, orchard(), folder)
    rates: dict[str, list[float]] = {side: [] for side in SIDES}
    slow: dict[str, list[float]] = {side: [] for side in SIDES}
    for number in range(ROUNDS + 1):
        for side in SIDES:
            rate, p99 = load(side, "/trees/1/")
            if number:  # the first round warms up
                rates[side].append(rate)
                slow[side].append(p99)
    for side in SIDES:
        print(
            f"{side:>6}: {statistics.median(rates[side]):.0f} requests/s, "
            f"p99 {statistics.median(slow[side]):.0f} ms (medians of {ROUNDS})"
        )
    medians = {side: statistics.median(rates[side]) for side in SIDES}
    tails = {side: statistics.median(slow[side]) for side in SIDES}
    print(f"ratio  requests per second {medians['kit'] / medians['usual']:.2f}")
    print(f"ratio  p99 {tails['kit'] / tails['usual']:.2f}")


def measure_memory(folder: Path) -> None:
    """Memory at rest of all that runs on the machine: proportional set sizes, summed."""
    script = (
        "sync; sleep 20; cat /proc/[0-9]*/smaps_rollup 2>/dev/null "
        "| awk '/^Pss:/ {sum += $2} END {print sum / 1024}'"
    )
    for side in SIDES:
        lab("down", side)
        lab("up", side)
        bare = float(over_ssh(ADDRESSES[side], script))
        converge(side, orchard(), folder)
        whole = float(over_ssh(ADDRESSES[side], script))
        print(f"{side:>6}: {whole:.0f} MiB at rest, bare {bare:.0f} MiB")


def main() -> None:
    """Run the measurements named on the command line, or all."""
    known = {"converge": measure_converge, "serving": measure_serving, "memory": measure_memory}
    wanted = sys.argv[1:] or list(known)
    if unknown := set(wanted) - known.keys():
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: `make prerequisites` installs it")
    try:
        with tempfile.TemporaryDirectory() as folder:
            for name in wanted:
                print(f"== {name}", flush=True)
                known[name](Path(folder))
    finally:
        for side in SIDES:
            lab("down", side)


if __name__ == "__main__":
    main()
