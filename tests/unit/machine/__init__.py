"""The programs for machines: their modules by name, and the zipapps that are shipped."""
