"""Parts of the module `backup_destination`: one for each kind of destination.

`problem` has the sentences about what is wrong, `trial` what is written, and where.
"""
