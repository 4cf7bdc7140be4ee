"""Have Ansible look at the machines: playbooks/check.yml, and its tasks."""

from __future__ import annotations

from espalier.paths import PLAYBOOKS
from espalier.progress.collect import collect
from espalier.progress.playbook import Playbook
from espalier.progress.results import Results

CHECK = PLAYBOOKS / "check.yml"
# The tasks whose results are read, by their names in playbooks/tasks/ and check.yml.
REACH = "Reach the machine"
PROJECT = "Find the project and what it needs"
STATE = "Look at the machine"
SHARES = "Tell what the topology gives the machine"
WISHES = "Tell what the project asks for"
SECRETS = "Tell where the secrets are"


def run(playbook: Playbook, *, show: bool, may_ask: bool, share: bool = True) -> Results:
    """Run the playbook; the arguments are those of `collect`.

    `share`: tasks may use a connection that an earlier command has left open. Without it, every
    host key is looked at.
    """
    settings = {} if share else {"ANSIBLE_SSH_ARGS": "-o ControlPath=none"}
    return collect(playbook, show=show, may_ask=may_ask, settings=settings)
