"""The error that a person sees."""

from __future__ import annotations

from espalier.inventory.site import SiteError


class ProjectError(SiteError):
    """What is wrong with the project, as one sentence for the user."""

    def __init__(self, sentence: str) -> None:
        """Take the sentence; the exit status is that of a refusal."""
        super().__init__(sentence, 2)
