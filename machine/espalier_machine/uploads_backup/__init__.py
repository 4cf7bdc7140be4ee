"""The program `uploads-backup`: saves the site's uploads by restic, and brings them back.

One timer runs `run` every minute, another one `forget` every night. The pure parts, which decide,
are `choose`, `patterns`, `snapshots` and `explain`.
"""
