"""The machines that a release touches, for pyinfra, from Ansible's inventory and topology.

ENV=production pyinfra deploys/inventory.py deploys/release.py
INVENTORY=molecule/release/inventory pyinfra deploys/inventory.py exec -- release status
"""

from deploys.shared import remote
from espalier.inventory.remote import connection_data

_remote = remote()
site = [
    (machine, connection_data(_remote.site.variables, machine, _remote.config))
    for machine in _remote.site.release_machines
]
