"""The commands of a person at a terminal: python -m deploys COMMAND -i inventories/production."""

# First of all: pyinfra waits for many machines in one thread.
from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

from deploys.cli import main  # noqa: E402

sys.exit(main())
