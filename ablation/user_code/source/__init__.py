"""A user's code, imported and described by a process of its own."""
