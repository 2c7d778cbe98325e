"""optuna-dashboard, with the pages that a running study keeps there."""
