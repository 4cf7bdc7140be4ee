"""Look names up in DNS, past /etc/hosts; run by certbot's Python, which has dnspython.

    resolve.py NAME…        prints {name: {"addresses": […], "caa": [[tag, value], …], "error": ""}}
"""

import json
import sys

import dns.exception
import dns.name
import dns.resolver

resolver = dns.resolver.Resolver()
resolver.lifetime = 10


def answers(name, kind):
    try:
        return list(resolver.resolve(name, kind))
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []


def caa(name):
    """The records of the name, or of the nearest parent that has any (RFC 8659)."""
    while name != dns.name.root:
        if found := answers(name, "CAA"):
            return [[one.tag.decode(), one.value.decode()] for one in found]
        name = name.parent()
    return []


def records(text):
    name = dns.name.from_text(text)
    try:
        found = [one.address for kind in ("A", "AAAA") for one in answers(name, kind)]
        return {"addresses": found, "caa": caa(name), "error": ""}
    except dns.exception.DNSException as error:
        return {"addresses": [], "caa": [], "error": str(error).split("\n")[0]}


print(json.dumps({name: records(name) for name in sys.argv[1:]}))
