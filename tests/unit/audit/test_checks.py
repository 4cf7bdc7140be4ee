"""What each auditor said, captured from lab machines, as rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier.audit import lynis, nginx, sandboxes, ssh, tls
from espalier.audit.rows import NOT_CHECKED
from espalier_machine.audit import lynis as machine_lynis

ANSWERS = Path(__file__).with_name("answers")
POLICY = "Hardened Debian 12 (version 3)"


def said(name: str) -> str:
    return (ANSWERS / name).read_text()


def test_ssh_follows_its_policy() -> None:
    (row,) = ssh.rows("web1", POLICY, said("ssh_audit_good.json"))
    assert (row.found, row.expected, row.result) == ("0 errors", POLICY, "ok")


def test_each_field_of_the_policy_is_a_fault() -> None:
    (row,) = ssh.rows("web1", POLICY, said("ssh_audit_other_policy.json"))
    assert row.faults == ("Host keys", "Key exchanges", "MACs")
    assert row.found.startswith("Host keys: ssh-ed25519; Key exchanges: mlkem768x25519-sha256, ")
    assert row.result == "FAILED: Host keys, Key exchanges, MACs"


@pytest.mark.parametrize("output", ["[exception] cannot connect to 198.18.61.11", "", "[]", "{}"])
def test_ssh_that_does_not_answer_is_no_success(output: str) -> None:
    (row,) = ssh.rows("web1", POLICY, output)
    assert (row.faults, row.is_failed) == ((NOT_CHECKED,), True)


def test_passwords() -> None:
    assert ssh.password_row("web1", ["no", "no"]).result == "ok"
    assert ssh.password_row("web1", ["no", "yes"]).result == "FAILED: passwords"
    assert ssh.password_row("web1", []).faults == (NOT_CHECKED,)


def test_tls_of_a_self_signed_certificate() -> None:
    (row,) = tls.rows("web1", "intermediate", said("sslyze_self_signed.txt"))
    assert row.faults == ("certificate_path_validation", "maximum_certificate_lifespan")
    assert row.found == (
        "Certificate path validation failed for CN=self-signed.; "
        "Certificate life span is 3650 days, should be less than 366."
    )


def test_tls_that_does_not_answer_is_no_success() -> None:
    (row,) = tls.rows("web1", "intermediate", said("sslyze_no_answer.txt"))
    assert row.faults == (NOT_CHECKED,)
    assert "Connection to the server timed out" in row.found


def test_tls_that_complies() -> None:
    good = (
        said("sslyze_self_signed.txt").partition("    198.18")[0] + "    a:443: OK - Compliant.\n"
    )
    (row,) = tls.rows("web1", "intermediate", good)
    assert (row.found, row.result) == ("compliant", "ok")


def test_gixy() -> None:
    (row,) = nginx.rows("web1", said("gixy_two.json"))
    assert row.faults == ("version_disclosure", "alias_traversal")
    assert row.found.endswith("; alias_traversal: Path traversal via misconfigured alias.")
    assert nginx.rows("web1", "[]")[0].result == "ok"
    assert nginx.rows("web1", "Traceback …")[0].faults == (NOT_CHECKED,)


def test_sandboxes_against_their_limits() -> None:
    limits = {"espalier-*.service": 3.0, "shop-*.service": 1.5}
    scores = {"espalier-drain.service": 1.8, "shop-web@x.service": 1.6, "shop-y.service": None}
    results = {row.what: row.result for row in sandboxes.rows("web1", scores, limits)}
    assert results == {
        "espalier-drain.service": "ok",
        "shop-web@x.service": "FAILED: shop-web@x.service",
        "": "FAILED: not checked",
    }


def test_machine_that_names_no_unit_is_no_success() -> None:
    assert sandboxes.rows("web1", {}, {})[0].faults == (NOT_CHECKED,)


def test_lynis_below_its_index_tells_every_finding() -> None:
    answer = machine_lynis.parse(said("lynis_report.dat"))
    assert (answer["version"], answer["index"]) == ("3.1.4", 65)
    rows = lynis.rows("db1", 80, answer)
    assert [row.result for row in rows[:2]] == ["FAILED: index", "FAILED: DBS-1828"]
    assert "FAILED: USB-1000" in [row.result for row in rows]


def test_lynis_above_its_index_tells_warnings() -> None:
    answer = machine_lynis.parse(said("lynis_report.dat"))
    assert [row.result for row in lynis.rows("db1", 65, answer)] == ["ok", "FAILED: DBS-1828"]
