"""Names that tables of trials and arms have for themselves."""

from typing import Literal

OWN_COLUMNS = frozenset(
    (
        *("against", "arm", "arms", "as_returned", "best_epoch", "best_value", "budget", "chance"),
        *("chance_limit", "change", "changed", "changes", "ci_high", "ci_low", "confirmed"),
        *("confirmed_effect", "confounded", "confusion", "cost", "count", "delta"),
        *("depends_on_order", "design", "device", "digest", "diverged", "duplicate_of", "e_looks"),
        "effect",
        *("effect_size", "epoch", "expected_value", "factor", "failure", "figure", "finished"),
        *("found", "found_effect", "fused", "given", "history", "index", "interaction"),
        *("interaction_ci_high", "interaction_ci_low", "interaction_p", "interaction_p_holm"),
        *("is_baseline", "kind", "level", "logged", "macs", "mean", "mean_value"),
        *("minimum_detectable", "n", "name", "named", "note", "number", "optimism", "origin"),
        *("other_order", "other_where", "p_holm", "p_looks", "p_value", "pairs", "parameters"),
        *("precision", "predicted", "rank", "reason", "repeated_high", "repeated_low"),
        *("replicate", "reported_test_accuracy"),
        *("reported_test_loss", "reports", "returned", "role", "sd", "seconds", "seed"),
        *("seeds_to_settle_high", "seeds_to_settle_low", "sequence_length", "setting"),
        *("settled_look", "settled_seeds", "stage"),
        *("started", "state", "step", "term", "test_loss_mean", "test_mean", "test_sd"),
        *("test_value", "threads", "traceback", "trial", "true", "val_mean", "val_sd", "value"),
        *("verdict", "without"),
    )
)
"""No figure that a space names may be called so: figures stand in all tables."""

BESIDE_SETTINGS = frozenset(
    (
        # of trials
        *("arm", "as_returned", "best_epoch", "best_value", "chance", "chance_limit", "device"),
        *("diverged", "duplicate_of", "failure", "finished", "fused", "given", "is_baseline"),
        *("macs", "number", "parameters", "precision", "replicate", "reports", "seconds", "seed"),
        *("sequence_length", "stage", "started", "state", "test_loss", "test_value", "threads"),
        "value",
        # of arms
        *("against", "changed", "changes", "factor", "kind", "level", "named", "note"),
        *("path_step", "reported_test_accuracy", "reported_test_loss", "search_rank", "trial"),
        "without",
    )
)
"""A user's setting of one of these names gets a prefix: settings stand in tables of trials, and
those that are varied in tables of arms."""

PREFIX = "setting."
Naming = Literal[1, 2]
NAMING: Naming = 2
"""By which names settings get a prefix; 1 in studies of earlier versions, by `OWN_COLUMNS`."""


def column(setting: str, naming: Naming = NAMING) -> str:
    """What a setting of this name is called in tables.

    Args:
        setting: its own name.
        naming: that of its study; see `NAMING`.
    """
    taken = OWN_COLUMNS if naming == 1 else BESIDE_SETTINGS
    return f"{PREFIX}{setting}" if setting in taken else setting
