"""Ask a program of every machine at once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from espalier.inventory.remote import Remote, explain, reach
from espalier.inventory.site import Site


def ask_all(site: Site, *arguments: str) -> dict[str, dict[str, Any]]:
    """Run the release command on every machine with Django; gives its JSON per machine.

    A machine that does not answer has `ok` False, and says in `error` why.
    """
    return ask_machines(site, dict.fromkeys(site.app_machines, release_words(site, *arguments)))


def release_words(site: Site, *arguments: str) -> list[str]:
    """The release command for a site."""
    return ["release", "--json", "--project", site.name, *arguments]


def ask_machines(site: Site, words: Mapping[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Run a program on machines; gives its JSON per machine, as `ask_all` does."""
    return ask_programs(site, words)[0]


def ask_programs(site: Site, *programs: Mapping[str, list[str]]) -> list[dict[str, dict[str, Any]]]:
    """Run several programs on machines, all at once.

    Args:
        site: whose machines they are.
        programs: for each, by machine, the command and its arguments.
    """
    with reach(site) as remote:
        jobs = [
            {machine: _start(remote, machine, words) for machine, words in program.items()}
            for program in programs
        ]
        return [
            {machine: _answer(*job.communicate()) for machine, job in started.items()}
            for started in jobs
        ]


def _start(remote: Remote, machine: str, words: list[str]) -> subprocess.Popen[str]:
    return remote.start(machine, words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _answer(output: str, errors: str) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = json.loads(output)
    except ValueError:
        return {"ok": False, "error": explain(errors)}
    return answer
