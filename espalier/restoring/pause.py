"""What works with the copies of uploads stands still while a restore does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier_machine.common.forms import UPLOADS_PAUSED

# A copy that is cut off goes on with the next one; a removal that is cut off loses nothing.
# Of timers that stand still somebody is told, but not while that mark is there.
STOP = """
mkdir -p "${1%/*}" && touch "$1"
systemctl stop 'espalier-uploads-*' 2>/dev/null
true
"""
# Where a run has ended well, they run already.
START = """
rm -f "$1"
cd /etc/systemd/system/timers.target.wants
for timer in espalier-uploads-*.timer; do [ ! -e "$timer" ] || systemctl start "$timer"; done
"""


@contextmanager
def paused(remote: Remote, site: Site, warn: Callable[[str], None]) -> Iterator[None]:
    """Have no copy of uploads be made, removed or checked.

    A first copy, or a night's removal, may work for hours: the restore would wait for it with the
    site closed, after the database was replaced.

    Args:
        remote: how the machines are reached.
        site: whose copies.
        warn: takes a sentence about each machine where they could not be started again.

    Raises:
        SiteError: a machine does not answer.
    """
    machines = [*site.machines("restic"), *site.machines("restic_repository")]
    try:
        for machine in machines:
            status, _, errors = remote.run(machine, ["sh", "-c", STOP, "sh", UPLOADS_PAUSED])
            if status:
                raise SiteError(
                    f"{machine}: copies of uploads cannot be stopped: {explain(errors)}. The "
                    "database is left as it is.",
                    1,
                    errors,
                )
        yield
    finally:
        for machine in machines:
            status, _, errors = remote.run(machine, ["sh", "-c", START, "sh", UPLOADS_PAUSED])
            if status:
                warn(
                    f"{machine}: copies of uploads may stand still ({explain(errors)}): `espalier "
                    "site` starts them."
                )
