"""Files of tables: what each is by its content, and its cells as text."""
