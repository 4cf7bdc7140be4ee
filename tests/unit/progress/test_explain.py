"""What is wrong, from a result of Ansible's."""

from __future__ import annotations

from typing import Any

import pytest

from espalier.progress.explain import (
    SECRET,
    explain_output,
    explain_result,
    explain_unreachable,
    is_whole,
)

APT = """\
'/usr/bin/apt-get -y install nginx' failed: E: Failed to fetch http://192.0.2.1/nginx.deb
E: Unable to fetch some archives
"""


@pytest.mark.parametrize(
    ("result", "sentence", "detail"),
    [
        ({"msg": "Task failed: Module failed: no ink", "exception": "(traceback unavailable)"},
         "no ink", []),
        (
            {"msg": APT, "stdout": "Reading package lists...\n"},
            "'/usr/bin/apt-get -y install nginx' failed: E: Failed to fetch "
            "http://192.0.2.1/nginx.deb",
            ["    E: Unable to fetch some archives", "    Reading package lists..."],
        ),
        (
            {"msg": "non-zero return code", "stderr": "checking\npsql: error: no such role\n"},
            "psql: error: no such role",
            ["    checking"],
        ),
        ({"censored": "the output has been hidden", "msg": "hunter22"}, SECRET, []),
        (
            {"msg": "One or more items failed",
             "results": [{"failed": False, "msg": "good"}, {"failed": True, "msg": "bad"}]},
            "bad",
            [],
        ),
        # The release's own words stay as they are.
        (
            {"msg": "app1: build failed: no\n    E: x\nVisitors are served as before.",
             "exit_status": 1, "stderr": "noise"},
            "app1: build failed: no",
            ["    E: x", "Visitors are served as before."],
        ),
        ({}, "it failed.", []),
    ],
)  # fmt: skip
def test_result_has_a_sentence_and_what_matters(
    result: dict[str, Any], sentence: str, detail: list[str]
) -> None:
    assert explain_result(result) == (sentence, detail)


def test_machine_that_is_gone_is_told_as_ssh_does() -> None:
    message = "Failed to connect to the host via ssh: ssh: connect to host x port 22: timed out"
    assert explain_unreachable({"msg": message}) == (
        "it cannot be reached any more: connect to host x port 22: timed out."
    )


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("Using /kit/ansible.cfg as config file\n`tiers` has 'redes'.\n", "`tiers` has 'redes'."),
        (
            "[WARNING]: x\n[ERROR]: no vault secrets found\nOrigin: /x:1\n\n1 a\n",
            "no vault secrets found",
        ),
        ("PLAY\n[ERROR]: first\n[ERROR]: Unexpected Exception\n", "Unexpected Exception"),
    ],
)
def test_end_before_the_first_task_has_ansibles_own_words(written: str, sentence: str) -> None:
    assert explain_output(written) == sentence


def test_refusals_and_the_words_of_a_release_say_where_they_are_from() -> None:
    assert is_whole("ansible.builtin.fail", "preflight", {})
    assert is_whole("unreachable", "preflight", {})
    assert not is_whole("ansible.builtin.command", "preflight", {})
    assert not is_whole("ansible.builtin.fail", "nginx", {})
    assert is_whole("site_release", "release", {"exit_status": 1})
