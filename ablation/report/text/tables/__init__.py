"""Tables of a report: text in rows and columns."""
