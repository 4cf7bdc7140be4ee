"""The static site of the docs, which `make docs` builds: the same Markdown that a forge shows.

The source directory is that of the repository, so that a link from a page to the README of a role
or of an example leads somewhere, and is checked.
"""

project = "Espalier"
author = "The founders of Espalier"
html_title = "Espalier"
html_theme = "furo"
extensions = ["myst_parser"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "overlay/README.md",
    "examples/*/README.md",
    "bench/projects/README.md",
    "tests/README.md",
]
exclude_patterns = [".*/**", "build/**"]
# A link to a heading is checked as a link to a page is.
myst_heading_anchors = 4
# Output of programs, shortened by "…" for readers, is no JSON and no shell for a lexer.
suppress_warnings = ["misc.highlighting_failure"]
