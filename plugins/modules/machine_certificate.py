#!/usr/bin/python
"""Make a key and a request for a certificate, or keep the certificate that came of it."""

from __future__ import annotations

DOCUMENTATION = """
module: machine_certificate
short_description: Make a key and a request for a certificate, or keep the certificate
description:
  - The machine's side of the task of this name. Without C(certificate) it makes a key and a
    request.
    With it, key and certificate become C(<directory>/<serial>/machine.key) and C(machine.crt), and
    the fact C(machine_certificate) says so. A new one never takes an old one's place, as whoever
    serves with that reads its two files one after the other.
options:
  directory:
    description: Where the machine keeps them.
    type: path
    required: true
  certificate:
    description: The certificate that was made of the last request, in PEM.
    type: str
author: Espalier
"""

EXAMPLES = """
- name: Make a key and a request
  machine_certificate: {directory: /etc/espalier/tls}
"""

RETURN = """
request:
  description: The request, in PEM.
  type: str
  returned: without certificate
ansible_facts:
  description: C(machine_certificate), as C(machine_facts) gives it.
  type: dict
  returned: with certificate
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule

KEPT = 2  # the new one, and the one that services may have read


def main() -> None:
    """Run the module."""
    arguments = {
        "directory": {"type": "path", "required": True},
        "certificate": {"type": "str"},
    }
    module = AnsibleModule(arguments)
    directory, certificate = module.params["directory"], module.params["certificate"]
    os.makedirs(directory, mode=0o755, exist_ok=True)
    new = os.path.join(directory, "new")

    def openssl(*argv: str) -> str:
        return str(module.run_command(["openssl", *argv], check_rc=True)[1])

    if not certificate:
        shutil.rmtree(new, ignore_errors=True)
        os.mkdir(new, 0o700)
        key = os.path.join(new, "machine.key")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        request = openssl("req", "-new", "-key", key, "-subj", "/CN=machine")
        module.exit_json(changed=True, request=request)
    file = os.path.join(new, "machine.crt")
    with open(file, "w") as stream:
        stream.write(certificate)
    serial = openssl("x509", "-noout", "-serial", "-in", file).strip().partition("=")[2].lower()
    # PostgreSQL and pgbouncer read it as a user of this group.
    shutil.chown(os.path.join(new, "machine.key"), "root", "ssl-cert")
    os.chmod(os.path.join(new, "machine.key"), 0o640)
    os.chmod(new, 0o755)
    path = os.path.join(directory, serial)
    os.rename(new, path)
    others = [os.path.join(directory, name) for name in os.listdir(directory)]
    pairs = sorted(filter(os.path.isdir, others), key=os.path.getmtime)
    for old in pairs[:-KEPT]:
        shutil.rmtree(old)
    facts = {"machine_certificate": {"directory": path, "pem": certificate}}
    module.exit_json(changed=True, ansible_facts=facts)


if __name__ == "__main__":
    main()
