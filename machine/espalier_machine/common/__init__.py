"""What several programs of a machine share: running commands of the system, words, templates, which
versions of a program are still in use. `forms` and `text` are the control machine's too.
"""
