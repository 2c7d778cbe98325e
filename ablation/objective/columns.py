"""Names that tables of trials and arms have for themselves."""

OWN_COLUMNS = frozenset(
    (
        *("against", "arm", "arms", "as_returned", "best_epoch", "best_value", "budget", "chance"),
        *("chance_limit", "change", "changed", "changes", "ci_high", "ci_low", "confirmed"),
        *("confirmed_effect", "confounded", "confusion", "cost", "count", "delta"),
        *("depends_on_order", "design", "device", "digest", "diverged", "duplicate_of", "effect"),
        *("effect_size", "epoch", "expected_value", "factor", "failure", "figure", "finished"),
        *("found", "found_effect", "fused", "given", "history", "index", "interaction"),
        *("interaction_ci_high", "interaction_ci_low", "interaction_p", "interaction_p_holm"),
        *("is_baseline", "kind", "level", "logged", "macs", "mean", "mean_value"),
        *("minimum_detectable", "n", "name", "named", "note", "number", "optimism", "origin"),
        *("other_order", "other_where", "p_holm", "p_value", "pairs", "parameters", "precision"),
        *("predicted", "rank", "reason", "replicate", "reported_test_accuracy"),
        *("reported_test_loss", "reports", "returned", "role", "sd", "seconds", "seed"),
        *("seeds_to_settle_high", "seeds_to_settle_low", "sequence_length", "setting", "stage"),
        *("started", "state", "step", "term", "test_loss_mean", "test_mean", "test_sd"),
        *("test_value", "threads", "traceback", "trial", "true", "val_mean", "val_sd", "value"),
        *("verdict", "without"),
    )
)
"""A user's setting of one of these names gets a prefix, and no figure may have one."""

PREFIX = "setting."


def column(setting: str) -> str:
    """What a setting of this name is called in tables."""
    return f"{PREFIX}{setting}" if setting in OWN_COLUMNS else setting
