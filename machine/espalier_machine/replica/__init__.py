"""The command `postgresql-replica`: makes this machine's PostgreSQL follow its primary.

`cli` reads the command line, `follow` chooses what helps, `copy` and `streaming` do it.
"""
