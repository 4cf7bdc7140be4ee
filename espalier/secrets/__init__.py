"""The site's secrets: what they are, where they are kept, and how they are rotated.

They lie in files beside the inventory, or in its ansible-vault; `docs/secrets.md` is the guide.
"""
