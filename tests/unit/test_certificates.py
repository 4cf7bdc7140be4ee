"""The certificate that the role `nginx` makes at first, made by openssl on this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espalier.environment import plain_environment

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")


def certificate(domains: list[str]) -> tuple[str, str]:
    """Give the path of a site's certificate and the command that makes it, as Ansible has them."""
    ansible = str(Path(sys.executable).with_name("ansible"))
    done = subprocess.run(
        [
            *(ansible, "localhost", "-i", "localhost,", "-c", "local"),
            *("-e", "@roles/nginx/vars/main.yml", "-e", json.dumps({"nginx_domains": domains})),
            *("-m", "debug", "-a", "var=__nginx_certificate_files"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=plain_environment(ANSIBLE_CALLBACK_RESULT_FORMAT="json"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout[done.stdout.index("{") :])
    file = result["__nginx_certificate_files"][0]
    return file["path"], file["made_by"]


def test_certificate_of_a_site_keeps_its_name() -> None:
    # With another one, a certificate that was put there in place of the first would be replaced.
    assert certificate(["orchard.example", "www.orchard.example"])[0] == (
        "/etc/nginx/tls/orchard.example-47512aa2.crt"
    )


@pytest.mark.parametrize(
    "domain",
    [
        "orchard.example",
        "a" * 60 + ".example",  # longer than the 64 characters of a common name
        ".".join(["a" * 61] * 4)[:245] + ".example",  # as long as a domain can be
    ],
    ids=len,
)
def test_certificate_is_made_for_every_domain(domain: str, tmp_path: Path) -> None:
    path, command = certificate([domain, "198.51.100.7"])
    command = command.replace("/etc/nginx/tls", str(tmp_path))
    made = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    made_path = str(tmp_path / Path(path).name)
    check = ["openssl", "x509", "-in", made_path, "-noout", "-checkhost", domain]
    shown = subprocess.run(check, capture_output=True, text=True, check=True).stdout
    assert "does match" in shown
    check[-2:] = ["-checkip", "198.51.100.7"]
    shown = subprocess.run(check, capture_output=True, text=True, check=True).stdout
    assert "does match" in shown
