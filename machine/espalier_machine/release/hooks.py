"""Release hooks: commands that the project runs at a moment of a release."""

from __future__ import annotations

from espalier_machine.common.text import last_line
from espalier_machine.release.machine import Machine
from espalier_machine.release.record import Release


def run_hooks(machine: Machine, release: Release, moment: str) -> int:
    """Run the commands that the project names for a moment of a release; returns how many."""
    commands = release.record.get("hooks", {}).get(moment, [])
    env = machine.environment(release)
    env["PATH"] = f"{release.path}/venv/bin:{env['PATH']}"
    for command in commands:
        with machine.progress.step("hook", f"{moment}: {command}"):

            def explain(output: str, command: str = command) -> str:
                return f"the hook `{command}` failed: {last_line(output)}"

            out = machine.run(["sh", "-c", command], "hook", explain, env, release.workdir)
            if out.strip():
                machine.progress.note(last_line(out))
    return len(commands)
