"""The runner's own process: a request on standard input, steps on standard error, data on stdout.

`espalier release` and `site.yml` start it (see `process.py`), as pyinfra stands on gevent, which
must stay out of Ansible's and everybody else's process.
"""

# Until it is asked for something, Ctrl-C just ends it; in a job in the background, it never does.
import signal

INTERRUPTS = signal.getsignal(signal.SIGINT) != signal.SIG_IGN
if INTERRUPTS:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

# Before everything else: pyinfra waits for many machines in one thread.
from gevent import monkey  # noqa: E402

monkey.patch_all()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402

import gevent  # noqa: E402

from espalier.inventory.remote import reach  # noqa: E402
from espalier.inventory.site import Site, SiteError  # noqa: E402
from espalier.rollout.connect import connected  # noqa: E402
from espalier.rollout.display import Display  # noqa: E402
from espalier.rollout.outcome import INTERRUPTED  # noqa: E402
from espalier.rollout.request import Request  # noqa: E402
from espalier.rollout.session import Session  # noqa: E402


def interrupt() -> None:
    """Have the main greenlet raise KeyboardInterrupt, once.

    Python itself would raise it in whatever greenlet runs, such as one of paramiko's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def main() -> int:
    """Do what standard input asks for; gives the exit status."""
    text = sys.stdin.read()
    if not text:
        return 0  # it was started for a command that was refused
    if INTERRUPTS:
        gevent.signal_handler(signal.SIGINT, interrupt)
    asked = json.loads(text)
    site, request = Site.from_json(asked["site"]), Request.from_data(asked["request"])
    # Open for as long as this process lives.
    log = open(asked.get("log") or os.devnull, "a")  # noqa: SIM115
    display = Display(sys.stderr if asked["show"] else None, log)
    outcome = None
    try:
        # Under --limit, a machine that is left out need not answer.
        is_part = request.machines and set(request.machines) != set(site.app_machines)
        machines = request.machines if is_part else site.release_machines
        with reach(site) as remote, connected(remote, machines) as hosts:
            outcome = Session(remote, hosts, request, display).run()
    except SiteError as error:
        print(json.dumps({"status": error.status, "sentence": str(error), "detail": error.detail}))
        return error.status
    except KeyboardInterrupt:  # the session answers for itself: before it began, or after its end
        if not outcome:
            sentence = "Interrupted before anything was changed; the same command does it."
            print(json.dumps({"status": INTERRUPTED, "sentence": sentence}))
            return INTERRUPTED
    finally:
        display.close()
    assert outcome
    print(outcome.sentence(), outcome.log, sep="\n\n", file=log)
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
