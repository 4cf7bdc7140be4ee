"""The inventory: what a user writes about machines, and what follows from it alone.

`services` is the table of the kit's services; `topology.compute` says which of them runs where, and
who connects to whom; `checks` and `addresses` refuse what makes no sense, with a sentence.
"""
