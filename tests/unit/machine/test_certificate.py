"""The command `certificate`: what it looks at, what it asks for, and when it tries again."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import email.utils
import io
import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.certificate import certbot, cli, config, preflight, renew, state, transfer
from espalier_machine.certificate.authority import Directory, directory, retry_after
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.common import templates, x509
from espalier_machine.common.dns_providers import PROVIDERS

OURS = ("192.0.2.1", "192.0.2.2")
NOW = 1_800_000_000.0


def records(*addresses: str, caa: list[list[str]] | None = None, error: str = "") -> dict[str, Any]:
    """What DNS says of one name."""
    return {"addresses": list(addresses), "caa": caa or [], "error": error}


def answering(answers: Mapping[str, tuple[str, str]]) -> preflight.Ask:
    """Addresses that answer so; all others are right."""
    return lambda address, name: answers.get(address, (preflight.RIGHT, ""))


WRONG = (preflight.WRONG, "it answers the status 404, without the challenge")
SILENT = (preflight.SILENT, "Connection refused")


@pytest.mark.parametrize(
    ("found", "answers", "words"),
    [
        (records("192.0.2.1", "192.0.2.2"), {}, ""),
        # A load balancer, or a floating IP.
        (records("198.51.100.7"), {}, ""),
        (
            records("192.0.2.1", "192.0.2.2"),
            {"192.0.2.2": SILENT},
            "the web machine 192.0.2.2 does not answer (Connection refused), and the authority",
        ),
        (records(), {}, "a.net has no address in DNS: add the A record 192.0.2.1"),
        (records(error="timed out"), {}, "DNS cannot be asked for a.net: timed out"),
        (
            records("192.0.2.1", "198.51.100.7"),
            {"198.51.100.7": WRONG},
            "a.net has the A record 198.51.100.7, and that is not this site (it answers the status",
        ),
        (
            records("192.0.2.1", "2001:db8::7"),
            {"2001:db8::7": SILENT},
            "a.net has the AAAA record 2001:db8::7, and that is not this site",
        ),
        (records("192.0.2.1"), {"192.0.2.1": SILENT}, "port 80 of a.net does not answer"),
        (
            records("192.0.2.1"),
            {"192.0.2.1": WRONG},
            "192.0.2.1 is a web machine of this site, but it",
        ),
        (
            records("192.0.2.1", caa=[["issue", "ca.example"]]),
            {},
            'add `0 issue "letsencrypt.org"`',
        ),
        (records("192.0.2.1", caa=[["issue", ";"]]), {}, "allows nobody alone"),
        (
            records("192.0.2.1", caa=[["issue", "LetsEncrypt.org; validationmethods=http-01"]]),
            {},
            "",
        ),
        (records("192.0.2.1", caa=[["iodef", "mailto:a@a.net"]]), {}, ""),
    ],
)
def test_preflight(found: dict[str, Any], answers: dict[str, tuple[str, str]], words: str) -> None:
    text = preflight.problem("a.net", found, OURS, ["letsencrypt.org"], answering(answers))
    assert (words in text) if words else text == ""


def test_a_web_machine_may_be_off_where_it_is_urgent() -> None:
    ask = answering({"192.0.2.2": SILENT})
    found = {"a.net": records("192.0.2.1", "192.0.2.2")}
    assert preflight.problems(found, OURS, (), ask, is_urgent=True) == {}
    found = {"a.net": records("192.0.2.2")}
    assert "port 80" in preflight.problems(found, OURS, (), ask, is_urgent=True)["a.net"]


def test_an_authority_without_a_name_in_caa_looks_at_no_such_record() -> None:
    assert preflight.caa_problem("a.net", [["issue", "ca.example"]], ()) == ""


@pytest.mark.parametrize(
    ("name", "caa", "words"),
    [
        ("*.a.net", [["issue", "letsencrypt.org"]], ""),
        ("*.a.net", [["issue", "letsencrypt.org"], ["issuewild", ";"]], "`0 issuewild "),
        ("a.net", [["issue", "letsencrypt.org"], ["issuewild", ";"]], ""),
        ("*.a.net", [["issue", "ca.example"], ["issuewild", "letsencrypt.org"]], ""),
        ("*.a.net", [["issue", "ca.example"]], "`0 issue "),
    ],
)
def test_by_dns_no_address_has_to_be_right_but_caa(
    name: str, caa: list[list[str]], words: str
) -> None:
    found = preflight.dns_problems({name: records(caa=caa)}, ["letsencrypt.org"])
    assert (words in found[name]) if words else found == {}


def test_by_dns_it_is_told_where_dns_cannot_be_asked() -> None:
    found = preflight.dns_problems({"*.a.net": records(error="timed out")}, ())
    assert found == {"*.a.net": "DNS cannot be asked for *.a.net: timed out"}


def settings(**more: Any) -> config.Settings:
    """Settings of a machine."""
    stated = dict.fromkeys(("authority", "staging", "profile", "email", "thumbprint"), "")
    return config.Settings("acme", ("a.net",), (), **{"placeholder": "", **stated, **more})


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


def test_an_address_needs_no_dns() -> None:
    assert preflight.literal("192.0.2.1") == records("192.0.2.1")
    assert preflight.literal("2001:db8::1") == records("2001:db8::1")
    assert preflight.literal("a.net") is None


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


def pauses(*, by_authority: bool, wait: float = 0) -> list[float]:
    """The pauses in minutes after one failure, two, and so on, without the random part."""
    known, found = state.State(), []
    for _ in range(6):
        known.failed(NOW, CertificateError("no", by_authority=by_authority, wait=wait))
        found.append(round((known.next_try - NOW) / 60))
    return found


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "spread", lambda pause: pause)
    assert pauses(by_authority=False) == [10, 20, 40, 80, 120, 120]
    assert pauses(by_authority=True) == [60, 120, 240, 480, 960, 1440]
    assert pauses(by_authority=True, wait=5400) == [90, 120, 240, 480, 960, 1440]


def test_a_person_waits_for_the_authority_alone() -> None:
    known = state.State()
    known.failed(NOW, CertificateError("DNS", by_authority=False))
    assert not renew.is_time(known, NOW + 60, now=False, force=False)
    assert renew.is_time(known, NOW + 60, now=True, force=False)
    known.failed(NOW, CertificateError("refused", by_authority=True, wait=5400))
    assert not renew.is_time(known, NOW + 5000, now=True, force=False)
    assert renew.is_time(known, NOW + 60, now=False, force=True)
    assert renew.is_time(known, NOW + 9000, now=False, force=False)


@pytest.mark.parametrize(("days", "hours"), [(90, 12), (160 / 24, 4)])
def test_pause_of_a_certificate_is_a_part_of_its_life(
    days: float, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "spread", lambda pause: pause)
    known = state.State(failures=3, problem="was wrong", not_before=NOW + 9)
    known.succeeded(NOW, days * 86400)
    assert (known.next_try - NOW) / 3600 == pytest.approx(hours)
    assert (known.failures, known.problem, known.not_before) == (0, "", 0)


def test_state_is_kept_and_a_broken_one_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    state.save(state.State(failures=2, tried=["a.net"]), path)
    assert state.load(path) == state.State(failures=2, tried=["a.net"])
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("{")
    assert state.load(path) == state.State()


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
def made(tmp_path: Path) -> Path:
    """A certificate for two names and an address, made by openssl."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    path = tmp_path / "a.pem"
    names = "subjectAltName=DNS:a.net,DNS:www.a.net,IP:2001:db8::1"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "90", "-subj", "/CN=x", "-addext", names]
    command += ["-keyout", str(tmp_path / "a.key"), "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def test_what_a_certificate_says(made: Path) -> None:
    found = x509.read(made)
    assert found
    assert found.names == ("a.net", "www.a.net", "2001:db8::1")
    assert found.life == 90 * 86400
    assert found.spent(found.begins.timestamp() + found.life / 2) == 0.5
    assert found.is_self_signed
    assert x509.read(made.with_name("none.pem")) is None


@pytest.fixture
def vouched_for(made: Path, tmp_path: Path) -> Path:
    """A certificate that another one has signed."""
    path = tmp_path / "b.pem"
    command = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=b.net", "-keyout", str(tmp_path / "b.key"), "-out", str(path)]
    command += ["-x509", "-CA", str(made), "-CAkey", str(tmp_path / "a.key"), "-days", "90"]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.mark.parametrize(
    ("before", "kind", "is_replaced"),
    [
        # Also for names that the site has no more: there is another placeholder for each.
        ("made", "placeholder", True),
        # One's own before, or of a machine whose state was lost: visitors trust it.
        ("vouched_for", "kept", False),
    ],
)
def test_what_visitors_trust_is_served_until_there_is_a_new_one(
    before: str,
    kind: str,
    is_replaced: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    given: list[Path] = []
    (tmp_path / "new.crt").touch()
    monkeypatch.setattr(renew, "serve", lambda certificate, key: given.append(certificate))
    monkeypatch.setattr(renew, "SERVED", request.getfixturevalue(before))
    monkeypatch.setattr(certbot, "CERTIFICATE", tmp_path / "none.pem")
    wanted = dataclasses.replace(settings(), placeholder=str(tmp_path / "new"))
    renew.hand_over(wanted)
    assert renew.kind_of(wanted) == kind
    assert given == ([tmp_path / "new.crt"] if is_replaced else [])


def test_the_fact_has_what_others_read(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "facts.d" / "certificate.fact"
    state.save_fact("acme", x509.read(made), state.State(renewals=1, problem="no"), path)
    fact = json.loads(path.read_text())
    assert {key: fact[key] for key in ("kind", "names", "renewals", "problem")} == {
        "kind": "acme",
        "names": ["a.net", "www.a.net", "2001:db8::1"],
        "renewals": 1,
        "problem": "no",
    }
    assert fact["expires"] > fact["issued"]


def test_a_copy_is_taken_where_it_is_better(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    for part in ("archive/site", "live/site", "renewal"):
        (there / part).mkdir(parents=True)
    shutil.copy(made, there / "archive/site/fullchain1.pem")
    (there / "live/site/fullchain.pem").symlink_to("../../archive/site/fullchain1.pem")
    (there / "renewal/site.conf").write_text("x = y\n")
    monkeypatch.setattr(certbot, "CONFIG", there)
    copy = transfer.export()
    monkeypatch.setattr(certbot, "CONFIG", here)
    assert transfer.take(copy, ["a.net"]) is True
    assert x509.read(here / "live/site/fullchain.pem") == x509.read(made)
    assert (here / "renewal/site.conf").read_text() == "x = y\n"
    assert transfer.take(copy, ["a.net"]) is False
    assert not (here / "incoming").exists()


def test_a_copy_takes_no_renewal_away(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[state.State] = []
    before = state.State(failures=3, next_try=NOW, renewals=2, problem="no DNS")
    monkeypatch.setattr(cli, "locked", contextlib.nullcontext)
    monkeypatch.setattr(config, "load", settings)
    monkeypatch.setattr("sys.stdin", io.StringIO("a copy"))
    monkeypatch.setattr(transfer, "take", lambda text, names: text == "a copy")
    monkeypatch.setattr(state, "load", lambda: before)
    monkeypatch.setattr(state, "save", kept.append)
    monkeypatch.setattr(renew, "hand_over", lambda settings: None)
    monkeypatch.setattr(renew, "record", lambda settings, known: kept.append(known))
    monkeypatch.setattr(cli, "forget_failure", lambda: None)
    assert cli.act(argparse.Namespace(action="import")) == 0
    assert kept == [state.State(renewals=2)] * 2  # on disk, and in the fact


def served(fingerprint: str, *names: str) -> x509.Certificate:
    """A certificate in the middle of its life."""
    begins = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    return x509.Certificate(names, begins, begins + datetime.timedelta(days=90), fingerprint)


@pytest.mark.parametrize(
    ("before", "after", "renewals"),
    [
        (("a.net",), ("a.net",), 1),
        # The first one, and one for another name: HSTS waits for a renewal.
        ((), ("a.net",), 0),
        (("old.net",), ("a.net",), 0),
        (("a.net", "old.net"), ("a.net",), 0),
    ],
)
def test_a_renewal_is_one_of_the_same_names(
    before: tuple[str, ...],
    after: tuple[str, ...],
    renewals: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [served("one", *before) if before else None]

    def get(*_: object, **__: object) -> None:
        now[0] = served("two", *after)

    monkeypatch.setattr(renew.x509, "read", lambda path: now[0])
    monkeypatch.setattr(renew.authority, "directory", lambda url: Directory((), ()))
    monkeypatch.setattr(renew, "look", lambda *_, **__: {})
    monkeypatch.setattr(renew, "hand_over", lambda settings: None)
    monkeypatch.setattr(certbot, "installed", lambda dns: tmp_path)
    monkeypatch.setattr(certbot, "obtain", get)
    monkeypatch.setattr(certbot, "renew", get)
    known = state.State()
    assert renew.ask(settings(), known, force=False) == {}
    assert known.renewals == renewals


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
    ("day", "problem"),
    [
        (0, ""),
        (67, ""),
        (68, "the certificate expires on 2027-04-15: "),
        (91, "the certificate has expired on 2027-04-15: "),
    ],
)
def test_the_end_of_one_s_own_certificate_is_told(
    day: int, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(renew.x509, "read", lambda path: served("own", "a.net"))
    what = "put the new one beside the inventory, and run the site"
    found = renew.own_problem(settings(), NOW + day * 86400)
    assert found == (problem and problem + what)


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
