"""The user's Django project: from project.yml to one archive that a machine can run.

`pack.pack` takes the four steps in a row: `schema`, `source`, `detection`, `archive`. Import from
the module that has what you need: nothing is loaded by the package itself.
"""
