"""Which uploads are compared with the disk each night, and what is read there."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from espalier_machine.uploads_backup import sample, tree

from .uploads import FOLDER, file


def test_a_sample_has_its_bounds() -> None:
    a, c, d, e = ((name, file(1, size)) for name, size in zip("acde", (60, 50, 40, 1), strict=True))
    assert sample.pick([a, c, d, e], 3, 100) == [a, d]
    assert sample.pick([a, c, d, e], 2, 1000) == [a, c]


def test_each_upload_is_as_likely_to_be_drawn_and_no_directory_is() -> None:
    uploads = [("folder", FOLDER), *((str(number), file(1)) for number in range(10))]
    drawn = [path for _ in range(2000) for path, _ in sample.draw(uploads, 3)]
    assert len(drawn) == 6000
    assert all(450 < drawn.count(str(number)) < 750 for number in range(10))
    assert sorted(sample.draw(uploads, 100)) == sorted(uploads[1:])
    assert sample.draw([], 3) == []


def test_nobody_has_the_sample_wait_or_read_something_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    entry = tree.of_stat((tmp_path / "a").stat())
    assert entry
    assert sample.digest(tmp_path / "a", entry) == hashlib.sha256(b"a").hexdigest()
    assert sample.digest(tmp_path / "a", entry._replace(size=2)) == ""
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "gone", "a/below", "."):
        assert sample.digest(tmp_path / name, entry) == ""
    with pytest.raises(OSError, match="too long"):
        sample.digest(tmp_path / ("n" * 300), entry)
