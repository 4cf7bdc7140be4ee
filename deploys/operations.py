"""Single steps of a machine as pyinfra operations, for deploys of your own.

    from deploys.operations import maintenance
    maintenance(name="Close the shop", state="on", path="/shop/")

They are for what is done to one machine. A release of a whole site has an order between machines,
a lock and a way back: that is `deploys/release.py`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from pyinfra import host
from pyinfra.api import operation

from deploys.facts import ReleaseStatus


@operation(is_idempotent=False)
def maintenance(state: str, path: str = "/", retry_after: int = 600) -> Iterator[str]:
    """Close the site, or what lies below a path, on a machine that takes traffic; or open it.

    + state: `on` or `off`
    + path: what lies below it
    + retry_after: seconds after which clients are told to come back
    """
    words = ["maintenance", state, path]
    yield shlex.join([*words, str(retry_after)] if state == "on" else words)


@operation(is_idempotent=False)
def restart(project: str) -> Iterator[str]:
    """Start the live release anew in the other slot, without a failed request.

    + project: its name
    """
    yield shlex.join(["release", "--project", project, "--only-here", "restart"])


@operation()
def purge_cache(identity: str) -> Iterator[str]:
    """Remove the pages that nginx on a machine keeps of another release than this one.

    + identity: of the release whose pages stay
    """
    yield shlex.join(["purge-microcache", identity])


@operation()
def clean(project: str) -> Iterator[str]:
    """Remove releases, virtual environments and static files that no kept release needs.

    + project: its name
    """
    status = host.get_fact(ReleaseStatus, project=project)
    if status.get("site_lock"):
        host.noop("a release is running")
        return
    yield shlex.join(["release", "--project", project, "--only-here", "clean"])
