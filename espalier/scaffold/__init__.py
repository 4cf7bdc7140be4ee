"""A new environment in a project: `deploy/<name>/`, which `espalier init` writes.

`answers` is what must be known for it, `look` finds in the project what need not be asked, `files`
fills the example inventory in, and `write` puts it there without touching what is there already.
"""
