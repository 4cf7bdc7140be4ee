"""The name of a project, for those who need no more of project.yml than that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def project_name(project: Mapping[str, Any]) -> str:
    """The checked name of a project; ProjectError with what is wrong in project.yml."""
    # pydantic takes a third of a second: not before what runs meanwhile has begun.
    from espalier.project.schema import check

    return check(project).name
