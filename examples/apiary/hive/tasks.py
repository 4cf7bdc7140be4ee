"""What workers do beside the pages."""

import os
import time

from asgiref.sync import async_to_sync
from celery import shared_task
from channels.layers import get_channel_layer
from django.db.models import F

from hive.models import Inspection, Jar


@shared_task
def fill(pk: int) -> None:
    """Fill a jar, which takes as long as it says, and tell every open page."""
    jar = Jar.objects.get(pk=pk)
    time.sleep(jar.seconds)
    release = os.environ.get("ESPALIER_RELEASE", "")
    Jar.objects.filter(pk=pk).update(fillings=F("fillings") + 1, filled_by=release)
    tell = async_to_sync(get_channel_layer().group_send)
    tell("hive", {"type": "jar.filled", "jar": {"id": pk, "name": jar.name}})


@shared_task
def inspect() -> None:
    """Look into the hive."""
    Inspection.objects.create()
