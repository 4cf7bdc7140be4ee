"""What the lab takes from an environment's project.yml."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier.project.errors import ProjectError
from espalier.project.project_file import for_the_lab


def environment(root: Path, text: str) -> Path:
    """Make an environment of a project with this project.yml."""
    inventory = root / "deploy" / "production"
    file = inventory / "group_vars" / "all" / "project.yml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return inventory


def test_project_is_taken_without_what_only_its_environment_has(tmp_path: Path) -> None:
    inventory = environment(
        tmp_path,
        """
project:
  directory: .
  name: shop
  domains: [shop.example.com]
  media_s3: {bucket: shop}
  processes: {worker: celery -A shop worker}
  environment:
    EMAIL_HOST: smtp.example.com
    EMAIL_PASSWORD: "{{ vault_email_password }}"
    API_TOKEN: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      3132
""",
    )
    project, left_out = for_the_lab(inventory)
    assert project == {
        "directory": str(tmp_path),
        "name": "shop",
        "processes": {"worker": "celery -A shop worker"},
        "environment": {"EMAIL_HOST": "smtp.example.com"},
    }
    assert left_out == "environment.EMAIL_PASSWORD, environment.API_TOKEN, media_s3"


def test_place_of_a_repository_is_kept_and_a_url_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shop.git").mkdir()
    here = environment(tmp_path, "project: {git: shop.git}\n")
    assert for_the_lab(here) == ({"git": str(tmp_path / "shop.git")}, "")
    there = environment(tmp_path / "other", "project: {git: 'https://git.example.com/a.git'}\n")
    assert for_the_lab(there) == ({"git": "https://git.example.com/a.git"}, "")


@pytest.mark.parametrize("text", ["", "project:\n", "project: [a]\n", "project: {a: b\n", "{}"])
def test_file_without_a_project_is_refused_by_its_name(tmp_path: Path, text: str) -> None:
    inventory = environment(tmp_path, text)
    with pytest.raises(ProjectError, match=r"project\.yml cannot be read, or has no `project:`"):
        for_the_lab(inventory)
    with pytest.raises(ProjectError, match=r"project\.yml cannot be read"):
        for_the_lab(tmp_path)


@pytest.mark.parametrize(
    "git",
    ["!vault |\n    $ANSIBLE_VAULT;1.1;AES256\n    30", "https://x:{{ vault_token }}@h/a.git"],
)
def test_place_that_only_the_environment_knows_is_refused(tmp_path: Path, git: str) -> None:
    inventory = environment(tmp_path, f"project:\n  git: {git}\n")
    with pytest.raises(ProjectError, match="`git` has a secret or a template in it"):
        for_the_lab(inventory)
