"""Ask the release command of every machine at once."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from espalier.inventory.remote import Remote, explain, reach
from espalier.inventory.site import Site


def ask_all(site: Site, *arguments: str) -> dict[str, dict[str, Any]]:
    """Run the release command on every machine with Django; gives its JSON per machine.

    A machine that does not answer has `ok` False, and says in `error` why.
    """
    words = ["release", "--json", "--project", site.name, *arguments]
    with reach(site) as remote:
        jobs = {machine: _start(remote, machine, words) for machine in site.app_machines}
        return {machine: _answer(*job.communicate()) for machine, job in jobs.items()}


def _start(remote: Remote, machine: str, words: list[str]) -> subprocess.Popen[str]:
    return remote.start(machine, words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _answer(output: str, errors: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        return {"ok": False, "error": explain(errors)}
    return answer
