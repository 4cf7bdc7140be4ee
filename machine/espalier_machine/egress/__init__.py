"""What Django may connect to: rules of the kernel's packet filter, by the project's user.

`cli` looks names up and loads the rules, again and again; `rules` makes their text.
"""
