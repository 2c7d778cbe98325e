"""Tables of well-known programs, recognised by their columns."""
