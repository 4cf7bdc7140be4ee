"""What roles are given: pure functions, called by Ansible's filters, from plain data to plain data."""
