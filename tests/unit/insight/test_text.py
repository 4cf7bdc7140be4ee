"""The report in a terminal, and the same as data."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from espalier.insight.advice import Verdict
from espalier.insight.advise import advise
from espalier.insight.evidence import Evidence, Kind
from espalier.insight.text import advice_text
from tests.unit.insight.evidence_builder import (
    evidence,
    failing,
    part,
    parts_with,
    saturate,
    site,
    split,
)


def full() -> Evidence:
    """web1's processor is full."""
    parts = parts_with(part(Kind.PROCESSOR, "web1", 2, 50, 40, "django", lowest=0.92))
    return failing(
        40,
        {"parts": saturate(parts, 50), "split": split(queue=0.05, waiting=0.04)},
        parts=parts,
        site=site(tiers=[], prices={"web1": 5.0}, currency="EUR"),
        load=None,
    )


def test_the_whole_report() -> None:
    given = full()
    assert (
        advice_text(advise(given), given, "last 7 predictions: median error 9%")
        == """\
BOTTLENECK  application processor on web1   92% sure   limit 50 requests/s (46.5 to 53.5)
EVIDENCE    1.6 of 2 cores in use on web1; full at 50 requests/s (3,000 a minute)
            a response computes for 12% of its time and waits for a core for 35%
            visitors are answered well up to 40 requests/s (2,400 a minute)
CHANGE      Run Django on app2 as well. Write the addresses of app2, a new machine, into hosts.yml.
            hosts.yml:
            -     tiers: []
            +     tiers: [app_servers]
            hosts.yml, below `hosts:`:
            +     app2: {ansible_host: ADDRESS_OF_APP2, private_address: 10.0.0.12}
            hosts.yml:
            -     app: {hosts: {web1: }}
            +     app: {hosts: {web1: , app2: }}
            $ espalier check
            $ espalier site
PREDICT     40 → 80 requests/s (63.2 to 92.4); next limit: processor of web1
COST        5 EUR a month; 2.08 EUR for 1,000 requests a minute more
RULED OUT   database processor, disk, memory, locks, database connections, threads, network between
            machines, outside, the host
INSTEAD     larger machine: Rent a larger machine for web1: twice the cores. 1.8 times as many
            requests (1.4 to 2.14). 5 EUR a month; 2.6 EUR for 1,000 requests a minute more.
RECORD      last 7 predictions: median error 9%
"""
    )


def test_no_line_is_wider_than_a_terminal() -> None:
    given = full()
    lines = advice_text(advise(given), given).splitlines()
    assert max(map(len, lines)) <= 100


def test_a_site_that_is_well_is_told_so() -> None:
    given = evidence()
    first = advice_text(advise(given), given).splitlines()[0]
    # What nothing limits has a limit, and no place to be sure of.
    assert first == "NOTHING     change nothing   limit 160 requests/s (149 to 171)"
    assert "CHANGE" not in advice_text(advise(given), given)


def test_what_was_not_measured_is_said() -> None:
    given = evidence(timing=False)
    assert "MIND        Django told no times" in advice_text(advise(given), given)
    # Where nginx' cache answers every page, Django has no times to tell.
    kept = replace(given, rate_django=0.0)
    assert "Django told no times" not in advice_text(advise(kept), kept)


def test_a_machine_that_left_is_neither_idle_nor_ruled_out() -> None:
    idle = evidence(facts={"silent": ["db1"]})
    said = advise(idle)
    assert (said.verdict, said.ruled_out) == (Verdict.UNKNOWN, [])
    assert "db1 told nothing" in said.sentence
    found = full()
    limited = replace(found, facts={"silent": ["db1"]})
    assert "disk" in advise(found).ruled_out
    assert "disk" not in advise(limited).ruled_out
    assert "MIND        db1 told nothing" in advice_text(advise(limited), limited)


def test_an_advice_as_data() -> None:
    data = json.loads(json.dumps(asdict(advise(full()))))
    assert data["verdict"] == "bottleneck"
    assert data["place"] == "application processor"
    assert data["change"]["remedy"] == "app_servers"
    assert data["change"]["edits"][0]["values"] == [["tiers", ["app_servers"]]]
    assert data["limit"] == {"low": 46.5, "value": 50.0, "high": 53.5}
