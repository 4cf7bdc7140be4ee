"""The order of a release: a pure state machine.

`next_tasks(order, done)` is the whole of it: from what is wanted and what machines have answered so
far to what they are asked next, at the same time. An empty list is the end. After a failure the
tasks are those of the way back. Nothing here runs anything, so it is tested without a machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from espalier.project.rules.build_on import LAB
from espalier.rollout.choice import check_platforms, choose_new, choose_previous, is_live_everywhere


@dataclass(frozen=True)
class Order:
    """What is wanted: a release of an archive, or a rollback.

    Attributes:
        machines: those that run Django, in the order in which they are switched; the first one
            migrates and runs the project's hooks.
        batches: the same machines, cut into what is switched together.
        identity: the archive's, of a release; "" for a rollback.
        new_id: the id that a newly built release gets on every machine.
        rollback_to: None for a release; for a rollback an id or an identity, or "" for the release
            before the one that is live.
        caching: machines whose nginx caches pages of the release before.
        hooks: the moments of a release for which the project has commands.
        build_on: the machine of `machines` that builds before the others, which take its wheels;
            LAB for a lab machine that builds for all; "" where each builds for itself.
        only_plan: build on the first machine, compare with what is live, and stop.
        only_known_fronts: whether a machine's own nginx has to answer with the release only where
            it answered with the one before. `site.yml` configures nginx after Django, so on a
            first run there is none, and after a change of domains it knows the old ones.
    """

    machines: tuple[str, ...]
    batches: tuple[tuple[str, ...], ...]
    identity: str = ""
    new_id: str = ""
    rollback_to: str | None = None
    caching: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    build_on: str = ""
    only_plan: bool = False
    only_known_fronts: bool = False

    @property
    def first(self) -> str:
        """The machine that migrates and runs hooks."""
        return self.machines[0]

    @property
    def builds_in_lab(self) -> bool:
        """Whether a lab machine builds; a machine of the site may have its name, and goes first."""
        return self.build_on == LAB and LAB not in self.machines

    @property
    def is_rollback(self) -> bool:
        """Whether an older release is wanted."""
        return self.rollback_to is not None


@dataclass(frozen=True)
class Task:
    """What one machine is asked to do.

    Attributes:
        step: the word that a person sees.
        machine: its name.
        release: the id that it is about, or a hook's moment.
        probe: whether the machine's own nginx has to answer with it, too.
        leaves: whether it goes back from the live release, so that no rollback goes there again.
        settings: what the site has live, of a machine that has nothing; "" where that is not known.
        like: of a lab machine, the machine of the site whose configuration it takes.
        platform: of a lab machine, the Debian and the processor that it builds for.
    """

    step: str
    machine: str
    release: str = ""
    probe: bool = False
    leaves: bool = False
    settings: str = ""
    like: str = ""
    platform: str = ""


@dataclass(frozen=True)
class Answer:
    """How a task ended: what the machine told as data, or a sentence, and a tool's own words."""

    data: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    error: str = ""
    detail: str = ""
    status: int = 1
    seconds: float = 0.0

    @property
    def failed(self) -> bool:
        """Whether it did not do what it was asked."""
        return bool(self.error)


@dataclass(frozen=True)
class Done:
    """A task and its answer."""

    task: Task
    answer: Answer


# A failure of these takes nothing back: the release is live everywhere by then.
AFTERWARDS = ("purge", "hook", "clean")
WAY_BACK = ("rollback", "remove")


def failure(done: Sequence[Done]) -> Done | None:
    """The first task that failed and stops a release, in the order in which they ended."""
    stops = (one for one in done if one.answer.failed and one.task.step not in WAY_BACK)
    return next((one for one in stops if one.task.step not in AFTERWARDS), None)


def warnings(done: Sequence[Done]) -> list[Done]:
    """Tasks that failed once the release was live everywhere, or on the way back."""
    late = (*AFTERWARDS, *WAY_BACK)
    return [one for one in done if one.answer.failed and one.task.step in late]


def answers(done: Sequence[Done], step: str) -> dict[str, Mapping[str, Any]]:
    """What machines told in a step that went well, by machine."""
    return {
        one.task.machine: one.answer.data
        for one in done
        if one.task.step == step and not one.answer.failed
    }


def releases(done: Sequence[Done]) -> Mapping[str, str]:
    """The id of the release that each machine is to serve, once that is chosen."""
    return next(iter(answers(done, "plan").values()), {})


def identity(order: Order, done: Sequence[Done]) -> str:
    """The identity of the content that is to be live; of a rollback once it is chosen."""
    if order.identity:
        return order.identity
    for name, id in releases(done).items():
        if found := identity_of(done, name, id):
            return found
    return ""


def identity_of(done: Sequence[Done], machine: str, id: str) -> str:
    """The identity of a release that a machine had at the beginning; "" for any other."""
    rows = answers(done, "status").get(machine, {}).get("releases", ())
    return next((str(row["identity"]) for row in rows if row["id"] == id), "")


def before(done: Sequence[Done]) -> dict[str, str]:
    """The id of the release that each machine served at the beginning; "" for none."""
    statuses = answers(done, "status")
    return {name: (status["live"] or {"id": ""})["id"] for name, status in statuses.items()}


