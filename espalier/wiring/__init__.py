"""What roles are given: pure functions that filters of Ansible call, plain data in and out."""
