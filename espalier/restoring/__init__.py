"""A moment of the backups brought back: which one (`moment`), and what that costs (`plan`)."""
