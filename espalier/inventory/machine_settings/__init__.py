"""What a person may say in hosts.yml about how machines are run: `firewall`, `ssh` and so on.

One module for each key: its schema, with its sentences. `check` has the table of keys.
"""
