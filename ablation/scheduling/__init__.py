"""Which training comes next: of a design, of a search, of its confirmation."""
