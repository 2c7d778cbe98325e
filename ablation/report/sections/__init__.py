"""Sections of a report: words, figures and tables that belong together."""
