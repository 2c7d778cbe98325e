"""What optuna-dashboard shows of a study: a note, graphs, and pictures of each trial."""
