#!/usr/bin/python
"""Try the destination of the backups: write there, read it back, delete it."""

from __future__ import annotations

DOCUMENTATION = """
module: backup_destination
short_description: Try the destination of the backups
description:
  - Writes a small object where the backups go, reads it back and deletes it. Directories that this
    needs are made, and removed. Nothing stays there, and nothing on the machine.
  - Needs nothing that a new machine lacks, but for C(to=sftp) the package C(openssh-client).
options:
  settings:
    description:
      - C(backup) of hosts.yml with its defaults. C(to) is C(s3) (with C(bucket), C(endpoint) and
        C(region)), C(sftp) (with C(host), C(user), C(port) and C(host_key)), or C(machine), where
        this runs on the machine that keeps the backups. C(path) is for all.
    type: dict
    required: true
  secrets:
    description: C(access_key) and C(secret_key) for C(s3), C(ssh_key) (a private key) for C(sftp).
    type: dict
    default: {}
  stanza:
    description: The site's name, by which its backups are found.
    type: str
    required: true
author: Espalier
"""

EXAMPLES = """
- name: Try the destination
  backup_destination:
    settings: {to: s3, bucket: b, endpoint: s3.example.com, region: us-east-1, path: /shop/live}
    secrets: {access_key: "{{ access_key }}", secret_key: "{{ secret_key }}"}
    stanza: shop
"""

RETURN = """
problem:
  description: What is wrong, where that is written, what to write instead; "" if all is well.
  type: str
  returned: always
clock_skew:
  description:
    - Seconds that the destination's clock is ahead of the machine's. Null where that is unknown, as
      for C(machine).
  type: float
  returned: always
has_backups:
  description: Whether there are backups of this site already. False where that is unknown.
  type: bool
  returned: always
info_begins:
  description:
    - The first 32 bytes of pgBackRest's list of them, encrypted as they are, in base64; "" for
      none. By them it is seen whether a passphrase opens the backups.
  type: str
  returned: always
free_bytes:
  description: What is free there, in bytes. Null where nobody says, as for C(s3).
  type: int
  returned: always
"""

from typing import Any

from ansible.module_utils.backup_destination.machine import try_machine
from ansible.module_utils.backup_destination.problem import Problem
from ansible.module_utils.backup_destination.s3 import try_s3
from ansible.module_utils.backup_destination.sftp import try_sftp
from ansible.module_utils.basic import AnsibleModule

TRIALS = {"s3": try_s3, "sftp": try_sftp, "machine": try_machine}


def main() -> None:
    """Run the module."""
    arguments = {
        "settings": {"type": "dict", "required": True},
        # Ansible hides each of its values in whatever is returned.
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "stanza": {"type": "str", "required": True},
    }
    module = AnsibleModule(arguments, supports_check_mode=True)
    settings, secrets = module.params["settings"], module.params["secrets"]
    seen: dict[str, Any] = {"clock_skew": None, "free_bytes": None}
    seen |= {"has_backups": False, "info_begins": ""}
    problem = ""
    try:
        TRIALS[settings["to"]](settings, secrets, module.params["stanza"], seen)
    except Problem as error:
        problem = str(error)
    module.exit_json(changed=False, problem=problem, **seen)


if __name__ == "__main__":
    main()
