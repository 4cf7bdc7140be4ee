"""Where the kit's files are: playbooks, roles, templates, plugins, overlay, programs for machines.

In a clone they lie beside the package, in an installed wheel inside of it.
"""

from __future__ import annotations

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_IN_WHEEL = _PACKAGE / "_kit"

IS_CLONE = not _IN_WHEEL.is_dir()
KIT = _PACKAGE.parent if IS_CLONE else _IN_WHEEL
ANSIBLE_CONFIG = KIT / "ansible.cfg"
SITE_PLAYBOOK = KIT / "site.yml"
PLAYBOOKS = KIT / "playbooks"
ROLES = KIT / "roles"
DEPLOYS = KIT / "deploys"
OVERLAY = KIT / "overlay"
VAULT_PASSWORD = KIT / "plugins" / "vault-password"  # a program: that of the environment
SITE_TESTS = KIT / "tests" / "infra"
DOCS = KIT / "docs"  # messages name a page by its path, as there is no clone beside a wheel
INVENTORIES = KIT / "inventories"
# The directory of the package espalier_machine, which is a package beside this one in a wheel.
MACHINE = KIT / "machine" if IS_CLONE else _PACKAGE.parent
# What the kit keeps of its own on the control machine, and nobody else reads: logs, the lab.
STATE = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "espalier"
# The inventory of the local machine of `espalier up`, which writes into it.
LAB = INVENTORIES / "lab" if IS_CLONE else STATE / "lab"
