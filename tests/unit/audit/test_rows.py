"""Waivers, and the table."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.audit.expectations import KitWaiver, expectations
from espalier.audit.rows import Row, as_json_object, not_checked, table, waive


def waiver(**changed: Any) -> KitWaiver:
    return KitWaiver.model_validate({"check": "ports", "what": 8080, "why": "The wiki."} | changed)


def row(*faults: str, check: str = "ports") -> Row:
    return Row(check, "web1", "from db1, IPv4", "22, 8080", "22", faults)


def test_waiver_gives_its_reason() -> None:
    found = waive(row("8080"), [waiver()], [])
    assert (found.result, found.is_failed) == ("waived: The wiki.", False)


@pytest.mark.parametrize(
    ("faults", "wanted", "conditions"),
    [
        (("8080", "25"), waiver(), []),  # of two faults one
        (("8080",), waiver(check="ssh"), []),
        (("80801",), waiver(), []),
        (("8080",), waiver(when="firewall_off"), ["container"]),
        (("not checked",), waiver(what="*"), []),
    ],
)
def test_waiver_that_does_not_fit(
    faults: tuple[str, ...], wanted: KitWaiver, conditions: list[str]
) -> None:
    assert waive(row(*faults), [wanted], conditions).result == f"FAILED: {', '.join(faults)}"


def test_first_waiver_that_fits_is_told() -> None:
    own, kit = waiver(what=["*"], why="Mine."), waiver(when="firewall_off", why="The kit's.")
    assert waive(row("8080", "25"), [own, kit], ["firewall_off"]).waived == "Mine."
    assert waive(row("8080"), [kit, own], ["firewall_off"]).waived == "The kit's."


def test_what_is_well_needs_no_waiver() -> None:
    assert waive(row(), [waiver(what="*")], []).result == "ok"


def test_table_has_a_line_for_each_reason() -> None:
    waivers = [waiver(check="lynis", what=["A-1", "B-2"], why="No.")]
    rows = [
        waive(Row("lynis", name, test, "words", "no suggestion", (test,)), waivers, [])
        for name in ("web1", "db1")
        for test in ("A-1", "B-2")
    ]
    assert table([row(), *rows]).splitlines() == [
        "CHECK                 MACHINE    FOUND     EXPECTED       RESULT",
        "ports from db1, IPv4  web1       22, 8080  22             ok",
        "lynis A-1, B-2        web1, db1  words     no suggestion  waived: No.",
    ]


def test_json_is_ok_where_nothing_failed() -> None:
    good = as_json_object([row(), waive(row("8080"), [waiver()], [])])
    assert (good["ok"], [one["result"] for one in good["rows"]]) == (True, ["ok", "waived"])
    bad = as_json_object([not_checked("tls", "web1", "sslyze is not here yet", "Mozilla")])
    assert (bad["ok"], bad["rows"][0]["faults"]) == (False, ["not checked"])


def test_expectations_of_the_kit() -> None:
    known = expectations()
    assert known.limits("shop")["shop-*.service"] == 1.5
    assert all(one.why.endswith(".") for one in known.waivers)
    # Of the ports themselves nothing is waived but by a person.
    assert {one.when for one in known.waivers if one.check == "ports" and "*" in one.what} == {
        "firewall_off"
    }
