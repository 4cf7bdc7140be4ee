"""Pages by Django, WebSockets by Channels."""

import os

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apiary.settings")
django = get_asgi_application()

from hive.consumers import Hum  # noqa: E402  Models can be imported only now.

application = ProtocolTypeRouter(
    {
        "http": django,
        "websocket": AllowedHostsOriginValidator(URLRouter([path("hum/", Hum.as_asgi())])),
    }
)
