"""How the copies of uploads are judged, from what `uploads-backup status` answers."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.restoring.uploads import judged, rows

SNAPSHOT = {
    "id": "a1b2c3d4",
    "time": "2026-11-30T12:03:00+00:00",
    "files": 1200,
    "bytes": 49_787_136,
}
SAVES, PRUNES = "espalier-uploads-backup.timer", "espalier-uploads-forget.timer"
WELL: dict[str, Any] = {
    "ok": True,
    "site": "shop",
    "repository": "s3:https://s3.example.com/shop-backups/shop/production/uploads",
    "uploads": "/var/lib/shop/media",
    "snapshot": SNAPSHOT,
    "age": 7200,
    "changed": False,
    "unsaved": 0,
    "timers": {SAVES: True, PRUNES: True},
    "error": "",
    "failing_since": None,
    "forgot": None,
}
# Of a site whose uploads are in an object store: there is nothing to copy.
S3 = {**WELL, "uploads": "s3", "repository": "", "snapshot": None, "age": None}
# A machine that only has the copies of another one.
REPOSITORY = {**S3, "uploads": "", "timers": {PRUNES: True}}
FIRST = {**WELL, "snapshot": None, "age": None, "changed": True, "unsaved": None}


SAMPLE = {
    "time": "2026-11-30T03:30:00+00:00",
    "age": 3600,
    "files": 20,
    "bytes": 3_000_000,
    "compared": 19,
    "error": "",
}
SAMPLED = {**WELL, "samples": True, "sample": SAMPLE}
NIGHT = {"time": "2026-11-30T03:30:00+00:00", "snapshots": 40, "bytes": 50_000_000, "error": ""}


def red(sentence: str) -> dict[str, str]:
    return {"colour": "red", "sentence": sentence}


@pytest.mark.parametrize(
    "answer",
    [
        *(WELL, S3, REPOSITORY, SAMPLED),
        # Nothing is copied of an object store, or by who keeps the copies of another machine.
        {**S3, "samples": False, "sample": None},
        {**REPOSITORY, "samples": False, "sample": None},
        {**SAMPLED, "sample": {**SAMPLE, "age": 26 * 3600}},
        {**WELL, "forgot": NIGHT},
        {**WELL, "changed": True, "unsaved": 600},
    ],
)
def test_all_is_well(answer: dict[str, Any]) -> None:
    assert judged(answer) == {**answer, "ok": True, "colour": "green", "findings": []}


def test_first_copy_is_no_error() -> None:
    finding = {"colour": "amber", "sentence": "the first copy of uploads is being made"}
    assert judged(FIRST) == {**FIRST, "colour": "amber", "findings": [finding]}


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        (
            {"changed": True, "unsaved": 601},
            ["uploads that have changed wait for their copy since 10 minutes"],
        ),
        # That they wait is what follows from the error: it is not told twice.
        (
            {"error": "The destination cannot be reached: no route", "unsaved": 7200},
            ["uploads are not copied: The destination cannot be reached: no route"],
        ),
        (
            {"timers": {SAVES: False, PRUNES: False}},
            [
                f"{SAVES} does not run: nothing is done by itself",
                f"{PRUNES} does not run: nothing is done by itself",
            ],
        ),
        (
            {"timers": {SAVES: False}, "unsaved": 86400 * 3},
            [
                f"{SAVES} does not run: nothing is done by itself",
                "uploads that have changed wait for their copy since 3 days",
            ],
        ),
    ],
)
def test_what_is_red(changes: dict[str, Any], sentences: list[str]) -> None:
    # Its own `ok` is no word on whether the machine has answered.
    answer = judged({**WELL, "ok": False, **changes})
    assert answer["ok"]
    assert (answer["colour"], answer["findings"]) == ("red", [red(one) for one in sentences])


DAMAGED = "The backups there are damaged."
NIGHT_FAILED = f"the last nightly removal and check of copies of uploads failed: {DAMAGED}"


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        # Copies are made all the same.
        ({"error": DAMAGED}, [NIGHT_FAILED]),
        (
            {"error": DAMAGED, "unsaved": 7200},
            [NIGHT_FAILED, "uploads that have changed wait for their copy since 2 hours"],
        ),
        (
            {"error": DAMAGED, "failing_since": "2026-11-30T12:00:00+00:00"},
            [f"uploads are not copied: {DAMAGED}", NIGHT_FAILED],
        ),
        ({"error": "No room."}, ["uploads are not copied: No room.", NIGHT_FAILED]),
    ],
)
def test_night_that_failed(changes: dict[str, Any], sentences: list[str]) -> None:
    night = {**NIGHT, "error": DAMAGED}
    answer = judged({**WELL, "ok": False, "forgot": night, **changes})
    assert answer["findings"] == [red(one) for one in sentences]


@pytest.mark.parametrize(
    ("changes", "colour", "sentence"),
    [
        (
            {"sample": None},
            "amber",
            "no upload is proven to come back yet: the first sample is tonight",
        ),
        (
            {"samples": False},
            "amber",
            "no upload is proven to come back: hosts.yml has `drill: false`",
        ),
        (
            {"sample": {**SAMPLE, "error": "Of 20 uploads no."}},
            "red",
            "the sample of uploads failed: Of 20 uploads no.",
        ),
        (
            {"sample": {**SAMPLE, "age": 26 * 3600 + 1}},
            "red",
            "the last sample of uploads was 26 hours ago",
        ),
    ],
)
def test_sample_of_uploads(changes: dict[str, Any], colour: str, sentence: str) -> None:
    answer = judged({**SAMPLED, **changes})
    finding = {"colour": colour, "sentence": sentence}
    assert (answer["colour"], answer["findings"]) == (colour, [finding])
    # What follows from another trouble is not told.
    first = judged({**SAMPLED, **changes, "snapshot": None, "age": None, "unsaved": None})
    assert [one["sentence"] for one in first["findings"]] == [
        "the first copy of uploads is being made"
    ]
    away = judged({**SAMPLED, **changes, "error": "No room."})
    assert away["findings"] == [red("uploads are not copied: No room.")]


def test_red_is_worse_than_amber() -> None:
    answer = judged({**FIRST, "ok": False, "timers": {SAVES: False}})
    assert answer["colour"] == "red"
    assert [one["colour"] for one in answer["findings"]] == ["red", "amber"]


def test_object_store_whose_versions_cannot_be_seen_is_red() -> None:
    answer = judged({**S3, "ok": False, "error": "The object store keeps no versions."})
    assert answer["findings"] == [
        red("uploads are not copied: The object store keeps no versions.")
    ]


def test_object_store_that_removes_old_versions_too_soon_is_amber() -> None:
    answer = judged({**S3, "warning": "The bucket photos removes old versions."})
    finding = {"colour": "amber", "sentence": "The bucket photos removes old versions."}
    assert (answer["colour"], answer["findings"]) == ("amber", [finding])


def test_machine_that_does_not_answer_is_red() -> None:
    silent = {"ok": False, "error": "no route"}
    assert judged(silent) == {**silent, "colour": "red", "findings": []}


@pytest.mark.usefixtures("utc")
def test_newest_copy_is_a_row() -> None:
    newest = ["uploads", "2026-11-30 12:03:00 UTC", "2 hours ago, 1200 files, 50 MB"]
    assert list(rows(WELL)) == list(rows({**WELL, "sample": None})) == [newest]
    assert list(rows(FIRST)) == []
    came = "20 files came back, 3 MB, 19 compared with the disk"
    assert list(rows(SAMPLED)) == [newest, ["sample", "2026-11-30 03:30:00 UTC", came]]
    failed = {**SAMPLED, "sample": {**SAMPLE, "error": "No."}}
    assert list(rows(failed)) == [newest]
    single = {**SAMPLED, "sample": {**SAMPLE, "files": 1, "compared": 1}}
    assert list(rows(single))[1][2] == "1 file came back, 3 MB, 1 compared with the disk"
