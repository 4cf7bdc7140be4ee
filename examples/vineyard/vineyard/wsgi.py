"""WSGI application of vineyard."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vineyard.settings")

application = get_wsgi_application()
