"""Which inventory a command is for, by directory and by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier.inventory.environments import environments, project_root, select
from espalier.inventory.site import SiteError
from espalier.paths import KIT


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with two environments, a directory that is none, and a lab beside it."""
    for name in ("shop/deploy/production", "shop/deploy/staging", "lab"):
        inventory(tmp_path / name)
    (tmp_path / "shop/deploy/docker").mkdir()
    (tmp_path / "shop/app/views").mkdir(parents=True)
    return tmp_path / "shop"


def inventory(directory: Path) -> Path:
    """Make a directory an inventory of the kit."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "topology.yml").write_text("plugin: topology\n")
    return directory


def test_environments_are_found_from_any_directory_of_the_project(shop: Path) -> None:
    expected = {name: shop / "deploy" / name for name in ("production", "staging")}
    for place in (shop, shop / "app/views", shop / "deploy/production"):
        assert environments(place) == expected


def test_nearest_project_counts(shop: Path) -> None:
    other = inventory(shop / "plugins/blog/deploy/blog")
    assert environments(shop / "plugins/blog/app") == {"blog": other}


def test_kit_s_own_inventories_are_environments_of_its_clone_but_for_example_and_lab(
    tmp_path: Path,
) -> None:
    for name in ("example", "lab", "production"):
        inventory(tmp_path / "inventories" / name)
    assert list(environments(tmp_path)) == ["production"]
    both = inventory(tmp_path / "deploy" / "production")
    assert environments(tmp_path) == {"production": both}


def test_only_environment_is_meant_where_none_is_named(shop: Path) -> None:
    only = inventory(shop / "plugins/blog/deploy/blog")
    assert select("", shop / "plugins/blog") == only
    assert select("blog", shop / "plugins/blog") == only


def test_one_of_several_is_asked_for_or_named(shop: Path) -> None:
    lab = shop.parent / "lab"
    assert select("staging", shop, lab=lab) == shop / "deploy/staging"
    assert select("", shop, lambda names: names[1], lab=lab) == shop / "deploy/staging"
    with pytest.raises(SiteError, match=r"production, staging. Say which: -e production\.$"):
        select("", shop, lab=lab)


def test_lab_is_named_or_implied_only_where_there_is_nothing_else(shop: Path) -> None:
    lab = shop.parent / "lab"
    assert select("lab", shop, lab=lab) == lab
    assert select("", shop.parent, lab=lab) == lab
    with pytest.raises(SiteError, match=r"There is no lab yet: `espalier up`"):
        select("lab", shop, lab=shop.parent / "none")
    with pytest.raises(SiteError, match=r"`espalier init` makes one"):
        select("", shop.parent, lab=shop.parent / "none")


def test_unknown_environment_is_refused_with_those_that_there_are(shop: Path) -> None:
    with pytest.raises(SiteError, match=r"no environment prod here; there are: production, st"):
        select("prod", shop)
    with pytest.raises(SiteError, match=r"there are: lab\.$"):
        select("prod", shop.parent)


def test_paths_of_a_project_are_relative_to_what_has_its_environments(tmp_path: Path) -> None:
    assert project_root(tmp_path / "shop/deploy/production") == tmp_path / "shop"
    assert project_root(tmp_path / "kit/inventories/production") == tmp_path / "kit"
    assert project_root(tmp_path / "somewhere") == tmp_path / "somewhere"
    assert project_root(KIT / "molecule/default/inventory") == KIT
