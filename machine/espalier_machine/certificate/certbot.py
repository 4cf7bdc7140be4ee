"""certbot, in a virtual environment of its own: installed when it is needed first, and run."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from espalier_machine.certificate.authority import retry_after
from espalier_machine.certificate.config import ACCOUNT_KEY, DNS_CREDENTIALS, HOME, Settings
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.common import templates
from espalier_machine.common.dns_providers import PROVIDERS
from espalier_machine.common.text import last_line

CONFIG = HOME / "letsencrypt"
LINEAGE = "site"
CERTIFICATE = CONFIG / "live" / LINEAGE / "fullchain.pem"
KEY = CONFIG / "live" / LINEAGE / "privkey.pem"
LOGS = HOME / "logs"
# A request of certbot's to the authority may take 45 s; none of its runs is to hang.
TIMEOUT = 600
INSTALL_TIMEOUT = 900
# nginx answers every challenge already: there is nothing for the hook to do.
HTTP_01 = ("--manual", "--preferred-challenges", "http", "--manual-auth-hook", "/bin/true")
# certbot trusts the machine's own authorities, not those that come with it.
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": str(HOME),
    "LC_ALL": "C.UTF-8",
    "REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "AWS_SHARED_CREDENTIALS_FILE": str(DNS_CREDENTIALS),
}
# Settings of the machine for its package index and its way out.
PASSED = re.compile(r"(PIP_|https?_proxy$|no_proxy$)", re.IGNORECASE)


def environment() -> dict[str, str]:
    """The variables of every process here."""
    return {key: value for key, value in os.environ.items() if PASSED.match(key)} | ENVIRONMENT


def run(*argv: str, text: str = "", timeout: float = TIMEOUT) -> subprocess.CompletedProcess[str]:
    """Run a process; one that takes too long is ended, and is a CertificateError."""
    try:
        return subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment(),
        )
    except subprocess.TimeoutExpired:
        raise CertificateError(
            f"{Path(argv[0]).name} was ended after {timeout / 60:.0f} minutes: the other side "
            "answers too slowly."
        ) from None


def installed(dns: str = "") -> Path:
    """certbot's virtual environment; made where it is missing, and older ones removed.

    Args:
        dns: the provider whose plugin is in it, "" for none.

    Raises CertificateError where it cannot be made.
    """
    versions = templates.read(__package__, "certbot.txt")
    packages = ["certbot", "dnspython", *([PROVIDERS[dns].package] if dns else [])]
    identity = hashlib.sha256("\n".join((versions, *packages)).encode()).hexdigest()
    venv = HOME / f"certbot-{identity[:12]}"
    if not (venv / "complete").exists():
        shutil.rmtree(venv, ignore_errors=True)
        _checked(run("/usr/bin/python3", "-m", "venv", str(venv), timeout=INSTALL_TIMEOUT))
        listed = HOME / "certbot.txt"
        listed.write_text(versions)
        pip = (str(venv / "bin/pip"), "install", "--quiet", "--no-cache-dir")
        only = ("--only-binary", ":all:", "--constraint", str(listed), *packages)
        _checked(run(*pip, *only, timeout=INSTALL_TIMEOUT))
        (venv / "complete").touch()
    for other in HOME.glob("certbot-*"):
        if other != venv:
            shutil.rmtree(other, ignore_errors=True)
    return venv


def _checked(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[0] if errors else last_line(done.stderr + done.stdout)
        raise CertificateError(f"certbot cannot be installed: {reason}")


def python(venv: Path, script: str, *arguments: str) -> str:
    """Run one of our scripts with certbot's Python; gives what it prints."""
    source = templates.read(__package__, script)
    done = run(str(venv / "bin/python"), "-I", "-", *arguments, text=source)
    if done.returncode:
        raise refusal(done.stderr)
    return done.stdout


def account(venv: Path, settings: Settings, server: str) -> str:
    """The id of the site's account at a server, which is made there where it is missing."""
    asked = (str(ACCOUNT_KEY), str(CONFIG), server, settings.email)
    return python(venv, "account.py", *asked).strip()


