"""The image that machines start from: Debian packages, with this machine's own settings of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from espalier.lab.process import as_root, podman, run, step
from espalier.wiring.debian import RELEASES

CODENAMES = {f"debian-{facts['version']}": codename for codename, facts in RELEASES.items()}
# What a VPS image of any provider has, and not more: the roles must bring the rest.
PACKAGES = [
    *("systemd", "systemd-sysv", "dbus", "openssh-server", "sudo", "procps", "iproute2"),
    *("python3", "python3-apt", "apt-utils", "ca-certificates", "nftables"),
]


def apt_sources(codename: str) -> str:
    """Give the apt sources for a Debian release, from the mirrors that this machine itself uses.

    Empty where it uses none of Debian's (Ubuntu, say): mmdebstrap then knows a public one.
    """
    mirror = security = ""
    targets = run(
        ["apt-get", "indextargets", "--format", "$(SITE)|$(RELEASE)|$(ORIGIN)|$(REPO_URI)"],
        check=False,
    )
    for line in targets.splitlines():
        _site, release, origin, uri = [*line.split("|"), "", "", "", ""][:4]
        if origin != "Debian":
            continue
        if release.endswith("-security") or "/debian-security" in uri:
            security = uri.rstrip("/")
        elif "-" not in release:
            mirror = uri.rstrip("/")
    return "".join(
        f"deb {where} {suite} main\n"
        for where, suite in (
            (mirror, codename),
            (mirror, f"{codename}-updates"),
            (security, f"{codename}-security"),
        )
        if where
    )


def apt_settings() -> str:
    """Give this machine's proxy and TLS settings of apt (and no others), as an apt.conf file."""
    wanted = re.compile(r"^Acquire::(http|https|ftp)::[^ ]+ \"[^\"]+\";$|^Acquire::Retries ")
    lines = run(["apt-config", "dump"], check=False).splitlines()
    unwanted = ("User-Agent", "::No-", "::Dl-Limit", "::Timeout", "AllowRedirect")
    return "".join(
        f"{line}\n" for line in lines if wanted.match(line) and not any(u in line for u in unwanted)
    )


def index_settings() -> tuple[str, str]:
    """Give this machine's Python index settings as a pip.conf and a uv.toml.

    Local directories are left out, as a machine cannot see them.
    """
    values: dict[str, str] = {}
    for line in run([sys.executable, "-m", "pip", "config", "list"], check=False).splitlines():
        key, _, value = line.partition("=")
        values[key.split(".")[-1].replace("_", "-")] = value.strip("'\"")
    index = values.get("index-url", "")
    extra = [u for u in values.get("extra-index-url", "").split() if u.startswith("http")]
    pip = "[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n"
    uv = "system-certs = true\n"
    if index:
        pip += f"index-url = {index}\n"
        uv += f'[[index]]\nurl = "{index}"\ndefault = true\n'
    if extra:
        pip += f"extra-index-url = {' '.join(extra)}\n"
        uv += "".join(f'[[index]]\nurl = "{u}"\n' for u in extra)
    return pip, uv


def npm_settings() -> str:
    """Give this machine's registry of npm as an npmrc; "" where it has no npm, or npm's own."""
    if not shutil.which("npm"):
        return ""
    registry = run(["npm", "config", "get", "registry"], check=False).strip()
    own = ("", "undefined", "https://registry.npmjs.org/")
    return "" if registry in own else f"registry={registry}\n"


def image_files(codename: str) -> dict[str, str]:
    """Give what the image carries beside packages: path in the image -> content."""
    pip, uv = index_settings()
    proxies = "".join(
        f'{name}="{os.environ[name]}"\n'
        for name in ("http_proxy", "https_proxy", "no_proxy")
        if os.environ.get(name)
    )
    files = {
        "/etc/apt/sources.list": apt_sources(codename),
        "/etc/apt/apt.conf.d/90control-machine": apt_settings(),
        "/etc/pip.conf": pip,
        "/etc/uv/uv.toml": uv,
        "/etc/npmrc": npm_settings(),
        "/etc/environment": proxies,
        # Every machine makes host keys of its own at its first start.
        "/etc/systemd/system/ssh.service.d/host-keys.conf": (
            "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\n"
            "ExecStartPre=/usr/sbin/sshd -t\n"
        ),
        "/etc/ssh/sshd_config.d/lab.conf": "PasswordAuthentication no\nUseDNS no\n",
    }
    for certificate in sorted(Path("/usr/local/share/ca-certificates").glob("**/*.crt")):
        files[f"/usr/local/share/ca-certificates/{certificate.name}"] = certificate.read_text()
    return files


def build_image(name: str, codename: str, files: Mapping[str, str], folder: Path) -> None:
    """Make a file system from packages and files, and import it as the image ``name``."""
    root, archive, sources = folder / "files", folder / "image.tar", folder / "sources.list"
    for path, content in files.items():
        if not content:
            continue
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    sources.write_text(files["/etc/apt/sources.list"])
    bootstrap = [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        f"--customize-hook=cp -r {root}/. $1/",
        "--customize-hook=chroot $1 update-ca-certificates",
        "--customize-hook=rm -f $1/etc/ssh/ssh_host_* && : > $1/etc/machine-id",
        # The copied tree's own root directory may be private; the machine's must not be.
        "--customize-hook=chmod 755 $1",
    ]
    if files["/etc/apt/apt.conf.d/90control-machine"]:
        bootstrap.append(f"--aptopt={root}/etc/apt/apt.conf.d/90control-machine")
    own = [str(sources)] if files["/etc/apt/sources.list"] else []
    if own:  # which mmdebstrap also writes there, for a second time
        bootstrap.append("--customize-hook=rm -f $1/etc/apt/sources.list.d/0000sources.list")
    run(as_root([*bootstrap, codename, str(archive), *own]))
    # Imported under its final name in one step: a killed build leaves no half image behind.
    podman("import", "--quiet", str(archive), name)


def ensure_image(distribution: str) -> str:
    """Build the image of a distribution unless one of the same content is there; give its name."""
    codename = CODENAMES[distribution]
    files = image_files(codename)
    recipe = json.dumps([codename, PACKAGES, files], sort_keys=True).encode()
    name = f"localhost/espalier-lab-{distribution}:{hashlib.sha256(recipe).hexdigest()[:12]}"
    # Captured, as podman warns of network settings of its own package that nothing here uses.
    exists = as_root(["podman", "image", "exists", name])
    found = subprocess.run(exists, check=False, capture_output=True)
    if found.returncode == 0:
        return name
    with (
        step(f"build the {distribution} image from Debian packages (once)"),
        tempfile.TemporaryDirectory(prefix="espalier-lab-") as folder,
    ):
        build_image(name, codename, files, Path(folder))
    return name
