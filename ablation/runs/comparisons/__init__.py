"""What is compared with what: arms, pairs of runs, blocks."""
