"""What is wrong, from the result of a task of Ansible's that failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from espalier.progress.stages import PREFLIGHT
from espalier_machine.common.excerpt import error_line, excerpt, indented

# Ansible's own words before what a module or an action said.
_PREFIX = re.compile(r"^(?:Task failed: |Action failed: |Module failed: )+")
_SILENT = re.compile(r"^(?:non-zero return code|MODULE FAILURE.*|The module failed.*)$", re.I)
SECRET = "it failed; what it printed is not shown, as a secret may be in it (no_log)."


def explain_result(result: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The sentence of a failed task, and the lines that matter of what a tool printed.

    Args:
        result: of the task. Of a loop, its first failed item tells.
    """
    if "censored" in result:
        return SECRET, []
    failed = [item for item in result.get("results", []) if item.get("failed")]
    if failed:
        return explain_result(failed[0])
    message = _PREFIX.sub("", str(result.get("msg", ""))).strip()
    if "exit_status" in result:  # site_lock or site_release, whose words are for a person
        sentence, *detail = message.splitlines() or ["it failed."]
        return sentence, detail
    names = ("module_stderr", "module_stdout", "stderr", "stdout")
    outputs = [str(result[name]) for name in names if result.get(name)]
    if outputs and (not message or _SILENT.match(message)):
        message = error_line(outputs[0])
    sentence, *more = message.splitlines() or ["it failed."]
    printed = "\n".join([*more, *outputs[:1]])
    return sentence, indented(excerpt(printed, sentence))


def is_whole(action: str, stage: str, result: Mapping[str, Any]) -> bool:
    """Whether a sentence says itself what was done where: of a release, a lock, or a refusal."""
    # The kit's own modules have no dot in their names.
    refuses = action in ("ansible.builtin.assert", "ansible.builtin.fail") or "." not in action
    is_refusal = stage == PREFLIGHT and refuses
    return is_refusal or "exit_status" in result


def explain_unreachable(result: Mapping[str, Any]) -> str:
    """The sentence for a machine that did not answer, which says what ssh said."""
    message = re.sub(r"(?s)^.*\bssh: ", "", str(result.get("msg", "no answer"))).strip()
    return f"it cannot be reached any more: {message.rstrip('.')}."


def explain_output(text: str) -> str:
    """What Ansible said before its first task: its last error, or its last lines."""
    errors = re.split(r"^(?:\[ERROR\]:|ERROR!) ", text, flags=re.MULTILINE)
    if len(errors) == 1:
        lines = [line for line in text.splitlines() if line.strip()]
        return "\n".join([line for line in lines if not line.endswith(" as config file")][-10:])
    return re.split(r"^Origin: ", errors[-1], flags=re.MULTILINE)[0].strip()
