"""Figures, drawn from DataFrames alone."""
