"""Go back to the release before, or to the one that RELEASE names, on every machine.

ENV=production pyinfra -y deploys/inventory.py deploys/rollback.py
"""

import os

from pyinfra import config

from deploys.described import inventory_path
from deploys.rollout import Options, deploy

config.FAIL_PERCENT = 0
deploy(inventory_path(), Options(back_to=os.environ.get("RELEASE", "")))
