"""Loads the plugins that tasks use, once, before Ansible begins to start a process for each task.

Ansible forks a process per task and machine, and each of them would find and import these plugins
anew. On one machine with nothing to change that was a seventh of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible.playbook.block import Block
from ansible.playbook.play import Play
from ansible.playbook.task import Task
from ansible.plugins.callback import CallbackBase
from ansible.plugins.loader import (
    action_loader,
    become_loader,
    connection_loader,
    filter_loader,
    lookup_loader,
    shell_loader,
    test_loader,
)

DOCUMENTATION = """
name: preload
type: aggregate
short_description: Loads the plugins that tasks use once, and not once per task
description: Ansible's processes for tasks have what this one has loaded.
"""


class CallbackModule(CallbackBase):
    """Loads plugins when a play begins."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "preload"

    def v2_playbook_on_play_start(self, play: Play) -> None:
        """Load what all tasks use, and the play's own action plugins."""
        list(filter_loader.all())
        list(test_loader.all())
        for loader, name in (
            (connection_loader, "ssh"),
            (shell_loader, "sh"),
            (become_loader, "sudo"),
            (lookup_loader, "ansible.builtin.password"),
            (lookup_loader, "ansible.builtin.template"),
            (action_loader, "ansible.legacy.normal"),
        ):
            loader.get(name, class_only=True)
        for action in {task.action for task in _tasks(play.compile() + play.handlers)}:
            # A module without an action plugin is nothing to load.
            if action_loader.has_plugin(action):
                action_loader.get(action, class_only=True)


def _tasks(items: Iterable[Block | Task]) -> Iterator[Task]:
    """Give the tasks of blocks, and of blocks in them."""
    for item in items:
        if isinstance(item, Block):
            yield from _tasks([*item.block, *item.rescue, *item.always])
        else:
            yield item
