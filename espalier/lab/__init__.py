"""The lab: throw-away local machines with real systemd and real SSH, made from an inventory.

`inventory` reads which, `image` builds what they start from, `machines` starts and removes them.
"""
