"""The machines that a release touches, for pyinfra, from Ansible's inventory and topology.

ENV=production pyinfra deploys/inventory.py deploys/release.py
INVENTORY=molecule/release/inventory pyinfra deploys/inventory.py exec -- release status
"""

import atexit
from contextlib import ExitStack

from deploys.described import inventory_path
from espalier.cli.options import project_name
from espalier.inventory.read import read
from espalier.inventory.remote import connection_data
from espalier.inventory.ssh_config import config_file

_site = read(inventory_path(), name_of=project_name)
_files = ExitStack()
atexit.register(_files.close)
_config = _files.enter_context(config_file(_site.variables))
site = [
    (machine, connection_data(_site.variables, machine, _config))
    for machine in _site.release_machines
]
