"""The visitor's address where Django's own server is asked through a socket, which has none."""

from django.http import HttpRequest


def name_visitor(request: HttpRequest) -> None:
    """Put the address that nginx tells into REMOTE_ADDR, if the connection has none.

    Only nginx reaches the socket, and it sets X-Real-IP itself, whatever a visitor wrote.
    """
    if not request.META.get("REMOTE_ADDR") and (told := request.META.get("HTTP_X_REAL_IP")):
        request.META["REMOTE_ADDR"] = told
