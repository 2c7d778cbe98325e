"""One training of a user's function."""
