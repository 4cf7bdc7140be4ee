"""Have the site's account on this machine, in certbot's own form; run by certbot's Python.

    account.py KEY CONFIG-DIRECTORY SERVER EMAIL

The key is the same on every web machine: the authority gives the account that it has for it.
Prints the account's id.
"""

import datetime
import hashlib
import json
import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import josepy
from acme import client, errors, messages
from cryptography.hazmat.primitives import serialization

path, config, server, email = sys.argv[1:]
text = Path(path).read_text()
key = josepy.JWK.json_loads(text)
public = key.key.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
)
# As certbot._internal.account.Account does.
identity = hashlib.md5(public, usedforsecurity=False).hexdigest()
parts = urlsplit(server)
folder = Path(config, "accounts", parts.netloc + parts.path, identity)

if not (folder / "regr.json").exists():
    network = client.ClientNetwork(key, alg=josepy.ES256, user_agent="espalier", timeout=30)
    acme = client.ClientV2(client.ClientV2.get_directory(server, network), network)
    wanted = messages.NewRegistration.from_data(email=email or None, terms_of_service_agreed=True)
    try:
        uri = acme.new_account(wanted).uri
    except errors.ConflictError as known:
        uri = known.location
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    os.umask(0o077)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "private_key.json").write_text(text)
    (folder / "meta.json").write_text(json.dumps({"creation_dt": now, "creation_host": "espalier"}))
    (folder / "regr.json").write_text(json.dumps({"body": {}, "uri": uri}))
print(identity)
