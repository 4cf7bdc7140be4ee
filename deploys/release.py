"""Release what the inventory declares, or VERSION, on every machine that runs Django.

    ENV=production pyinfra -y deploys/inventory.py deploys/release.py

`espalier release` does the same, says it shorter, and can say it as JSON.
"""

import os

from pyinfra import config
from pyinfra.operations import python

from deploys.shared import perform
from espalier.rollout.batches import BATCHES
from espalier.rollout.request import Request

config.FAIL_PERCENT = 0  # a machine that cannot be reached stops a release before it begins
sizes = os.environ.get("BATCHES", ",".join(BATCHES)).split(",")
python.call(
    name="Release the site",
    function=perform,
    request=Request(version=os.environ.get("VERSION", ""), batches=tuple(sizes)),
    _run_once=True,
)
