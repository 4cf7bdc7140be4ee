"""Where the code comes from: a directory, a git URL or a package on the Python index.

`fetch.fetch` chooses; each of the three gives a `tree.Source`: files on this machine.
"""
