"""What can go wrong."""


class BackupError(Exception):
    """A sentence for the person at the terminal; `detail` is what a program wrote."""

    def __init__(self, sentence: str, detail: str = "") -> None:
        """Take the sentence, and what a program wrote."""
        super().__init__(sentence)
        self.detail = detail
