"""What a person sees of a run: one line per machine and stage, a failure told once, a summary.

`playbook` runs Ansible, for whoever runs a playbook: `watch` shows it to a person, `collect` reads
what it found or planned (`results`). `events` brings what happens from Ansible's process here,
`run` keeps it, `report` has the words. `screen` shows lines on a terminal or in a pipe, `logs`
keeps Ansible's output.
"""
