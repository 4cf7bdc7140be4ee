"""Data that comes from elsewhere: a database, by its URL or as a dump, and uploads.

`order` is how it goes; the work on the primary's machine is the program `importing` of
`espalier_machine`, to which `primary` talks.
"""
