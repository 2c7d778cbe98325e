"""A study as DataFrames."""
