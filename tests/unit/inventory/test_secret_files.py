"""Files with secrets beside an inventory: made once, by whoever needs one first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from espalier.inventory.secret_files import first_use
from espalier.inventory.site import SiteError


def test_secret_is_made_at_its_first_use(tmp_path: Path) -> None:
    folder, made = tmp_path / ".secrets", iter(["first", "second"])
    assert first_use(folder, "word", lambda: next(made)) == "first"
    assert first_use(folder, "word", lambda: next(made)) == "first"
    assert first_use(folder, "other", lambda: next(made)) == "second"
    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", "other", "word"]
    assert [path.stat().st_mode & 0o777 for path in (folder, folder / "word")] == [0o700, 0o600]
    assert (folder / "word").read_text() == "first\n"


def test_secret_that_is_there_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("grafting wax\nof two lines salt=abc\n")
    found = first_use(tmp_path, "word", lambda: pytest.fail("it was made"))
    assert found == "grafting wax\nof two lines"


def test_of_several_at_once_the_first_one_s_is_everybody_s(tmp_path: Path) -> None:
    def numbers() -> Iterator[str]:
        yield from map(str, range(100))

    found = numbers()
    with ThreadPool(8) as pool:
        given = pool.map(lambda _: first_use(tmp_path, "word", lambda: next(found)), range(16))
    assert set(given) == {(tmp_path / "word").read_text().strip()}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "word"]


def test_one_that_was_made_meanwhile_is_taken(tmp_path: Path) -> None:
    def late() -> str:
        (tmp_path / "word").write_text("somebody's\n")
        return "mine"

    assert first_use(tmp_path, "word", late) == "somebody's"


def test_maker_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        first_use(tmp_path, "word", lambda: str(1 // 0))
    assert [path.name for path in tmp_path.iterdir()] == [".gitignore"]


def test_secret_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "word").mkdir()
    with pytest.raises(SiteError) as refused:
        first_use(tmp_path, "word", lambda: "mine")
    assert str(refused.value) == (
        f"{tmp_path}/word cannot be read ({os.strerror(21)}): it has a secret of the site. Was it "
        "made as another user, such as root? Have it belong to you (chown)."
    )
    assert refused.value.status == 2
