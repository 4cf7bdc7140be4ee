# Run by `release` in a new release whose front page is a server error, where its log does not say
# why, as logging of the project's own may leave tracebacks out: raises what the page raises.
import sys

import django

django.setup()

from django.test import Client

Client(HTTP_HOST=sys.argv[1], HTTP_X_FORWARDED_PROTO="https").get("/", secure=True)
