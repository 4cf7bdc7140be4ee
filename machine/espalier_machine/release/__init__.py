"""The command `release`: builds, switches and rolls back the releases of a Django project.

`cli` reads the command line, `commands/` has a file per command, the rest is what they are made of.
"""
