"""What is sent to the primary's machine."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from espalier.arriving.primary import Primary
from espalier.inventory.site import SiteError


def test_dump_that_cannot_be_read_to_its_end_is_not_taken_for_whole() -> None:
    def cut_off() -> Iterator[bytes]:
        yield b"the beginning"
        raise EOFError("Compressed file ended before the end-of-stream marker was reached")

    remote = SimpleNamespace(
        site=SimpleNamespace(variables={"db1": {}}),
        command=lambda machine, options: ["sh", "-c"],
        environment={},
    )
    with pytest.raises(SiteError, match="sent to db1 cannot be read: Compressed file ended"):
        Primary(remote, "db1").send(["cat"], cut_off())  # type: ignore[arg-type]
