"""The runner's own process: a request on standard input, steps on standard error, data on stdout.

`espalier release` and `site.yml` start it (see `process.py`), as pyinfra stands on gevent, which
must stay out of Ansible's and everybody else's process.
"""

# First of all: pyinfra waits for many machines in one thread.
from gevent import monkey

monkey.patch_all()

import json  # noqa: E402
import sys  # noqa: E402

from espalier.inventory.remote import reach  # noqa: E402
from espalier.inventory.site import Site, SiteError  # noqa: E402
from espalier.rollout.connect import connected  # noqa: E402
from espalier.rollout.display import Display  # noqa: E402
from espalier.rollout.request import Request  # noqa: E402
from espalier.rollout.session import Session  # noqa: E402


def main() -> int:
    """Do what standard input asks for; gives the exit status."""
    text = sys.stdin.read()
    if not text:
        return 0  # it was started for a command that was refused
    asked = json.loads(text)
    site, request = Site.from_json(asked["site"]), Request.from_data(asked["request"])
    display = Display(sys.stderr if asked["show"] else None)
    try:
        # Under --limit, a machine that is left out need not answer.
        is_part = request.machines and set(request.machines) != set(site.app_machines)
        machines = request.machines if is_part else site.release_machines
        with reach(site) as remote, connected(remote, machines) as hosts:
            outcome = Session(remote, hosts, request, display).run()
    except SiteError as error:
        print(json.dumps({"status": error.status, "sentence": str(error), "detail": error.detail}))
        return error.status
    finally:
        display.close()
    print(
        json.dumps(
            {
                "status": outcome.exit_status,
                "sentence": outcome.sentence(),
                "result": outcome.result(),
            }
        )
    )
    return outcome.exit_status


if __name__ == "__main__":
    sys.exit(main())
