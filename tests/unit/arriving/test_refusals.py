"""What is refused before anything of the site is touched."""

from __future__ import annotations

import pytest

from espalier.arriving import compare, refusals
from espalier.inventory.site import SiteError


@pytest.mark.parametrize(
    ("server", "tool", "ours"),
    [
        ("15.3", "15.3", "15.14"),
        ("9.6.24", "17.2", "17.6"),
        ("", "", "15.14"),
        ("17.9", "", "17.6"),
    ],
)
def test_data_of_our_version_or_an_older_one_is_taken(server: str, tool: str, ours: str) -> None:
    refusals.check_version(server, tool, ours, "db1")


@pytest.mark.parametrize(
    ("server", "tool", "sentence"),
    [
        ("17.2", "17.2", "is of PostgreSQL 17.2, and db1 runs PostgreSQL 15.14"),
        ("18beta1", "", "is of PostgreSQL 18beta1"),
        ("15.3", "17.2", "was written by pg_dump 17.2, of PostgreSQL 15.3"),
    ],
)
def test_data_of_a_newer_version_is_refused_with_the_versions(
    server: str, tool: str, sentence: str
) -> None:
    with pytest.raises(SiteError, match=sentence) as refused:
        refusals.check_version(server, tool, "15.14", "db1")
    assert refused.value.status == 2


def test_missing_extensions_are_named_with_their_packages() -> None:
    refusals.check_extensions(["citext"], ["citext", "hstore"], "17.6", "db1")
    with pytest.raises(SiteError) as refused:
        refusals.check_extensions(["vector", "postgis", "hll", "citext"], ["citext"], "17.6", "db1")
    assert "db1 does not have: hll, postgis, vector." in str(refused.value)
    packages = "postgresql-17-hll postgresql-17-postgis-3 postgresql-17-pgvector"
    assert f"apt install {packages}`" in str(refused.value)
    assert refused.value.status == 2
    with pytest.raises(SiteError, match=r"apt install 'postgresql-17-a; reboot'`"):
        refusals.check_extensions(["a; reboot"], [], "17.6", "db1")


def test_site_with_data_is_refused_unless_it_may_make_room() -> None:
    new = {"public.django_migrations": 20, "public.auth_permission": 40, "public.shop_order": 0}
    refusals.check_new(new, 0, replace=False)
    with pytest.raises(SiteError, match=r"shop_order \(3\).*--replace") as refused:
        refusals.check_new(new | {"public.shop_order": 3}, 0, replace=False)
    assert refused.value.status == 2
    with pytest.raises(SiteError, match="2 uploads") as refused:
        refusals.check_new(new, 2, replace=False)
    assert refused.value.status == 2
    refusals.check_new(new | {"public.shop_order": 3}, 2, replace=True)


def test_full_disk_is_refused() -> None:
    refusals.check_room(100, 100, "db1")
    with pytest.raises(
        SiteError, match=r"db1 has 1 MiB of free disk, .* need about 2 MiB"
    ) as refused:
        refusals.check_room(2 * 2**20, 2**20, "db1")
    assert refused.value.status == 2


def test_tables_are_compared_and_shown() -> None:
    before = {"public.a": 2, "public.b": 0, "other.c": 5}
    assert compare.differing(before, {"public.a": 2, "other.c": 5}) == []
    after = {"public.a": 1, "other.c": 5, "public.d": 1}
    assert compare.differing(before, after) == ["public.a", "public.d"]
    assert compare.table(before, after).splitlines() == [
        "TABLE    ROWS BEFORE  AFTER",
        "other.c  5            5",
        "a        2            1      differs",
        "b        0            0",
        "d        0            1      differs",
        "all      7            7",
    ]
