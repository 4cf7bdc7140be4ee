"""What an authority is asked for, by which means, and what is told where it refuses."""

from __future__ import annotations

import dataclasses
import email.utils
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.certificate import certbot, config, renew, state
from espalier_machine.certificate.authority import Directory, directory, retry_after
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.common import templates
from espalier_machine.common.dns_providers import PROVIDERS

from .certificates import NOW, settings


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "--manual --preferred-challenges http --manual-auth-hook /bin/true"),
        (
            {"dns": "hetzner", "propagation": 40},
            "--authenticator dns-hetzner-cloud --preferred-challenges dns "
            "--dns-hetzner-cloud-credentials /etc/espalier/certificate.dns "
            "--dns-hetzner-cloud-propagation-seconds 40",
        ),
        ({"dns": "route53"}, "--authenticator dns-route53 --preferred-challenges dns"),
    ],
)
def test_how_challenges_are_answered(more: dict[str, Any], expected: str) -> None:
    assert " ".join(certbot.answering(settings(**more))) == expected


@pytest.mark.parametrize(
    ("names", "more", "of_names", "rest"),
    [
        (["a.net", "www.a.net"], {}, "--domain a.net --domain www.a.net", ""),
        (
            *(["192.0.2.1", "2001:db8::1"], {"profile": "shortlived"}),
            *("--ip-address 192.0.2.1 --ip-address 2001:db8::1", " --required-profile shortlived"),
        ),
    ],
)
@pytest.mark.parametrize("dry", [False, True])
def test_what_is_asked_for(
    names: list[str],
    more: dict[str, str],
    of_names: str,
    rest: str,
    dry: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(
        certbot, "certbot", lambda venv, of, server, argv: found.append((server, " ".join(argv)))
    )
    certbot.obtain(tmp_path, settings(**more), names, "https://acme", dry=dry)
    always = "certonly --cert-name site --key-type ecdsa --renew-with-new-domains --force-renewal"
    how = "--manual --preferred-challenges http --manual-auth-hook /bin/true"
    expected = f"{always} {of_names} {how}{rest}{' --dry-run' if dry else ''}"
    assert found == [("https://acme", expected)]


def test_every_plugin_has_a_version() -> None:
    listed = templates.read("espalier_machine.certificate", "certbot.txt")
    versions = dict(line.split("==") for line in listed.splitlines() if line.startswith("certbot"))
    assert {one.package for one in PROVIDERS.values()} == set(versions) - {"certbot"}
    # A plugin of certbot's own project goes with certbot of the same version.
    assert versions["certbot-dns-rfc2136"] == versions["certbot"]


def test_settings_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    stated = {"kind": "acme", "names": ["a.net"], "addresses": [], "of_a_later_one": 1}
    stated |= dict.fromkeys(("authority", "staging", "profile", "email", "thumbprint"), "")
    (tmp_path / "c.json").write_text(json.dumps(stated | {"placeholder": ""}))
    assert config.load(tmp_path / "c.json") == settings()


@pytest.mark.parametrize(
    ("wrong", "current", "expected"),
    [
        ({}, (), ["a.net", "www.a.net"]),
        # One that does not lead here yet keeps the other one not waiting.
        ({"www.a.net": "elsewhere"}, (), ["a.net"]),
        # One that is served already is not lost for an hour of broken DNS.
        ({"www.a.net": "elsewhere"}, ("a.net", "www.a.net"), ["a.net", "www.a.net"]),
        ({}, ("a.net", "old.net"), ["a.net", "www.a.net"]),
    ],
)
def test_names_to_ask_for(
    wrong: dict[str, str], current: tuple[str, ...], expected: list[str]
) -> None:
    assert renew.to_ask(["a.net", "www.a.net"], wrong, current) == expected


FAILED = """
Certbot failed to authenticate some domains (authenticator: manual). It reported these problems:
  Identifier: a.net
  Type:   connection
  Detail: 192.0.2.1: Fetching http://a.net/.well-known/acme-challenge/x: Connection refused

Some challenges have failed.
Ask for help or search for solutions at https://community.letsencrypt.org.
"""
LIMITED = """
An unexpected error occurred:
too many certificates already issued for this exact set of identifiers
Ask for help or search for solutions at https://community.letsencrypt.org.
"""
LOG = "HTTP 429\nRetry-After: 5400\n\nacme.messages.Error: urn:ietf:params:acme:error:rateLimited\n"
RENEWAL = """
Failed to renew certificate site with error: urn:ietf:params:acme:error:x :: too many certificates
All renewals failed. The following certificates could not be renewed:
  /var/lib/espalier-certificate/letsencrypt/live/site/fullchain.pem (failure)
"""


@pytest.mark.parametrize(
    ("output", "log", "text", "by_authority", "wait"),
    [
        (
            *(FAILED, "Retry-After: 3\n"),
            "the authority refuses: 192.0.2.1: Fetching http://a.net/.well-known/acme-challenge/x: "
            "Connection refused",
            *(True, 0),
        ),
        (
            *(LIMITED, LOG),
            "the authority refuses: too many certificates already issued for this exact set of "
            "identifiers",
            *(True, 5400),
        ),
        (RENEWAL, LOG, "the authority refuses: too many certificates", True, 5400),
        ("Traceback\nValueError: no\n", "", "ValueError: no", False, 0),
    ],
)
def test_what_the_authority_says(
    output: str, log: str, text: str, by_authority: bool, wait: float
) -> None:
    error = certbot.refusal(output, log)
    assert (str(error), error.by_authority, error.wait) == (text, by_authority, wait)


def test_what_the_dns_provider_says() -> None:
    output = "Failed to renew certificate site with error: Received response from server: NOTAUTH\n"
    log = "certbot.errors.PluginError: Received response from server: NOTAUTH\n"
    error = certbot.refusal(output, log, "rfc2136")
    assert str(error) == "the DNS provider (rfc2136): Received response from server: NOTAUTH"
    assert not error.by_authority


def test_retry_after_has_seconds_or_a_date() -> None:
    assert retry_after("120") == 120
    assert retry_after("Fri, 15 Jan 2027 08:10:00 GMT", now=NOW) == 600
    assert retry_after("soon") == 0


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, bool]]:
    """The servers that are asked for a certificate, and whether only as a trial; none is given."""
    found: list[tuple[str, bool]] = []

    def obtain(venv: Path, settings: Any, names: Any, server: str, *, dry: bool) -> None:
        found.append((server, dry))

    monkeypatch.setattr(renew.x509, "read", lambda path: None)
    monkeypatch.setattr(renew.authority, "directory", lambda url: Directory((), ()))
    monkeypatch.setattr(renew, "look", lambda *_, **__: {})
    monkeypatch.setattr(renew, "hand_over", lambda settings: None)
    monkeypatch.setattr(certbot, "installed", lambda dns: tmp_path)
    monkeypatch.setattr(certbot, "obtain", obtain)
    return found


