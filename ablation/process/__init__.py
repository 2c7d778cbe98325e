"""This process: its signals, its warnings, and what its environment hands on to others."""
