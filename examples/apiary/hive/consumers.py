"""The WebSocket of every open page."""

import os
from typing import Any

from channels.generic.websocket import AsyncJsonWebsocketConsumer


class Hum(AsyncJsonWebsocketConsumer):
    """Says which release it is, sends back what it is sent, and tells when a jar is full."""

    groups = ("hive",)

    async def connect(self) -> None:
        """Greet whoever comes."""
        await self.accept()
        await self.send_json({"release": os.environ.get("ESPALIER_RELEASE", "")})

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """Send it back."""
        await self.send_json({"echo": content})

    async def jar_filled(self, event: dict[str, Any]) -> None:
        """Tell of a jar that a worker has filled."""
        await self.send_json({"filled": event["jar"]})
