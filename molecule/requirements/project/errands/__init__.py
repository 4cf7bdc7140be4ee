"""A project whose requirements come from everywhere."""
