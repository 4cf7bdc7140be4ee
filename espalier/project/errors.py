"""The error that a person sees."""

from __future__ import annotations


class ProjectError(Exception):
    """What is wrong with the project, as one sentence for the user."""
