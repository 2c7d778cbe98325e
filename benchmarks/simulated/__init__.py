"""Simulated studies, of which the truth is known."""
