"""Go back to the release before, or to the one that RELEASE names, on every machine.

ENV=production pyinfra -y deploys/inventory.py deploys/rollback.py
"""

import os

from pyinfra import config
from pyinfra.operations import python

from deploys.shared import perform
from espalier.rollout.request import Request

config.FAIL_PERCENT = 0
python.call(
    name="Roll the site back",
    function=perform,
    request=Request(rollback_to=os.environ.get("RELEASE", "")),
    _run_once=True,
)
