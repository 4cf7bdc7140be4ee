"""Data of a moment is fetched from the machines that have its backups."""

from __future__ import annotations

import json
import os
import shlex
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.arriving.primary import Primary
from espalier.cloning import source, uploads
from espalier.inventory.site import SiteError
from espalier.rollout.display import Display
from tests.unit.cli.clones import ANSWER


def remote(monkeypatch: pytest.MonkeyPatch, *answer: Any) -> tuple[Any, list[Any]]:
    """Give a way to a machine that answers a command with that, and what it was asked."""
    asked: list[Any] = []

    def send(self: Any, words: Any, content: Any, beats: bool = False) -> Any:
        asked.append((self.machine, words, list(content), beats))
        return answer

    monkeypatch.setattr(Primary, "send", send)
    return SimpleNamespace(), asked


def test_export_is_asked_of_postgresql_s_user_and_ends_with_us(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    way, asked = remote(monkeypatch, 0, json.dumps(ANSWER), "")
    assert source.export(way, "db2", {"latest": True}) == ANSWER
    program = ("/usr/local/sbin/database-backup", "export", "--json")
    words = ["runuser", "-u", "postgres", "--", *program]
    assert asked == [("db2", words, [b'{"latest": true}\n'], True)]


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            (1, '{"ok": false, "error": "No backup leads there.", "detail": ""}', ""),
            "db2: No backup leads there. Nothing was changed.",
        ),
        ((127, "", "runuser: failed to execute"), "db2 has no database-backup, or one of an"),
        ((2, "", "argument action: invalid choice: 'export'"), "run `espalier site` there first."),
        ((255, "", "ssh: connect: no route"), "db2: ssh: connect: no route"),
    ],
)
def test_export_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, answer: Any, sentence: str
) -> None:
    way, _ = remote(monkeypatch, *answer)
    with pytest.raises(SiteError) as failed:
        source.export(way, "db2", {})
    assert sentence in str(failed.value)


def shell(script: str) -> Any:
    """Give a way to a machine whose every command is a script; what stands for ssh is killed."""
    return SimpleNamespace(
        site=SimpleNamespace(variables={"web1": {}}),
        command=lambda name, options: ["sh", "-c", f"sh -c {shlex.quote(script)}; exit $?"],
        environment=os.environ,
    )


def offered(way: Any, notes: list[str]) -> Any:
    return uploads.offered(way, "web1", 1795874580.25, Display(None), notes)


def test_uploads_are_passed_on_to_their_end() -> None:
    notes: list[str] = []
    line = '{"files": 2, "bytes": 10, "skipped": 1, "unsaved": "The destination is full."}'
    with offered(shell(f"echo '{line}'; printf 'a\\nb'"), notes) as media:
        assert (media.files, media.size, media.skipped) == (2, 10, 1)
        assert b"".join(media.read()) == b"a\nb"
    assert notes == ["web1: uploads that had just come may not be there: The destination is full."]


def test_uploads_are_read_as_long_as_signs_of_life_come(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("espalier.arriving.job.HEARTBEAT", 0.1)
    line = '{"files": 0, "bytes": 0, "skipped": 0, "unsaved": null}'
    script = f"read -r beat && read -r beat && echo '{line}'; cat > /dev/null; touch {tmp_path}/end"
    with offered(shell(script), []) as media:
        assert media.files == 0
        assert not (tmp_path / "end").exists()
    deadline = time.monotonic() + 10
    while not (tmp_path / "end").exists():
        assert time.monotonic() < deadline, "the machine still has an input"
        time.sleep(0.05)


def test_uploads_that_break_off_are_no_whole_ones() -> None:
    line = '{"files": 2, "bytes": 10, "skipped": 0, "unsaved": null}'
    way = shell(f"echo '{line}'; echo tar; echo 'a.jpg was written while it was read.' >&2; exit 1")
    with (
        pytest.raises(SiteError, match=r"^web1: a\.jpg was written while it was read$"),
        offered(way, []) as media,
    ):
        list(media.read())


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "echo 'The disk is full. Nothing was changed.' >&2; exit 1",
            "web1: The disk is full. Nothing was changed. --no-uploads leaves uploads out.",
        ),
        (
            "echo \"argument COMMAND: invalid choice: 'export'\" >&2; exit 2",
            "web1 has no uploads-backup, or one of an earlier version: run `espalier site` there "
            "first. Nothing was changed. --no-uploads leaves uploads out.",
        ),
    ],
)
def test_uploads_that_cannot_be_read_end_the_clone(script: str, sentence: str) -> None:
    with pytest.raises(SiteError) as failed, offered(shell(script), []):
        pass
    assert str(failed.value) == sentence


def machine(tmp_path: Path, prints: bytes, status: int = 0) -> Any:
    """Give a way to a machine whose every command prints something."""
    (tmp_path / "out").write_bytes(prints)
    script = f"cat {tmp_path}/out; echo gone away >&2; exit {status}; :"
    return SimpleNamespace(
        site=SimpleNamespace(variables={"db2": {}}),
        command=lambda name: ["sh", "-c", script],
        environment=os.environ,
    )


def test_dump_is_fetched_into_a_file_that_nobody_else_reads(tmp_path: Path) -> None:
    into = tmp_path / "clone.dump"
    answer = {**ANSWER, "bytes": 3}
    source.fetch(machine(tmp_path, b"\x00\xff\n"), "db2", answer, into)
    assert into.read_bytes() == b"\x00\xff\n"
    assert into.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("prints", "status"), [(b"ab", 0), (b"abc", 255)])
def test_dump_that_is_cut_off_is_refused(tmp_path: Path, prints: bytes, status: int) -> None:
    answer = {**ANSWER, "bytes": 3}
    with pytest.raises(SiteError, match="did not arrive whole: gone away"):
        source.fetch(machine(tmp_path, prints, status), "db2", answer, tmp_path / "clone.dump")


def test_dump_for_which_there_is_no_room_is_not_fetched(tmp_path: Path) -> None:
    answer = {**ANSWER, "bytes": 10**18}
    with pytest.raises(SiteError, match="name another directory in TMPDIR"):
        source.fetch(machine(tmp_path, b""), "db2", answer, tmp_path / "clone.dump")
    assert not (tmp_path / "clone.dump").exists()


def test_dump_that_stays_on_its_machine_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(source, "export", lambda *given: dict(ANSWER))
    monkeypatch.setattr(source, "fetch", lambda *given: None)
    lost = SimpleNamespace(run=lambda machine, words: (255, "", "no route"))
    notes: list[str] = []
    source.bring(lost, "db2", {}, tmp_path / "x", Display(None), notes)  # type: ignore[arg-type]
    assert notes == [
        "db2 still has the dump, /var/lib/espalier/database-backup/export-x.dump: the second "
        "nightly backup from now removes it"
    ]