def attempted(done: Sequence[Done], step: str) -> list[str]:
    """The machines that were asked to do a step, however it ended."""
    return [one.task.machine for one in done if one.task.step == step]


def next_tasks(order: Order, done: Sequence[Done]) -> list[Task]:
    """Say what machines are asked next, all at the same time.

    Args:
        order: what is wanted.
        done: every task so far, with its answer. All that were asked last must have ended.

    Returns:
        The tasks; none when everything is done, or taken back.
    """
    asked = {one.task for one in done}
    stages = _way_back(order, done) if failure(done) else _way(order, done)
    for stage in stages:
        missing = [task for task in stage if task not in asked]
        if missing:
            return missing
    return []


def _way(order: Order, done: Sequence[Done]) -> Iterator[list[Task]]:
    """The stages of a release; each is only looked at when all before it have ended well."""
    first = order.first
    yield [Task("status", name) for name in order.machines]
    yield [Task("plan", first)]
    statuses, ids = answers(done, "status"), releases(done)
    if order.only_plan:
        yield from _builds_in_turn(order, statuses, ids, [first])
        yield [Task("compare", first, ids[first])]
        return
    if is_live_everywhere(statuses, ids):
        return
    if order.is_rollback:
        yield [Task("check", first, ids[first])]
    else:
        yield from _builds_in_turn(order, statuses, ids, order.machines)
        if "before_migrate" in order.hooks:
            yield [Task("prehook", first, f"before_migrate:{ids[first]}")]
        yield [Task("migrate", first, ids[first])]
        if "after_migrate" in order.hooks:
            yield [Task("prehook", first, f"after_migrate:{ids[first]}")]
    fronts = set(order.machines)
    if order.only_known_fronts:
        yield [Task("front", name) for name, status in statuses.items() if status["live"]]
        fronts = {name for name, data in answers(done, "front").items() if data["answers"]}
    for batch in order.batches:
        yield [
            Task("switch", name, ids[name], probe=name in fronts, leaves=order.is_rollback)
            for name in batch
        ]
    yield [Task("purge", name, identity(order, done)) for name in order.caching]
    yield [Task("clean", name) for name in order.machines]
    moment = "after_rollback" if order.is_rollback else "after_switch"
    if moment in order.hooks:
        yield [Task("hook", first, moment)]


def _builds_in_turn(
    order: Order,
    statuses: Mapping[str, Mapping[str, Any]],
    ids: Mapping[str, str],
    machines: Sequence[str],
) -> Iterator[list[Task]]:
    """The stages of building: all at the same time, or once one has built wheels for the others."""
    if order.builds_in_lab:
        if wanted := _builds(order, statuses, ids, machines):
            like = wanted[0].machine
            platform = str(statuses[like]["platform"])
            yield [Task("wheels", LAB, like=like, platform=platform)]
        yield wanted
        return
    others = _builds(order, statuses, ids, [one for one in machines if one != order.build_on])
    if order.build_on and (others or order.build_on in machines):
        yield _builds(order, statuses, ids, [order.build_on])
        if others:
            yield [Task("wheels", order.build_on, ids[order.build_on])]
    yield others


def _builds(
    order: Order,
    statuses: Mapping[str, Mapping[str, Any]],
    ids: Mapping[str, str],
    machines: Sequence[str],
) -> list[Task]:
    """What has to be built: the release, where it is not there yet."""
    kept = {name: [row["id"] for row in statuses[name]["releases"]] for name in machines}
    live = [status["live"] for status in statuses.values() if status["live"]]
    # An older program does not tell, and does not take it either.
    settings = next((str(one["settings"]) for one in live if one.get("settings")), "")
    return [
        Task("build", name, ids[name], settings="" if statuses[name]["live"] else settings)
        for name in machines
        if ids[name] not in kept[name]
    ]


def _way_back(order: Order, done: Sequence[Done]) -> Iterator[list[Task]]:
    """After a failure: what was switched goes back, then what was built is removed."""
    served, ids = before(done), releases(done)
    back = [
        # After a failed rollback, the release that it went to is as good as before.
        Task("rollback", name, served[name], leaves=not order.is_rollback)
        for name in attempted(done, "switch")
        if served.get(name) and served[name] != ids[name]
    ]
    yield back
    if back:
        # A cached page of the release that failed names static files that are about to be removed.
        old = identity_of(done, back[0].machine, back[0].release)
        yield [Task("purge", name, old) for name in order.caching]
    # Where nothing was live before, what was built is all that there is.
    yield [Task("remove", name, ids[name]) for name in answers(done, "build") if served.get(name)]


def answer_plan(order: Order, done: Sequence[Done]) -> dict[str, str]:
    """Choose the release of each machine, from what they all told: the answer to the task `plan`.

    Raises:
        SiteError: there is no such release.
    """
    statuses = answers(done, "status")
    if order.rollback_to is None:
        check_platforms(statuses, order.build_on)
        return choose_new(statuses, order.machines, order.identity, order.new_id)
    return choose_previous(statuses, order.machines, order.rollback_to)
