"""Claims about what Loupe does. `tests/support` holds what several of them share."""
