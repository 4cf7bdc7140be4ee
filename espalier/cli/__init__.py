"""The command `espalier`: a module per command, each of which is loaded when it is typed.

`options` has what they share; `main` is the group, and the entry point that pyproject.toml names.
"""
