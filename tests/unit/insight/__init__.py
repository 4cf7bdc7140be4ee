"""`espalier.insight`: recordings of simulated sites, and what each must show, literally."""
