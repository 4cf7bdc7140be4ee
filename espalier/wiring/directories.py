"""Where a project is on its machines."""

from __future__ import annotations

from typing import TypedDict

from espalier_machine.common.forms import ARCHIVES, DATA


class Directories(TypedDict):
    """The directories of a project, and the socket that nginx connects to."""

    root: str
    archives: str
    releases: str
    virtual_environments: str
    build: str
    static: str
    media: str
    data: str
    socket: str
    settings: str


def project_directories(project: str) -> Directories:
    """Return where a project is on every machine that runs it, by its name."""
    root = f"/srv/{project}"
    return {
        "root": root,
        "archives": f"{root}/{ARCHIVES}",
        "releases": f"{root}/releases",
        "virtual_environments": f"{root}/venvs",
        "build": f"{root}/build",
        "static": f"{root}/static",
        "media": f"{root}/media",
        "data": f"{root}/{DATA}",
        "socket": f"{root}/web.sock",
        "settings": f"/etc/espalier/{project}",
    }
