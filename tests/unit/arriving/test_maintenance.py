"""The site is closed while its data changes, and open again where it was. No machine is touched."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from espalier.arriving import maintenance
from espalier.arriving.live import LiveRelease
from espalier.arriving.report import Report
from espalier.inventory.site import Site, SiteError

OPEN, CLOSED = "", "/ is closed, come back after 600 s\n"


class Remote:
    """Machines with the command `maintenance`; those of `fails` do not answer to some word."""

    def __init__(self, *fails: str, **states: str | None) -> None:
        """Take what is closed on each, and what fails, such as `web1 on`."""
        self.fails, self.states = fails, states
        self.told: list[str] = []

    def run(self, machine: str, words: list[str]) -> tuple[int, str, str]:
        """Run the command."""
        assert (words[0], words[2]) == ("maintenance", "/")
        self.told.append(f"{machine} {words[1]}")
        if self.states[machine] is None:
            return 127, "", "sh: maintenance: not found\n"
        if self.told[-1] in self.fails:
            return 255, "", "ssh: no route\n"
        return 0, (self.states[machine] or "") if words[1] == "status" else "", ""


class Said:
    """What a person is told."""

    def __init__(self, remote: Any) -> None:
        """Close the machines."""
        self.remote = remote
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def closed(self) -> AbstractContextManager[None]:
        """Have all machines closed."""
        names = list(self.remote.states)
        return maintenance.closed(self.remote, names, self.notes.append, self.warnings.append)


def test_open_machines_are_closed_and_open_again() -> None:
    said = Said(Remote(web1=OPEN, web2=OPEN))
    with said.closed():
        assert said.remote.told == ["web1 status", "web1 on", "web2 status", "web2 on"]
    assert said.remote.told[4:] == ["web1 off", "web2 off"]
    assert (said.notes, said.warnings) == ([], [])


def test_machine_that_no_run_has_brought_nginx_is_passed_over() -> None:
    said = Said(Remote(web1=None, web2=OPEN))
    with said.closed():
        assert said.remote.told == ["web1 status", "web2 status", "web2 on"]
    assert (said.remote.told[3:], said.warnings) == (["web2 off"], [])


@pytest.mark.parametrize("state", [CLOSED, f"/shop/ is closed, come back after 60 s\n{CLOSED}"])
def test_machine_that_somebody_has_closed_stays_closed(state: str) -> None:
    said = Said(Remote(web1=state, web2=OPEN))
    with said.closed():
        pass
    assert said.remote.told == ["web1 status", "web2 status", "web2 on", "web2 off"]
    assert said.notes == ["web1 was closed before, and stays closed: espalier maintenance off"]


def test_part_of_a_site_that_is_closed_is_not_all_of_it() -> None:
    said = Said(Remote(web1="/shop/ is closed, come back after 60 s\n"))
    with said.closed():
        assert said.remote.told[-1] == "web1 on"


def test_site_opens_again_where_what_is_done_fails() -> None:
    said = Said(Remote(web1=OPEN))
    with pytest.raises(KeyboardInterrupt), said.closed():
        raise KeyboardInterrupt
    assert said.remote.told[-1] == "web1 off"


@pytest.mark.parametrize(
    ("fails", "told"),
    [
        ("web2 status", ["web1 status", "web1 on", "web2 status", "web1 off"]),
        # Its answer may have been lost on the way.
        ("web2 on", ["web1 status", "web1 on", "web2 status", "web2 on", "web1 off", "web2 off"]),
    ],
)
def test_machine_that_cannot_be_closed_stops_it_and_the_others_open(
    fails: str, told: list[str]
) -> None:
    said = Said(Remote(fails, web1=OPEN, web2=OPEN))
    with pytest.raises(SiteError) as failed, said.closed():
        pytest.fail("It went on.")
    assert str(failed.value) == (
        "web2 cannot be closed for maintenance: ssh: no route. The database is left as it is."
    )
    assert (failed.value.status, said.remote.told) == (1, told)


def test_machine_that_stays_closed_is_told_and_the_others_open() -> None:
    said = Said(Remote("web1 off", web1=OPEN, web2=OPEN))
    with said.closed():
        pass
    assert said.remote.told[-1] == "web2 off"
    assert said.warnings == [
        "web1 is still closed (ssh: no route): `espalier maintenance off`.",
    ]


def test_import_reports_a_machine_that_stays_closed_whether_it_failed_or_not(
    tmp_path: Path,
) -> None:
    remote: Any = Remote("web2 off", web1=CLOSED, web2=OPEN)
    site = Site(tmp_path, "shop", {"services": {"nginx": ["web1", "web2"]}}, {}, {}, {})
    report = Report()
    with LiveRelease(site, remote, report, lambda *step: nullcontext()).closed():
        pass
    still = ["web2 is still closed (ssh: no route): `espalier maintenance off`."]
    assert (report.wrong, report.failures) == (still, still)
    assert report.notes == ["web1 was closed before, and stays closed: espalier maintenance off"]
