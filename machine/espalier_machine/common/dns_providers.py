"""DNS providers by which a certificate can be had (DNS-01), each by a plugin of certbot's.

The plugins' versions, and those of all that they need, stand in certificate/templates/certbot.txt.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Provider:
    """A plugin, and what it wants to be told.

    Attributes:
        package: on the Python index; without `certbot-` its name in certbot's options.
        keys: what its credentials have at least, without the plugin's name before it.
        form: of the credentials: `ini` (certbot's), `aws` (of AWS's own programs) or `json`.
        waits: whether certbot is told how long to wait until all name servers have a record.
    """

    package: str
    keys: tuple[str, ...]
    form: str = "ini"
    waits: bool = True

    @property
    def plugin(self) -> str:
        """Its name in certbot's options."""
        return self.package.removeprefix("certbot-")

    @property
    def needed(self) -> tuple[str, ...]:
        """The keys as they stand in the credentials."""
        prefix = f"{self.plugin.replace('-', '_')}_" if self.form == "ini" else ""
        return tuple(prefix + key for key in self.keys)


PROVIDERS = {
    "cloudflare": Provider("certbot-dns-cloudflare", ("api_token",)),
    "digitalocean": Provider("certbot-dns-digitalocean", ("token",)),
    "dnsimple": Provider("certbot-dns-dnsimple", ("token",)),
    "dnsmadeeasy": Provider("certbot-dns-dnsmadeeasy", ("api_key", "secret_key")),
    "gandi": Provider("certbot-dns-gandi", ("token",)),
    "gehirn": Provider("certbot-dns-gehirn", ("api_token", "api_secret")),
    "google": Provider("certbot-dns-google", ("private_key", "client_email"), form="json"),
    "hetzner": Provider("certbot-dns-hetzner-cloud", ("api_token",)),
    "linode": Provider("certbot-dns-linode", ("key",)),
    "luadns": Provider("certbot-dns-luadns", ("email", "token")),
    "nsone": Provider("certbot-dns-nsone", ("api_key",)),
    "ovh": Provider(
        "certbot-dns-ovh", ("endpoint", "application_key", "application_secret", "consumer_key")
    ),
    "rfc2136": Provider("certbot-dns-rfc2136", ("server", "name", "secret")),
    # The plugin asks Route 53 itself whether a change is everywhere.
    "route53": Provider(
        *("certbot-dns-route53", ("aws_access_key_id", "aws_secret_access_key")),
        form="aws",
        waits=False,
    ),
    "sakuracloud": Provider("certbot-dns-sakuracloud", ("api_token", "api_secret")),
}


def lacking(name: str, credentials: str) -> tuple[str, ...]:
    """Which keys the credentials for a provider do not have; none for what can be used."""
    provider = PROVIDERS[name]
    if provider.form == "json":
        try:
            found = json.loads(credentials)
        except ValueError:
            return provider.needed
        has = set(found) if isinstance(found, dict) else set()
    else:
        has = set(re.findall(r"^\s*(\w+)\s*=\s*\S", credentials, re.MULTILINE))
    return tuple(key for key in provider.needed if key not in has)


def example(name: str) -> str:
    """Credentials for a provider, on one line, as a sentence shows them."""
    needed = PROVIDERS[name].needed
    if PROVIDERS[name].form == "json":
        return "the JSON file of a service account"
    section = ("[default]",) if PROVIDERS[name].form == "aws" else ()
    return ", ".join((*section, *(f"{key} = …" for key in needed)))
