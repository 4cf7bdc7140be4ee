"""`espalier remove`: what it says before and after, and whether it may. No machine is touched."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from espalier.cli import remove
from espalier.cli.command import Environment
from espalier.cli.main import main
from espalier.cli.options import NONE_GIVEN
from espalier.progress.playbook import Playbook
from espalier.progress.results import Result, Results

FOUND = {
    "db1": {
        "databases": [
            {"name": "old", "bytes": 7_000_000, "closed": True},
            {"name": "shop", "bytes": 8_000_000, "closed": False},
        ],
        "is_stopped": False,
        "kept": [{"what": "uploads", "path": "/srv/shop/media", "size": "1 file, 4.1 kB"}],
    },
    "db2": {"databases": [], "is_stopped": True, "kept": []},
}


def test_it_says_what_goes_and_what_stays() -> None:
    lines = list(remove.announcement("shop", FOUND))
    assert lines[0] == "The kit would leave db1, db2, with the site shop:"
    assert lines[-4:] == [
        "    db1  old              database, 7.0 MB: its data kept, no dump: it is closed",
        "    db1  shop             database, 8.0 MB: dumped and kept",
        "    db2  PostgreSQL       stands still: it is started, and dumped and kept",
        "    db1  /srv/shop/media  uploads: 1 file, 4.1 kB",
    ]
    environment = Environment(Path("/x"), NONE_GIVEN | {"environment": "production"})
    lines = list(remove.farewell(environment, "shop", FOUND))
    assert "    db1  /srv/shop/media  uploads: 1 file, 4.1 kB" in lines
    assert "`espalier site -e production`" in lines[-1]


@pytest.mark.parametrize(
    ("words", "typed", "sentence"),
    [
        (["--yes", "till"], "", "--yes says till, and the site is shop. Nothing was changed."),
        ([], "", "There is no terminal to ask at: add --yes shop. Nothing was changed."),
        ([], "till\n", "That is not the site's name. Nothing was changed."),
    ],
)
def test_the_site_s_name_is_the_word(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], typed: str, sentence: str
) -> None:
    monkeypatch.setattr(Environment, "read", lambda self: SimpleNamespace(name="shop"))
    monkeypatch.setattr(remove, "collect", lambda playbook: Results())
    monkeypatch.setattr(remove, "watch", lambda *given, **more: pytest.fail("it went on"))
    monkeypatch.setattr(remove, "is_terminal", lambda: bool(typed))
    done = CliRunner().invoke(main, ["remove", "-i", str(tmp_path), *words], input=typed)
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (2, f"remove: {sentence}")


def test_removal_goes_on_with_the_name_and_says_what_to_type_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = {
        "databases": [],
        "is_stopped": False,
        "kept": [{"what": "uploads", "path": "/m", "size": "1 file"}],
    }
    looked: list[Playbook] = []

    def collect(playbook: Playbook) -> Results:
        looked.append(playbook)
        return Results((Result(remove.SURVEY, "vps1", kept),))

    run: list[Playbook] = []
    monkeypatch.setattr(Environment, "read", lambda self: SimpleNamespace(name="shop"))
    monkeypatch.setattr(remove, "collect", collect)
    monkeypatch.setattr(remove, "watch", lambda playbook, **how: run.append(playbook) or 0)
    done = CliRunner().invoke(main, ["remove", "-i", str(tmp_path), "--yes", "shop"])
    assert done.exit_code == 0, done.output
    assert run[0].again == f"espalier remove --yes shop -i {tmp_path}"
    assert [one.arguments[-1] for one in looked] == ["survey", "survey"]
    assert "--tags" not in run[0].arguments
    assert done.stdout.count("    vps1  /m  uploads: 1 file") == 2
