"""Espalier's settings overlay: a Django project's own settings, then what its machine says.

`espalier_overlay.settings` is the `DJANGO_SETTINGS_MODULE` that runs. It imports the module that
`ESPALIER_SETTINGS` names and hands its settings to `espalier_overlay.apply.apply`.
Only Django and the standard library are needed.
"""
