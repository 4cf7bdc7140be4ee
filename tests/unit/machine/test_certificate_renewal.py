"""When a certificate is asked for again, and what is served, copied and told until then."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from espalier_machine.certificate import certbot, cli, config, renew, state, transfer
from espalier_machine.certificate.authority import Directory
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.common import x509

from .certificates import NOW, settings


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
