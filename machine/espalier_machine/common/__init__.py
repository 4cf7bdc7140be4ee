"""What several programs of a machine share: running commands of the system, words, templates, and
which versions of a program are still in use.
"""
