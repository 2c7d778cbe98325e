"""Runs that were trained elsewhere: a table of them read into what an analysis takes."""
