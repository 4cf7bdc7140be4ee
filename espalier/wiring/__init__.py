"""The wiring: what every role is told, from the topology, the project and the machines' facts.

Pure functions, plain data in and out, one module a subject. `plugins/filter/espalier.py` gives them
to `playbooks/group_vars/`, which says in one line a role input where it comes from.
"""
