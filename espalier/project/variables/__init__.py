"""The environment variables that a project's settings read, found without running them.

`interpret` follows the settings' statements, `libraries` knows what django-environ, decouple and
their like read, `given` is what the kit has under which names, and `wanted` puts all together.
"""
