"""Names and forms that both sides have to agree on."""

from __future__ import annotations

import re

from espalier_machine.common.forms import archive_identity, archive_name, new_release_id
from espalier_machine.release.record import valid_id


def test_id_of_a_release_sorts_by_time_and_ends_with_its_content() -> None:
    id = new_release_id("0123456789abcdef")
    assert re.fullmatch(r"\d{8}-\d{6}-012345", id)
    assert valid_id(id)


def test_archive_names_its_content() -> None:
    assert archive_name("shop", "0123456789abcdef") == "shop-0123456789abcdef.tar.gz"
    assert archive_identity("shop-0123456789abcdef.tar.gz") == "0123456789abcdef"
    assert archive_identity("notes.txt") == archive_identity("shop-0123.tar") == ""
