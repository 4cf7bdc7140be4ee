"""Settings that fail, as a project's settings do when something is missing."""

SECRET_KEY = {}["no-such-key-in-the-project"]
