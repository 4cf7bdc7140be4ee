"""What `espalier.wiring` makes of the topology: each function with what it gives, literally."""
