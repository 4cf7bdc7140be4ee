"""The one app of the tiny project."""
