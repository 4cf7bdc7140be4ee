"""Asks this machine's own nginx for the live release."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request

from espalier_machine.release.machine import Machine
from espalier_machine.release.probe import Answer
from espalier_machine.release.record import Release

PROBE_FRONT = 15  # seconds


def probe_front(machine: Machine, release: Release, timeout: float = PROBE_FRONT) -> Answer:
    """The release's answer through nginx, which may ask other machines too, or the last other.

    It is asked again until it is this release's, for `timeout` seconds; with 0, only once.
    """
    # Nothing leaves the machine: whose certificate it is does not matter.
    context = ssl._create_unverified_context()
    path = machine.config.probe_path if release.record["overlay"] else "/"
    request = urllib.request.Request(
        machine.config.front + path, headers={"Host": machine.config.probe_host}
    )
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    deadline = time.monotonic() + timeout
    while True:
        try:
            with opener.open(request, timeout=5) as response:
                answer = Answer(response.status, response.read(65536).decode(errors="replace"))
        except urllib.error.HTTPError as error:
            answer = Answer(error.code, error.read(65536).decode(errors="replace"))
        except OSError as error:
            answer = Answer(0, f"no answer ({error})")
        if answer.is_good(release) or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)