STAGED = {"authority": "https://acme", "staging": "https://staging"}


def test_staging_is_asked_first_and_once(asked: list[tuple[str, bool]]) -> None:
    known = state.State()
    renew.ask(settings(**STAGED), known, force=False)
    assert asked == [("https://staging", True), ("https://acme", False)]
    assert known.tried == ["a.net"]
    asked.clear()
    renew.ask(settings(**STAGED), known, force=False)
    assert asked == [("https://acme", False)]
    asked.clear()
    other = dataclasses.replace(settings(**STAGED), names=("a.net", "www.a.net"))
    renew.ask(other, known, force=False)
    assert asked == [("https://staging", True), ("https://acme", False)]


def test_what_staging_refuses_is_not_asked_of_the_authority(
    asked: list[tuple[str, bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*of: Any, dry: bool) -> None:
        asked.append((of[3], dry))
        raise CertificateError("the authority refuses: no", by_authority=True, wait=3600)

    monkeypatch.setattr(certbot, "obtain", refuse)
    known = state.State()
    with pytest.raises(CertificateError, match="the authority refuses: no") as error:
        renew.ask(settings(**STAGED), known, force=False)
    assert (asked, known.tried) == ([("https://staging", True)], [])
    # It counts for nothing at the authority itself: a person need not wait.
    assert (error.value.by_authority, error.value.wait) == (False, 0)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        (0, ""),
        (4, ""),
        (-4, ""),
        (10, "This machine's clock is 10 minutes ahead of that of acme.net: `timedatectl "),
        (-10, "This machine's clock is 10 minutes behind that of acme.net: `timedatectl "),
    ],
)
def test_a_wrong_clock_is_told_before_the_authority_is_asked(
    minutes: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = io.BytesIO(b'{"meta": {"caaIdentities": ["acme.net"], "profiles": {"short": ""}}}')
    date = email.utils.formatdate(time.time() - minutes * 60, usegmt=True)
    answer.headers = {"Date": date}  # type: ignore[attr-defined]
    monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: answer)
    if not words:
        assert directory("https://acme.net/d") == Directory(("acme.net",), ("short",))
        return
    with pytest.raises(CertificateError) as error:
        directory("https://acme.net/d")
    assert str(error.value).startswith(words)
    assert not error.value.by_authority
