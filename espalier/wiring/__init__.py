"""What roles are given: pure functions, called by Ansible's filters, plain data to plain data."""
