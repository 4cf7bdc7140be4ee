"""Release what the inventory declares, or VERSION, on every machine that runs Django.

    ENV=production pyinfra -y deploys/inventory.py deploys/release.py

`make release` does the same, says it shorter, and can say it as JSON.
"""

import os

from pyinfra import config

from deploys.described import inventory_path
from deploys.rollout import BATCHES, Options, deploy

config.FAIL_PERCENT = 0  # a machine that cannot be reached stops a release before it begins
sizes = os.environ.get("BATCHES", ",".join(BATCHES)).split(",")
deploy(inventory_path(), Options(version=os.environ.get("VERSION", ""), batches=tuple(sizes)))
