"""The name of a project, for those who need no more of project.yml than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.inventory.site import SiteError


def project_name(project: Mapping[str, Any]) -> str:
    """The checked name of a project; SiteError with what is wrong in project.yml."""
    # pydantic takes a third of a second: not before what runs meanwhile has begun.
    from espalier.project.errors import ProjectError
    from espalier.project.schema import check

    try:
        return check(project).name
    except ProjectError as error:
        raise SiteError(str(error), 2) from error
