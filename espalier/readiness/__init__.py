"""Whether a site could be made now: all that can be known before a machine is changed.

`control` looks from the control machine (names, host keys, ports), `playbook` has Ansible look at
the machines, `judge` says what that means. All of it ends in findings, one line each.
"""
