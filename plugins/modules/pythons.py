#!/usr/bin/python
"""Tell which of some Pythons a machine has, or could have."""

from __future__ import annotations

DOCUMENTATION = """
module: pythons
short_description: Tell which of some Pythons a machine has, or could have
description:
  - Looks for interpreters, and asks whether what uv would download can be reached from the machine.
    Downloads and changes nothing.
author: Espalier
options:
  versions:
    description: Versions (X.Y), best first. It looks no further than the first that can be had.
    type: list
    elements: str
    required: true
  own:
    description: The one that the machine's Debian has.
    type: str
    required: true
  directory:
    description: Where uv keeps those that it has brought.
    type: str
    required: true
  downloads:
    description: By architecture and version, the URLs at any of which uv would find it.
    type: dict
    default: {}
"""

EXAMPLES = """
- name: Look for the Python of the project
  pythons:
    versions: ["3.12", "3.13"]
    own: "3.13"
    directory: /srv/shop/pythons
"""

RETURN = """
found:
  description: The first version that is there or can be brought, or C("").
  type: str
  returned: always
reached:
  description: The URL where it can be downloaded, C("") where it is there already.
  type: str
  returned: always
errors:
  description: For each URL that was asked in vain, why.
  type: dict
  returned: always
here:
  description: The versions of Python 3 that are there, with C(own), oldest first.
  type: list
  elements: str
  returned: always
"""

import glob
import os
import platform
import re
import urllib.error
import urllib.parse
import urllib.request

from ansible.module_utils.basic import AnsibleModule

TIMEOUT = 10  # seconds
PLACES = ("/usr/local/bin", "/usr/bin", "/bin")


def versions_here(own: str, places: tuple[str, ...], directory: str) -> list[str]:
    """Give the versions that are in some directories, and those that uv has brought."""
    paths = [path for place in places for path in glob.glob(f"{place}/python3.*")]
    paths += glob.glob(f"{directory}/cpython-*/bin/python3.*")
    names = [os.path.basename(path) for path in paths if os.access(path, os.X_OK)]
    found = {name[len("python") :] for name in names if re.fullmatch(r"python3\.\d+", name)}
    return sorted(found | {own}, key=lambda version: int(version.split(".")[1]))


def asked(url: str) -> str:
    """Ask whether a file can be had, without fetching it; gives "" or why not."""
    if url.startswith("file://"):
        path = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
        return "" if os.path.exists(path) else "there is no such file on the machine"
    try:
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            return ""
    except (OSError, ValueError) as error:  # HTTPError and URLError are OSErrors
        return str(getattr(error, "reason", error))


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        {
            "versions": {"type": "list", "elements": "str", "required": True},
            "own": {"type": "str", "required": True},
            "directory": {"type": "str", "required": True},
            "downloads": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    here = versions_here(params["own"], PLACES, params["directory"])
    urls = params["downloads"].get(platform.machine(), {})
    errors: dict[str, str] = {}
    for version in params["versions"]:
        if version in here:
            module.exit_json(found=version, reached="", errors=errors, here=here)
        for url in urls.get(version, []):
            if not (error := asked(url)):
                module.exit_json(found=version, reached=url, errors=errors, here=here)
            errors[url] = error
    module.exit_json(found="", reached="", errors=errors, here=here)


if __name__ == "__main__":
    main()
