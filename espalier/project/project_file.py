"""project.yml of an environment, for another use of the same project: the lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from espalier.inventory.environments import project_root
from espalier.project.errors import ProjectError


class _Loader(yaml.SafeLoader):
    """Reads what Ansible's tags (`!vault`, `!unsafe`) mark as text that is not for here."""


class _Secret(str):
    """A value that only the environment can decrypt."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: _Secret())


def for_the_lab(inventory: Path) -> tuple[dict[str, Any], str]:
    """What an environment's project.yml says of the project, without what is the environment's own.

    Domains are left out, as the lab is reached by its address, and so is what `environment` and
    `files` have with a template or a secret: the lab does not have what they stand for.

    Returns:
        The mapping `project`, its directory absolute; and the names of the variables left out.

    Raises:
        ProjectError: it cannot be read, has no project, or only the environment knows where the
            code is.
    """
    file = inventory / "group_vars" / "all" / "project.yml"
    try:
        found = yaml.load(file.read_text(), _Loader)["project"]
        project = {key: value for key, value in found.items() if key not in ("domains", "media_s3")}
        environment = project.get("environment") or {}
        kept = {key: value for key, value in environment.items() if not _is_own(value)}
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise ProjectError(f"{file} cannot be read, or has no `project:`: {error}") from error
    files = project.get("files") or {}
    kept_files = {
        path: {"from": str((inventory / Path(one["from"]).expanduser()).resolve())}
        if isinstance(one, dict) and "from" in one
        else one
        for path, one in files.items()
        if not _is_own(one)
    }
    for key, values in (("environment", kept), ("files", kept_files)):
        if values:
            project[key] = values
        else:
            project.pop(key, None)
    for key in ("directory", "git", "package", "version"):
        if _is_own(project.get(key, "")):
            raise ProjectError(
                f"{file}: `{key}` has a secret or a template in it, which the lab does not have. "
                "Say where the code is: `espalier up .`, or `espalier up URL`."
            )
    for key in ("directory", "git"):
        place = project_root(inventory) / Path(str(project.get(key, ""))).expanduser()
        if key in project and place.exists():  # not a URL
            project[key] = str(place.resolve())
    left_out = [f"environment.{key}" for key in environment if key not in kept]
    left_out += [f"files.{path}" for path in files if path not in kept_files]
    left_out += [key for key in ("media_s3",) if found.get(key)]
    return project, ", ".join(left_out)


def _is_own(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_is_own(one) for one in value.values())
    return isinstance(value, _Secret) or "{{" in str(value)
