"""`espalier remove`: what it says before and after, and whether it may. No machine is touched."""

from __future__ import annotations

import io

import pytest

from espalier.cli import remove
from espalier.inventory.site import SiteError

FOUND = {
    "db1": {
        "databases": [{"name": "shop", "bytes": 8_000_000}],
        "kept": [{"what": "uploads", "path": "/srv/shop/media", "size": "1 file, 4.1 kB"}],
    },
    "app1": {"databases": [], "kept": []},
}


def test_it_says_what_goes_and_what_stays() -> None:
    lines = list(remove.announcement("shop", FOUND))
    assert lines[0] == "The kit would leave db1, app1, with the site shop:"
    assert lines[-2:] == [
        "    db1  shop             database, 8.0 MB: dumped and kept",
        "    db1  /srv/shop/media  uploads: 1 file, 4.1 kB",
    ]
    assert "    db1  /srv/shop/media  uploads: 1 file, 4.1 kB" in remove.farewell("shop", FOUND)


def test_the_site_s_name_is_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    remove._confirm("shop", "shop")
    with pytest.raises(SiteError, match="--yes says till, and the site is shop"):
        remove._confirm("shop", "till")
    monkeypatch.setattr("sys.stdin", io.StringIO("shop\n"))
    with pytest.raises(SiteError, match="add --yes shop"):
        remove._confirm("shop", "")
