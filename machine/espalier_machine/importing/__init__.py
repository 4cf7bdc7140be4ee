"""What happens to a database on the primary's machine when a site's data comes from elsewhere.

Runs as the system user postgres, from a directory of its own that is removed afterwards. `cli` has
the commands; each reads one JSON object from its standard input and writes one.
"""
