"""``python -m espalier.load -i inventories/lab``; says what to install where aiohttp is missing."""

from __future__ import annotations

import sys

try:
    from espalier.load.command import main
except ModuleNotFoundError as error:
    if error.name != "aiohttp":
        raise
    sys.exit(
        "load: aiohttp is not installed here: install it with the other tools of development, "
        "`pip install -e '.[dev]'` in a clone, `pip install 'django-espalier[dev]'` elsewhere."
    )

if __name__ == "__main__":
    main(prog_name="python -m espalier.load")
