"""One file for machines: the code, the settings overlay and build.json.

`build.build` writes it. The same content gives the same bytes, and the same name.
"""
