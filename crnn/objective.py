"""The CRNN by the harness's contract: what a study of it trains.

Quick to import: what needs PyTorch is imported when something is trained.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablation import objective as contract
from ablation.errors import DivergedError, UserError, did_you_mean
from ablation.objective import Listener, Pack, Result, Size, load_objective
from ablation.objective.words import Words
from ablation.settings import Value
from ablation.versions import version_of
from crnn.data.classes import CLASSES
from crnn.metrics import AVERAGED, METRICS
from crnn.network.config import (
    FIELDS,
    GOVERNED_BY,
    TRAIN_KEYS,
    Setting,
    chance_limit,
)
from crnn.network.shapes import infeasible_because, shapes

if TYPE_CHECKING:
    from crnn.data.fashion_mnist import FashionMNIST
    from crnn.training.results import Result as Trained

SMALL_OPERATIONS = 8_000_000
"""What an image costs beside its multiply-accumulates, in these: measured on a CPU."""

ROOT = Path(__file__).parents[1]


class CRNNObjective(contract.Objective):
    """The CRNN on Fashion-MNIST; see `ablation.objective.Objective`.

    Args:
        load: gives the images of a folder; `crnn.data.fashion_mnist.load_once` unless given.
        train_packed: trains; `crnn.training.train.train_packed` unless given.
        figure: what decides, one of `METRICS`; the usual one unless given.
    """

    name = "CRNN"
    spec = contract.DEFAULT
    fields = FIELDS
    metrics = METRICS
    length = "epochs"
    training = TRAIN_KEYS
    options: Mapping[str, str] = {"epochs": "epochs", "train_size": "images"}
    kept = ("precision",)
    data_size = ("train_size", "train_fraction")
    classes = CLASSES
    figures: Mapping[str, tuple[float, float]] = {
        "train_loss": (-inf, inf),
        "train_accuracy": (0, 1),
        "val_loss": (-inf, inf),
        "val_accuracy": (0, 1),
        "ema_val_accuracy": (0, 1),
    }
    scores: Mapping[str, tuple[float, float]] = {
        "test_accuracy": (0, 1),
        "test_loss": (-inf, inf),
        "ema_test_accuracy": (0, 1),
        "ema_test_loss": (-inf, inf),
    }
    optional = ("averaging", "ema_val_accuracy", "ema_test_accuracy", "ema_test_loss")
    words = Words(
        example="image",
        examples="images",
        steps="LSTM steps",
        resizing={
            "filter_sizes": "filter sizes",
            "strides": "strides",
            "pooling_count": "pooling",
            "conv_layers": "numbers of convolutions",
        },
        measures={"loss": "cross-entropy loss"},
    )
    columns = (
        *("val_accuracy", "val_loss", "test_accuracy", "test_loss"),
        *("train_accuracy", "train_loss"),
        *("ema_val_accuracy", "ema_test_accuracy", "ema_test_loss"),
    )
    spaces = ROOT / "search_spaces"
    reference = ROOT / "results" / "reference" / "studies.db"
    pace = (
        2.2e11,
        "2 cores of an Intel Xeon with AMX, in bf16, one worker a core (an AMD EPYC without AMX "
        "took five to six times as long)",
    )
    governed_by = GOVERNED_BY
    parts: Mapping[str, str] = {
        "filter_sizes": "filter",
        "channels": "channels",
        "strides": "stride",
    }

    def __init__(
        self,
        load: Callable[[Path], FashionMNIST] | None = None,
        train_packed: Callable[..., list[Trained | DivergedError]] | None = None,
        figure: str = "",
    ) -> None:
        self._load, self._train_packed = load, train_packed
        self.metric = METRICS[figure or self.usual_figure]
        if self.metric.name == self.usual_figure:
            self.beside_metric = ("averaging",)
        else:
            self.spec = deciding(figure)

    def deciding_by(self, figure: str) -> contract.Objective:
        """See the contract."""
        if figure == self.metric.name:
            return self
        if figure not in METRICS:
            raise UserError(f"{figure} cannot decide; {did_you_mean(figure, METRICS)}")
        return objective if figure == self.usual_figure else load_objective(deciding(figure))

    def unreported(self, figure: str, setting: contract.Setting) -> str:
        """See the contract: only what keeps averaged weights has figures of them."""
        if figure != AVERAGED or own_setting(setting).train.averaging:
            return ""
        return "averaging is 0 there, so no weights are averaged; give it averaging = 0.998"

    def setting(self, values: Mapping[str, Any]) -> Setting:
        """See the contract."""
        return Setting.of(values)

    def infeasible(self, setting: contract.Setting) -> str:
        """Why the network cannot exist, or no batch of it be trained."""
        own = own_setting(setting)
        if why := infeasible_because(own.model):
            return why
        if 0 in own.train.images():
            return "train_size and train_fraction leave no image to train or to validate"
        return _nothing_to_normalise(own)

    def unfit(self, setting: contract.Setting) -> str:
        """A batch may not be larger than the training images."""
        train = own_setting(setting).train
        images = train.images()[0]
        return _too_large(train.batch_size, images) if train.batch_size > images else ""

    def unfit_level(self, name: str, level: Value, settings: Sequence[contract.Setting]) -> str:
        """A batch may not be larger than the most training images that a draw may have."""
        most = min(own_setting(setting).train.images()[0] for setting in settings)
        is_large = name == "batch_size" and isinstance(level, int) and level > most
        return _too_large(int(level), most) if is_large else ""  # type: ignore[arg-type]

    def idle(self, setting: contract.Setting) -> set[str]:
        """See the contract."""
        return own_setting(setting).model.without_effect()

    def limits(
        self, name: str, varied: set[str], baseline: contract.Setting
    ) -> tuple[float, float]:
        """A field's bounds; with no block that drops out, it is dropout = 0."""
        low, high = super().limits(name, varied, baseline)
        if name == "dropout_count":
            return 1, high if "conv_layers" in varied else own_setting(baseline).model.conv_layers
        return low, high

    def size(self, setting: contract.Setting) -> Size:
        """See the contract.

        Raises:
            InfeasibleError: the network cannot exist.
        """
        counted = shapes(own_setting(setting).model)
        return Size(counted.sequence_length, counted.parameters, counted.macs)

    def cost(self, setting: contract.Setting) -> float:
        """In multiply-accumulates; a backward pass is two forward ones."""
        own = own_setting(setting)
        train, validate = own.train.images()
        validate *= 2 if own.train.averaging else 1
        passes = own.train.epochs * (3 * train + validate) + 10_000
        return float(passes) * (shapes(own.model).macs + SMALL_OPERATIONS)

    def amount(self, setting: contract.Setting) -> tuple[float, ...]:
        """Epochs, and images of which some validate."""
        train = own_setting(setting).train
        return train.epochs, train.train_size

    def amount_text(self, setting: contract.Setting) -> str:
        """See the contract."""
        train = own_setting(setting).train
        return f"{train.epochs} epochs on {train.images()[0]:,} training images"

    def chance_limit(self, setting: contract.Setting) -> float | None:
        """Three standard errors above guessing."""
        return chance_limit(own_setting(setting).train)

    def epoch_text(self, figures: Mapping[str, float]) -> str:
        """Losses in nats, accuracies in percent."""
        average = figures.get("ema_val_accuracy")
        # A line has 80 columns: beside an average there is no room for training's accuracy.
        train = f" {figures['train_accuracy']:.2%}" if average is None else ""
        ema = "" if average is None else f"  ema {average:.2%}"
        return (
            f"train {figures['train_loss']:.3f}{train}"
            f"  val {figures['val_loss']:.3f} {figures['val_accuracy']:.2%}{ema}"
        )

    def result_text(self, value: float, scores: Mapping[str, float], note: str = "") -> str:
        """Accuracies in percent."""
        names = {"test_accuracy": "test", "ema_test_accuracy": "ema test"}
        tests = [f"  {text} {scores[name]:.2%}" for name, text in names.items() if name in scores]
        of = "ema val" if self.metric.name == AVERAGED else "val"
        return f"{of} {value:.2%}{note}{''.join(tests)}"

    def with_precision(self, setting: contract.Setting, precision: str) -> contract.Setting:
        """The precision is a setting of the training, but no arm's."""
        return setting.replace(precision=precision)

    def pack_key(self, setting: contract.Setting) -> tuple[Value, ...]:
        """As many steps of as many images."""
        return own_setting(setting).pack_key()

    def versions(self) -> dict[str, str]:
        """See the contract."""
        return {name: version_of(name) for name in ("torch", "torchvision", "numpy")}

    def prepare(self, data: Path | None, say: Callable[[str], None]) -> Path:
        """Find or fetch Fashion-MNIST; its folder."""
        from crnn.data.fashion_mnist import data_folder, prepare

        prepare(data, say)
        return data_folder(data)

    def pick_device(self, name: str) -> str:
        """See `ablation.device.pick_device`."""
        from ablation.device import pick_device

        return str(pick_device(name))

    def pick_precision(self, name: str, device: str) -> str:
        """See `ablation.device.pick_precision`."""
        import torch

        from ablation.device import pick_precision

        return pick_precision(name, torch.device(device))

    def gpu_names(self) -> list[str]:
        """The GPUs that PyTorch sees."""
        import torch

        return [str(torch.cuda.get_device_name(n)) for n in range(torch.cuda.device_count())]

    def release_memory(self) -> None:
        """Give cached memory of a GPU back."""
        import torch

        torch.cuda.empty_cache()

    def begin_worker(self, threads: int) -> None:
        """Set PyTorch's threads."""
        import torch

        torch.set_num_threads(threads)

    def state_digest(self, path: Path) -> str:
        """See `crnn.training.checkpoint.state_digest`."""
        from crnn.training.checkpoint import state_digest

        return state_digest(path)

    def train(self, pack: Pack, listener: Listener) -> list[Result | DivergedError]:
        """Train side by side; see `crnn.training.jobs.train_job`."""
        from crnn.training.jobs import train_job

        own = [(own_setting(setting), seed) for setting, seed in pack.members]
        return train_job(pack, own, listener, self._load, self._train_packed)


