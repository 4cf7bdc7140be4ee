"""What is known of a run of site.yml, from its events: plain data, without a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from espalier.progress.stages import PREFLIGHT


@dataclass
class Stage:
    """One stage on one machine: its duration (seconds), and how many tasks changed something."""

    name: str
    machine: str
    seconds: float = 0.0
    changes: int = 0
    failed: bool = False
    cut_off: bool = False


@dataclass(frozen=True)
class Failure:
    """What failed where.

    Attributes:
        machines: those on which the same failed in the same words.
        stage: the stage, "" where Ansible ended before the first one.
        task: its name.
        sentence: what is wrong, for a person.
        detail: the lines that matter of what a tool printed.
        status: the exit status of the command.
        is_whole: whether the sentence says itself what was done where.
    """

    machines: tuple[str, ...]
    stage: str
    task: str
    sentence: str
    detail: tuple[str, ...] = ()
    status: int = 1
    is_whole: bool = False


@dataclass
class Run:
    """A run as far as it has come.

    Attributes:
        stage, task: what runs now.
        began: when the first event was, and `at` when the last one was (Unix seconds).
        stages: those that have ended, in the order in which they did.
        running: those that run now, by machine.
        live: the release that each machine serves, as far as the run told.
        domains: of the site, as project.yml has them.
        address: of the machine that takes its traffic.
        is_copied: whether the inventory says where backups go.
        is_told: whether the inventory says who is told when something fails.
    """

    stage: str = ""
    task: str = ""
    began: float = 0.0
    at: float = 0.0
    stage_began: float = 0.0
    stages: list[Stage] = field(default_factory=list)
    running: dict[str, Stage] = field(default_factory=dict)
    live: dict[str, str] = field(default_factory=dict)
    domains: tuple[str, ...] = ()
    address: str = ""
    is_told: bool = True
    is_copied: bool = True
    _failures: list[Failure] = field(default_factory=list)
    _rescued: frozenset[str] = frozenset()

    def take(self, event: Mapping[str, Any]) -> list[Stage]:
        """Take an event; gives the stages that have ended by it."""
        self.at = event["at"]
        self.began = self.began or self.at
        match event["event"]:
            case "task":
                return self._begin(event["stage"], event["task"])
            case "running":
                self.task = event["what"]
            case "result":
                self._on(event["machine"]).changes += event["changed"]
            case "failure":
                self._fail(event)
            case "site":
                self.domains, self.address = tuple(event["domains"]), event["address"]
                self.is_told, self.is_copied = event["is_told"], event["is_copied"]
            case "live":
                self.live = dict(event["machines"])
            case "end":
                self._rescued = frozenset(event["rescued"])
                return self._end()
        return []

    def cut_off(self) -> list[Stage]:
        """Ansible is gone; gives the stages that it has not ended."""
        for stage in self.running.values():
            stage.cut_off = not stage.failed
        return self._end()

    def _end(self) -> list[Stage]:
        # In the order of names, whichever answered first.
        ended = [self.running[name] for name in sorted(self.running)]
        self.running.clear()
        self.stages += ended
        return ended

    def _begin(self, stage: str, task: str) -> list[Stage]:
        if not stage:
            return []
        self.task = task
        if stage == self.stage:
            return []
        self.stage, self.stage_began = stage, self.at
        return self._end()

    def _on(self, machine: str) -> Stage:
        stage = self.running.setdefault(machine, Stage(self.stage, machine))
        stage.seconds = self.at - self.stage_began
        return stage

    def _fail(self, event: Mapping[str, Any]) -> None:
        self._on(event["machine"]).failed = True
        self._failures.append(
            Failure(
                (event["machine"],),
                event["stage"],
                event["task"],
                event["sentence"],
                tuple(event["detail"]),
                2 if event["stage"] == PREFLIGHT else event["status"],
                event["is_whole"],
            )
        )

    def stop(self, sentence: str, status: int) -> None:
        """Add that Ansible itself ended, whatever it was doing."""
        one = Failure((), self.stage, self.task, sentence, (), status, not self.stage)
        self._failures.append(one)

    @property
    def failures(self) -> list[Failure]:
        """What failed, in order; the same on several machines is one failure."""
        found: dict[Any, Failure] = {}
        for one in self._failures:
            if self._rescued.intersection(one.machines):
                continue
            key = (one.stage, one.task, one.sentence, one.detail)
            before = found[key].machines if key in found else ()
            found[key] = replace(one, machines=tuple(sorted({*before, *one.machines})))
        return list(found.values())

    @property
    def changes(self) -> int:
        """How many tasks have changed something."""
        return sum(one.changes for one in [*self.stages, *self.running.values()])

    @property
    def machines(self) -> list[str]:
        """The machines of the run."""
        return list(dict.fromkeys(one.machine for one in [*self.stages, *self.running.values()]))

    @property
    def has_touched(self) -> bool:
        """Whether it came further than what is checked before anything is touched."""
        return self.stage not in ("", PREFLIGHT)

    @property
    def host(self) -> str:
        """The name that visitors type: the first domain that is one, or the address."""
        return next((name for name in self.domains if "*" not in name), self.address)

    @property
    def url(self) -> str:
        """Where the site is; "" where that is not known."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}/" if host else ""
