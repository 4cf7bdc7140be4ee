"""The tiny project that the overlay is tried on; it works with `runserver`, unaware of the kit."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tiny.settings")
    execute_from_command_line(sys.argv)
