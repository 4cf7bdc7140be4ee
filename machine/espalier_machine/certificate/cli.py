"""Get, renew and serve this site's certificate.

    certificate status             what is served, until when, and what is wrong
    certificate renew              what the timer does: whatever is next, where it is time
    certificate renew --now        the same before its time, as far as the authority allows
    certificate renew --force      a new certificate though it is not time, whatever was refused
    certificate export | import    hand the certificate to another web machine of the site

A try that fails leaves what is served as it is, has the status 1, and is made again by itself.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from espalier_machine.certificate import config, renew, state, transfer
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.common import installed, system, x509

ACTIONS = ("status", "renew", "export", "import")


@contextmanager
def locked() -> Iterator[None]:
    """Hold the lock of this command; waits for whoever holds it."""
    config.HOME.mkdir(mode=0o700, exist_ok=True)
    with (config.HOME / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """Run the command line; gives the exit status."""
    parser = argparse.ArgumentParser(
        prog="certificate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument("--now", action="store_true", help="before the next try's time")
    parser.add_argument("--force", action="store_true", help="though it is not time")
    arguments = parser.parse_args()
    installed.mark_in_use()
    os.umask(0o077)
    try:
        return act(arguments)
    except (CertificateError, OSError) as error:
        print(error, file=sys.stderr)
        return 1


def act(arguments: argparse.Namespace) -> int:
    """Do what is asked for; gives the exit status."""
    settings = config.load()
    if arguments.action == "status":
        return status(settings)
    with locked():
        if arguments.action == "export":
            print(transfer.export())
            return 0
        if arguments.action == "import":
            if transfer.take(sys.stdin.read(), settings.names):
                renew.hand_over(settings)
                # HSTS, once told to browsers, goes by the renewals of this machine.
                known = state.State(renewals=state.load().renewals)
                state.save(known)
                renew.record(settings, known)
                forget_failure()
                print("A copy of another machine's certificate is served.")
            return 0
        before, known_before = x509.read(config.SERVED), state.load()
        known = renew.renew(settings, now=arguments.now, force=arguments.force)
        installed.remove_unused("certificate")
    if (after := x509.read(config.SERVED)) != before:
        print(f"Another certificate is served: {' '.join(after.names) if after else 'none'}.")
    is_typed = arguments.now or arguments.force
    # The timer comes often; what it has said once is not said again before the next try.
    if known.problem and (is_typed or known != known_before):
        print(f"{known.problem}. Next try: {_time(known.next_try)}.", file=sys.stderr)
    if is_typed and not known.problem:
        forget_failure()
    if is_typed:
        return int(bool(known.problem))
    return int(renew.is_failure(settings, known, time.time()))


def forget_failure() -> None:
    """Have systemd call the timer's unit well: what it has failed at before is over."""
    system.run("systemctl", "reset-failed", "espalier-certificate.service")


def status(settings: config.Settings) -> int:
    """Print what is served."""
    served, known = x509.read(config.SERVED), state.load()
    print(f"kind     {renew.kind_of(settings)}")
    if served:
        print(f"names    {' '.join(served.names)}")
        print(f"expires  {served.ends:%Y-%m-%d %H:%M} UTC")
    print(f"renewals {known.renewals}")
    if known.problem:
        print(f"problem  {known.problem}")
        print(f"next try {_time(known.next_try)}")
    return int(bool(known.problem))


def _time(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
