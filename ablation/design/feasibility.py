"""Which settings cannot be trained, and why."""

from __future__ import annotations

from ablation.space.schema import Space
from crnn.network.config import Setting
from crnn.network.shapes import infeasible_because, shapes


def infeasible_reason(space: Space, setting: Setting) -> str | None:
    """Why a setting cannot be trained, or goes beyond the space's limits; None where it can."""
    if why := infeasible_because(setting.model):
        return why
    if 0 in (*setting.train.images(), *space.trained(setting).train.images()):
        return "train_size and train_fraction leave no image to train or to validate"
    for trained in (setting, space.trained(setting)):
        if why := _nothing_to_normalise(trained):
            return why
    return _beyond(space, setting)


def _nothing_to_normalise(setting: Setting) -> str | None:
    """Batch normalisation needs two values of a channel in every batch, the last one too."""
    model, train = setting.model, setting.train
    if not model.batch_norm or train.images()[0] % train.batch_size != 1 % train.batch_size:
        return None
    blocks = enumerate(shapes(model).stages[: model.conv_layers])
    single = [n + 1 for n, stage in blocks if stage.shape[1] == 1 and not model.pools(n)]
    if not single:
        return None
    return (
        f"block {single[0]}: batch_norm has one value to normalise, its map is 1 x 1 and the last "
        f"batch of an epoch one image ({train.images()[0]:,} by {train.batch_size}); change "
        "batch_size"
    )


def _beyond(space: Space, setting: Setting) -> str | None:
    counted = shapes(setting.model)
    for key in constraint_violations(space, setting):
        limit, value = getattr(space.limits, key), getattr(counted, key)
        if value > limit:
            return f"{key}: {value:,} is beyond the limit of {limit:,}"
    return None


def constraint_violations(space: Space, setting: Setting) -> dict[str, float]:
    """By limit of the space: how far beyond a setting goes, as a part of it; else 0 or below.

    Raises:
        ValueError: the network cannot exist.
    """
    counted = shapes(setting.model)
    limits = {key: limit for key, limit in space.limits if limit is not None}
    return {key: getattr(counted, key) / limit - 1 for key, limit in limits.items()}
