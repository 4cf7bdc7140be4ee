"""What can go wrong."""


class ReplicaError(Exception):
    """A sentence for the person at the terminal."""
