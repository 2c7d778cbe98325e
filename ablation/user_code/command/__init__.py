"""A user's program: its words, its process, what it prints."""
