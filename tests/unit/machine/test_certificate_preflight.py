"""Before an authority is asked: whether it would find this site under each of its names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from espalier_machine.certificate import preflight

OURS = ("192.0.2.1", "192.0.2.2")


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


def test_an_address_needs_no_dns() -> None:
    assert preflight.literal("192.0.2.1") == records("192.0.2.1")
    assert preflight.literal("2001:db8::1") == records("2001:db8::1")
    assert preflight.literal("a.net") is None
