"""Objectives that are a user's code: a training function and its settings."""
