"""What runs a project, where the user does not state it: manage.py, settings, application, …

`detect.detect` asks the other modules in turn. Files are read; no code of the project is run.
"""
