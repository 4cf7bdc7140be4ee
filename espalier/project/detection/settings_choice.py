"""Which of the candidates comes first, now that it is known what each wants; and what is told."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from espalier.project.detection.candidates import Candidate
from espalier.project.detection.tree import ProjectTree
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.variables.wanted import Wanted, find_wanted
from espalier.project.words import listed, note
from espalier_machine.common.variables import demand


def choose(
    project: Project, tree: ProjectTree, candidates: Sequence[Candidate], tiers: Collection[str]
) -> tuple[list[Candidate], Wanted]:
    """The candidates in the order in which they are tried, and what the first one wants.

    One that nothing names, and that wants variables which nobody has given, is no reason to ask for
    them as long as another one does without.
    """
    on = {*tiers, *project.model_fields_set}

    def wanted(one: Candidate) -> Wanted:
        return find_wanted(tree, one.module, project.name, project.environment, on)

    found = {one.module: wanted(one) for one in candidates}
    names = {module: {one.name for one in wants.required} for module, wants in found.items()}
    shared = set.intersection(*names.values())
    ordered = sorted(candidates, key=lambda one: not one.where and bool(names[one.module] - shared))
    return ordered, found[ordered[0].module]


def settings_notes(candidates: Sequence[Candidate]) -> Iterator[str]:
    """The other settings that are tried, and how to choose."""
    if len(candidates) > 1:
        others = ", ".join(one.module for one in candidates[1:])
        yield note("", f"tried if these do not load: {others}; `settings:` says which")


def variables_notes(wanted: Wanted) -> Iterator[str]:
    """What the kit gives, under which names."""
    if wanted.shown:
        yield note("variables", ", ".join(wanted.shown), "the kit gives them to the settings")


def refuse_missing(settings: str, wanted: Wanted, where: str) -> None:
    """Refuse settings that certainly do not load, with every line to write at once.

    Raises ProjectError.
    """
    asked = [one for one in wanted.required if one.name not in wanted.switches]
    sentences = []
    if asked:
        sentences.append(demand(settings, asked))
    sentences += switch_sentences(settings, wanted)
    if sentences:
        raise ProjectError(f"{where}: " + "\n".join(sentences))


def switch_sentences(settings: str, wanted: Wanted) -> Iterator[str]:
    """What to switch on for variables that the kit would then give."""
    by_switch: dict[str, list[str]] = {}
    for name, switch in wanted.switches.items():
        by_switch.setdefault(switch, []).append(name)
    for switch, names in by_switch.items():
        yield (
            f"the settings {settings} read {listed(names)}: with {switch} the kit gives "
            f"{'it' if len(names) == 1 else 'them'}; or write a value of your own below "
            "`environment:`."
        )
