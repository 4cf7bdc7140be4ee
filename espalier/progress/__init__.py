"""What a person sees of a run: one line per machine and stage, a failure told once, a summary.

`events` brings what happens from Ansible's process here, `run` keeps it, `report` has the words.
`screen` shows lines on a terminal or in a pipe, `playbook` runs Ansible, `logs` keeps its output.
"""
