"""A harness that tells which settings of a network matter, by how much, and how sure we are."""
