"""Record a machine for `espalier measure` and `espalier load`: what its parts did, each second.

`record` is the loop; a module for each source of readings; `log` and `statements` tell the end.
"""
