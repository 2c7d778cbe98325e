"""Tables as text: what a cell says, and how several files are one table."""
