"""Whether a lab's machine ran out of memory: its kernel ends a process then, and tells nobody."""

from __future__ import annotations

import re

from espalier.lab.inventory import Lab
from espalier.lab.process import podman

# With version 2 of cgroups a machine's own counter has all of it. With version 1 each unit's counts
# alone, and lies in the host's tree, or in the machine's own where an older kit made it.
COUNTERS = """
cat /sys/fs/cgroup/memory.events
own=$(sed -n 's|^[0-9]*:memory:\\(.*\\)/init.scope$|\\1|p' /proc/1/cgroup)
[ -d "/sys/fs/cgroup/memory$own" ] || own=
find "/sys/fs/cgroup/memory$own" -name memory.oom_control -exec cat {} +
"""


def kills(lab: Lab) -> int:
    """How many processes were ended on its machines for want of memory, since they started."""
    found = [
        podman("exec", lab.container(machine), "sh", "-c", COUNTERS, check=False)
        for machine in lab.machines
    ]
    return sum(int(number) for text in found for number in re.findall(r"oom_kill (\d+)", text))


def advice(lab: Lab, command: str) -> str:
    """What to say and do when memory was missing; `command` makes the lab anew."""
    size = max(machine.memory_mb or 0 for machine in lab.machines)
    return (
        f"The lab's machine has {size} MiB of memory, and a process was ended because that is too "
        f"little for this project. Give it more: `{command} --memory {2 * size}`."
    )