objective = CRNNObjective()


def deciding(figure: str) -> str:
    """The spec of the objective that another figure than the usual one decides."""
    return f"{__name__}:objective_by {json.dumps(figure)}"


def objective_by(document: str) -> CRNNObjective:
    """The objective that a figure decides, whose name is given as JSON.

    Raises:
        UserError: none of that name can decide.
    """
    found = [figure for figure in METRICS if json.dumps(figure) == document]
    if not found:
        raise UserError(f"{document} cannot decide; {did_you_mean(document, METRICS)}")
    return CRNNObjective(figure=found[0])


def own_setting(setting: contract.Setting) -> Setting:
    """A setting of the harness's as what it is here."""
    if not isinstance(setting, Setting):
        raise TypeError(f"{type(setting).__name__} is no setting of the CRNN")
    return setting


def _too_large(batch: int, images: int) -> str:
    return (
        f"batch_size: {batch:,} is more than the {images:,} training images, so it would train "
        f"the same network as {images:,}; take at most that"
    )


def _nothing_to_normalise(setting: Setting) -> str:
    """Batch normalisation needs two values of a channel in every batch, the last one too."""
    model, train = setting.model, setting.train
    if not model.batch_norm or train.images()[0] % train.batch_size != 1 % train.batch_size:
        return ""
    blocks = enumerate(shapes(model).stages[: model.conv_layers])
    single = [n + 1 for n, stage in blocks if stage.shape[1] == 1 and not model.pools(n)]
    if not single:
        return ""
    return (
        f"block {single[0]}: batch_norm has one value to normalise, its map is 1 x 1 and the last "
        f"batch of an epoch one image ({train.images()[0]:,} by {train.batch_size}); change "
        "batch_size"
    )
