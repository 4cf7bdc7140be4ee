"""The rules for the values of project.yml, by subject: each takes what YAML gave for one key.

A rule returns the value that the kit uses, or raises `basics.InvalidValue` with a sentence.
`espalier.project.schema` says which key has which rule.
"""
