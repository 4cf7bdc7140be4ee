"""The command `database-backup`: copies of the database by pgBackRest, and their way back.

`cli` reads the command line. `backup` makes copies, `watch` sees that they come, `restore` brings a
moment back, `drill` proves that it would, `export` dumps one for another environment. `timelines`,
`judge` and `anonymise` decide, from data alone.
"""
