"""Pages that can be made costly."""
