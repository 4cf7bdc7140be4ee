#!/usr/bin/env python3
"""Deploy real projects that nobody here wrote, one after another, each on a new lab machine.

    bench/projects.py [--trees DIR] [NAME…]

bench/projects/<name>.yml is a project's whole project.yml. With --trees, the code is the directory
DIR/<name> instead of the git URL, for a control machine that reaches no forge. Printed is a row
each: the lines of inventory beyond source, name and domain, the seconds from the beginning of
`espalier site` to the first good page, the memory held (PSS of the whole machine), and what stopped
it.

A good page is the front page, or the page that it leads to, with status 200, and one of the static
files that it names loads.
"""

from __future__ import annotations

import html
import http.client
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import click
import yaml

from espalier.environment import plain_environment
from espalier.lab.machines import SSH_KEY
from espalier.paths import KIT

INVENTORIES = KIT / "bench/projects"
NETWORK = "198.18.47"
ADDRESS = f"{NETWORK}.11"
GIVEN = {"name", "domains", "git", "version", "directory", "package"}
PSS = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {s += $2} END {print s / 1024}'"


def inventory(name: str, trees: Path | None, folder: Path) -> tuple[Path, int]:
    """Write a project's inventory; gives it, and how many lines the project needed."""
    path = folder / name
    shutil.copytree(KIT / "molecule/large/inventory", path)
    hosts = (path / "hosts.yml").read_text().replace("198.18.23.", f"{NETWORK}.")
    text = (INVENTORIES / f"{name}.yml").read_text()
    stated = yaml.safe_load(text)
    project, tiers = stated["project"], stated.pop("tiers", [])
    hosts = hosts.replace("tiers: []", f"tiers: [{', '.join(tiers)}]")
    (path / "hosts.yml").write_text(hosts.replace("name: large", "name: bench-projects"))
    if trees:
        project = {k: v for k, v in project.items() if k not in ("git", "version")}
        project |= {"directory": str(trees / name)}
    (path / "group_vars/all/project.yml").write_text(yaml.safe_dump({"project": project}))
    return path, lines_beyond(text)


def lines_beyond(text: str) -> int:
    """How many lines of a project.yml say more than the source, the name and the domain."""
    found = [line.strip() for line in text.splitlines()]
    found = [line for line in found if line and not line.startswith(("#", "---"))]
    return sum(line.partition(":")[0] not in {"project", *GIVEN} for line in found)


def get(url: str, host: str) -> tuple[str, str]:
    """Ask the lab machine for a page by its site's name; gives the last URL and the text.

    A page elsewhere, where a redirect may lead to, is not asked for.
    """
    for _ in range(5):
        there = urllib.parse.urlsplit(url)._replace(scheme="https", netloc=host).geturl()
        request = urllib.request.Request(there)
        opener = urllib.request.build_opener(NoRedirect, ToTheLab)
        try:
            with opener.open(request, timeout=30) as page:
                return url, page.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            if error.code not in (301, 302, 303, 307, 308):
                raise OSError(f"{url} answers {error.code}") from error
            url = urllib.parse.urljoin(url, error.headers["Location"])
            if urllib.parse.urlsplit(url).netloc != host:
                return url, ""
    raise OSError("too many redirects")


class LabConnection(http.client.HTTPSConnection):
    """HTTPS to the lab machine, which is asked for the site by its name."""

    def connect(self) -> None:
        """Connect to the machine instead of looking for the name."""
        plain = socket.create_connection((ADDRESS, 443), self.timeout)
        context = ssl._create_unverified_context()
        self.sock = context.wrap_socket(plain, server_hostname=self.host)


class ToTheLab(urllib.request.HTTPSHandler):
    """Sends every request to the lab machine."""

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Open a connection there."""
        return self.do_open(LabConnection, request)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to `get`, which has no name server for the site's name."""

    def redirect_request(self, *args: object) -> None:  # type: ignore[override]
        """Follow none."""


def page_error(host: str) -> str:
    """What is wrong with the front page, or ""."""
    try:
        url, text = get(f"https://{host}/", host)
        if (there := urllib.parse.urlsplit(url).netloc) != host:
            return f"leads to {there}"
        files = re.findall(r"""(?:src|href)=["']?([^"'\s>]+\.(?:css|js|png|svg)[^"'\s>]*)""", text)
        own = [urllib.parse.urljoin(url, html.unescape(file)) for file in files]
        own = [file for file in own if urllib.parse.urlsplit(file).netloc == host]
        if own:
            get(own[0], host)
    except OSError as error:
        return f"page: {error}"
    return "" if own else "the page names no static file of its own"


def measure(name: str, trees: Path | None, folder: Path, logs: Path) -> str:
    """Deploy a project on a new machine; gives its row."""
    path, lines = inventory(name, trees, folder)
    lab = [sys.executable, "-m", "espalier.lab"]
    try:
        subprocess.run([*lab, "up", "-i", str(path)], check=True, capture_output=True)
        began = time.monotonic()
        command = str(Path(sys.executable).with_name("espalier"))
        done = subprocess.run(
            [command, "site", "-i", str(path)],
            cwd=KIT,
            capture_output=True,
            text=True,
            env=plain_environment(),
        )
        (logs / f"{name}.log").write_text(done.stdout + done.stderr)
        if done.returncode:
            told = (done.stdout + done.stderr).rpartition("FAILED\n")[2]
            return f"| {name} | {lines} | | | {' '.join(told.split())[:400]} |"
        host = yaml.safe_load((INVENTORIES / f"{name}.yml").read_text())["project"]["domains"][0]
        wrong = page_error(host)
        seconds = time.monotonic() - began
        options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        ssh = ["ssh", "-i", str(SSH_KEY), *options, f"root@{ADDRESS}", PSS]
        memory = subprocess.run(ssh, capture_output=True, text=True, check=True).stdout
        return f"| {name} | {lines} | {seconds:.0f} s | {float(memory):.0f} MiB | {wrong} |"
    finally:
        subprocess.run([*lab, "down", "-i", str(path)], check=True, capture_output=True)


@click.command(help=__doc__)
@click.option("--trees", type=click.Path(path_type=Path, exists=True))
@click.option("--logs", type=click.Path(path_type=Path), default=Path(".lab/projects"))
@click.argument("names", nargs=-1)
def main(trees: Path | None, logs: Path, names: tuple[str, ...]) -> None:
    """Print a row for each project."""
    logs.mkdir(parents=True, exist_ok=True)
    print("| project | lines | first page | memory | stopped by |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in names or sorted(path.stem for path in INVENTORIES.glob("*.yml")):
            print(measure(name, trees, Path(folder), logs.resolve()), flush=True)


if __name__ == "__main__":
    main()
