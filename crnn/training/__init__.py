"""Training, evaluation, checkpoints and weights."""
