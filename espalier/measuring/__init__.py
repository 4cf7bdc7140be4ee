"""Measurements of a site: recorded on its machines, kept beside its inventory, compared.

`record` starts the machines' own program and gathers what it prints; `store` keeps the files;
`engine` is where the load and the advice are called.
"""
