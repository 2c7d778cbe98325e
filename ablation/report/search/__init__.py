"""What the trials of a search say: importance, interactions, the front."""
