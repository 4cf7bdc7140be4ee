"""The kit as somebody installs it: a laptop with the wheel, a project, and a VPS."""
