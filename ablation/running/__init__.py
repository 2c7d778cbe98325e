"""Trainings in worker processes, and the coordinator that records them."""
