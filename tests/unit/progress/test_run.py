"""What is known of a run, from its events, and how it is told."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.progress import report
from espalier.progress.run import Run
from espalier.progress.screen import Line
from espalier.progress.stages import PREFLIGHT, stage_of


def run_of(*events: dict[str, Any]) -> Run:
    """Give a run that had these events, each a second after the one before."""
    run = Run()
    for number, event in enumerate(events):
        run.take({"at": 100.0 + number, **event})
    return run


def task(stage: str, name: str = "Do") -> dict[str, Any]:
    return {"event": "task", "stage": stage, "task": name}


def result(machine: str, changed: bool = False) -> dict[str, Any]:
    return {"event": "result", "machine": machine, "changed": changed}


def failure(machine: str, stage: str, sentence: str = "no ink", **values: Any) -> dict[str, Any]:
    return {
        **{"event": "failure", "machine": machine, "stage": stage, "task": "Do"},
        **{"sentence": sentence, "detail": ["    E: x"], "status": 1, "is_whole": False},
        **values,
    }


def texts(lines: list[Line]) -> list[str]:
    return [text for text, _ in lines]


SITE = {
    "event": "site",
    "domains": ["*.shop.example", "shop.example"],
    "address": "192.0.2.1",
    "is_told": True,
    "is_copied": True,
}
END = {"event": "end", "rescued": []}


def test_stage_of_a_machine_has_its_seconds_and_its_changes() -> None:
    run = run_of(
        task("base", "Install"),
        result("vps1", changed=True),
        task("base", "Configure"),
        result("vps1"),
        result("vps2", changed=True),
        task("nginx"),
        result("vps1"),
        END,
    )
    assert texts([report.stage_line(stage) for stage in run.stages]) == [
        "  base       vps1            3.0 s  1 change",
        "  base       vps2            4.0 s  1 change",
        "  nginx      vps1            1.0 s",
    ]
    assert texts(report.summary(run)) == ["2 changes in 7 s."]


def test_summary_tells_what_is_live_and_where() -> None:
    live = {"event": "live", "machines": {"app1": "r1", "app2": "r1"}}
    run = run_of(task("release"), SITE, live, result("app1"), END)
    assert texts(report.summary(run)) == [
        "No change (4 s). Live: r1 on app1, app2.",
        "https://shop.example/",
    ]
    run.domains, run.address = (), "2001:db8::1"
    assert run.url == "https://[2001:db8::1]/"


def test_summary_tells_what_the_inventory_lacks() -> None:
    lacks = SITE | {"is_told": False, "is_copied": False}
    assert texts(report.summary(run_of(task("release"), lacks, END)))[2:] == [
        "Nobody is told when something fails: hosts.yml has no `alerts`, such as "
        "`alerts: {email: anna@example.com}`.",
        "Nothing is copied anywhere: hosts.yml has no `backup`, such as `backup: {to: s3, bucket: "
        "shop-backups, endpoint: s3.eu-central-1.amazonaws.com}`.",
    ]


def test_failure_is_told_once_with_all_its_machines() -> None:
    run = run_of(
        task("preflight"),
        SITE,
        task("nginx"),
        failure("web1", "nginx"),
        failure("web2", "nginx"),
        failure("web3", "nginx", sentence="no pen"),
        END,
    )
    assert texts(report.failure_lines(run.failures, command="c", log="~/l", answers=run.url)) == [
        "nginx failed on web1, web2, at `Do`:",
        "no ink",
        "    E: x",
        "nginx failed on web3, at `Do`:",
        "no pen",
        "    E: x",
        "https://shop.example/ still answers.",
        "Mend it, and type `c` again: it goes on from here.",
        "The whole log: ~/l",
    ]
    assert report.exit_status(run, 2) == 1
    assert report.as_data(run, 1, "/l")["failures"][0]["machines"] == ("web1", "web2")
    assert [stage.failed for stage in run.stages] == [True, True, True]


def test_refusal_is_its_sentence_alone() -> None:
    refusal = failure("vps1", "preflight", "No. Nothing was changed.", detail=[], is_whole=True)
    run = run_of(task("preflight"), refusal, END)
    lines = report.failure_lines(run.failures, command="c", log="~/l")
    assert (texts(lines), report.exit_status(run, 2)) == (["No. Nothing was changed."], 2)


def test_release_says_itself_what_failed_where_and_who_serves() -> None:
    words = {"is_whole": True, "detail": ["Visitors are served as before."]}
    run = run_of(task("release"), failure("app1", "release", "app1: build failed", **words), END)
    assert texts(report.failure_lines(run.failures, command="c", log="~/l", answers="u")) == [
        "app1: build failed",
        "Visitors are served as before.",
        "The whole log: ~/l",
    ]


def test_failure_that_the_run_recovered_from_is_none() -> None:
    run = run_of(task("base"), failure("vps1", "base"), END | {"rescued": ["vps1"]})
    assert (run.failures, report.exit_status(run, 0)) == ([], 0)


@pytest.mark.parametrize(
    ("events", "returned", "interrupted", "status"),
    [
        ([task("base"), END], 0, False, 0),
        ([], 1, False, 2),  # an inventory that is refused
        ([task("preflight")], 250, False, 2),
        ([task("base")], 250, False, 1),
        ([task("base"), failure("vps1", "base"), END], 4, False, 1),
        ([task("django"), failure("vps1", "django", status=3), END], 2, False, 3),
        ([task("base")], 99, False, 130),
        ([task("base"), failure("vps1", "base")], -2, True, 130),
    ],
)
def test_exit_statuses_are_those_of_every_command(
    events: list[dict[str, Any]], returned: int, interrupted: bool, status: int
) -> None:
    assert report.exit_status(run_of(*events), returned, interrupted) == status


def test_interrupted_run_says_how_far_it_came() -> None:
    run = run_of(task("preflight"))
    assert texts(report.interrupted_lines(run, command="c", log="~/l")) == [
        "Interrupted before anything was changed."
    ]
    run = run_of(task("release"), result("vps1"), {"event": "running", "what": "build vps1"})
    run.cut_off()
    assert texts([report.stage_line(stage) for stage in run.stages]) == [
        "  release    vps1            1.0 s  interrupted"
    ]
    assert texts(report.interrupted_lines(run, command="c", log="~/l", answers="u")) == [
        "Interrupted at release, in `build vps1`; `c` goes on from here.",
        "`espalier status` says what is live.",
        "u still answers.",
        "The whole log: ~/l",
    ]


def test_end_of_ansible_itself_is_told_with_what_it_did() -> None:
    run = run_of()
    run.stop("the inventory makes no sense", 2)
    lines = report.failure_lines(run.failures, command="c", log="~/l")
    assert texts(lines) == ["the inventory makes no sense"]
    run = run_of(task("nginx"))
    run.stop("Unexpected Exception", 1)
    lines = report.failure_lines(run.failures, command="c", log="~/l")
    assert texts(lines)[:2] == ["nginx failed, at `Do`:", "Unexpected Exception"]


@pytest.mark.parametrize(
    ("tags", "action", "in_role", "stage"),
    [
        (["always"], "machine_facts", False, PREFLIGHT),
        (["survey"], "leaving", False, PREFLIGHT),  # of remove.yml, before it asks
        (["django"], "ansible.builtin.include_role", False, "django"),
        (["django"], "ansible.builtin.command", True, "django"),
        (["django"], "site_lock", False, "django"),
        (["django"], "site_release", False, "release"),
        (["dump"], "leaving", False, "dump"),
        ([], "leaving", False, ""),
    ],
)
def test_stage_is_named_by_the_play(
    tags: list[str], action: str, in_role: bool, stage: str
) -> None:
    assert stage_of(tags, action, {}, in_role) == stage
