"""What the author of a space wrote: its schema, and the reader of its file."""
