"""What the trials of a design say: effects, contrasts, verdicts, progress."""
