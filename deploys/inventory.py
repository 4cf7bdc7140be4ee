"""The machines that a release touches, for pyinfra, from Ansible's inventory and topology.

ENV=production pyinfra deploys/inventory.py deploys/release.py
INVENTORY=molecule/release/inventory pyinfra deploys/inventory.py exec -- release status
"""

from deploys.described import inventory_path, read

_site = read(inventory_path())
site = [(machine, _site.connection(machine)) for machine in _site.hosts]
