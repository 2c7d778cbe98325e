"""Which rows of a table are runs, and the one figure that each run has."""