def obtain(venv: Path, settings: Settings, names: Sequence[str], server: str, *, dry: bool) -> None:
    """Get a certificate for these names; `dry`: only try whether it would be given.

    Raises CertificateError where it is not.
    """
    argv = ["certonly", "--cert-name", LINEAGE, "--key-type", "ecdsa", "--renew-with-new-domains"]
    argv += ["--force-renewal", *_names(names), *answering(settings)]
    if settings.profile:
        argv += ["--required-profile", settings.profile]
    argv += ["--dry-run"] if dry else []
    certbot(venv, settings, server, argv)


def renew(venv: Path, settings: Settings, *, force: bool) -> None:
    """Renew the certificate where it is time: as the authority says (ARI), or its life."""
    argv = ["renew", "--cert-name", LINEAGE, "--no-random-sleep-on-renew"]
    # Not what the last one was got by: the inventory may say another way since.
    argv += [*answering(settings), *(["--force-renewal"] if force else [])]
    certbot(venv, settings, settings.authority, argv)


def answering(settings: Settings) -> list[str]:
    """certbot's options for how challenges are answered: by nginx, or by a DNS provider."""
    if not settings.dns:
        return list(HTTP_01)
    provider = PROVIDERS[settings.dns]
    argv = ["--authenticator", provider.plugin, "--preferred-challenges", "dns"]
    if provider.form != "aws":  # whose library is told by the environment
        argv += [f"--{provider.plugin}-credentials", str(DNS_CREDENTIALS)]
    if settings.propagation and provider.waits:
        argv += [f"--{provider.plugin}-propagation-seconds", str(settings.propagation)]
    return argv


def certbot(venv: Path, settings: Settings, server: str, argv: Sequence[str]) -> None:
    """Run certbot; raises CertificateError with what the authority or the DNS provider said."""
    account_id = account(venv, settings, server)
    shutil.rmtree(LOGS, ignore_errors=True)  # of the run before: the newest alone is read
    own = ["--config-dir", str(CONFIG), "--work-dir", str(HOME / "work"), "--logs-dir", str(LOGS)]
    own += ["--non-interactive", "--agree-tos", "--server", server, "--account", account_id]
    done = run(str(venv / "bin/certbot"), *argv, *own, timeout=TIMEOUT + settings.propagation)
    if done.returncode:
        logs = sorted(LOGS.glob("*.log"))
        log = logs[-1].read_text() if logs else ""
        raise refusal(done.stdout + done.stderr, log, settings.dns)


def refusal(output: str, log: str = "", dns: str = "") -> CertificateError:
    """What the authority said, or the DNS provider, out of certbot's output and its log."""
    text = "; ".join(dict.fromkeys(_details(output)))
    both = f"{output}\n{log}"
    # A nonce that was refused and tried again is in the log too, but as no error of certbot's.
    by_authority = bool(re.search(r"^ *Detail: |^acme\.messages\.Error: ", both, re.MULTILINE))
    by_authority = by_authority or "urn:ietf:params:acme:error" in output
    waits = [retry_after(one) for one in re.findall(r"^Retry-After: (.+)$", log, re.MULTILINE)]
    # Of an order that is polled, this header is a matter of seconds.
    wait = max(waits, default=0) if "rateLimited" in both else 0
    who = ""
    if by_authority:
        who = "the authority refuses: "
    elif dns and "certbot.errors.PluginError: " in log:
        who = f"the DNS provider ({dns}): "
    return CertificateError(who + text, by_authority=by_authority, wait=wait)


def _details(output: str) -> list[str]:
    """The lines that say why, the plainest that there are."""
    if found := re.findall(r"^ *Detail: (.+)$", output, re.MULTILINE):
        return found
    if found := re.findall(r"^Failed to renew certificate .* with error: (.+)$", output, re.M):
        return [text.rpartition(" :: ")[2] for text in found]
    if found := re.findall(r"^An unexpected error occurred:\n(.+)$", output, re.MULTILINE):
        return [text.rpartition(" :: ")[2] for text in found]
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return [line for line in lines if not line.startswith("Ask for help")][-1:] or ["no output"]


def _names(names: Sequence[str]) -> list[str]:
    argv = []
    for name in names:
        is_address = ":" in name or name.replace(".", "").isdigit()
        argv += ["--ip-address" if is_address else "--domain", name]
    return argv
