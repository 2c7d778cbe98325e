"""What columns are, as far as their names alone say it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ablation.objective.metric import Direction

COMPLETE, FAIL, RUNNING, PRUNED = "COMPLETE", "FAIL", "RUNNING", "PRUNED"
ENDINGS = {
    COMPLETE: "finished complete completed success succeeded successful done ok",
    RUNNING: "running pending scheduled queued waiting starting created",
    PRUNED: "pruned early_stopped",
    FAIL: "crashed failed fail failure killed error errored aborted preempted cancelled canceled "
    "timeout oom diverged unfinished",
}
STATES = {word: state for state, words in ENDINGS.items() for word in words.split()}
PREFIXES = (
    *("params_", "params.", "params/", "param_", "param.", "hparams/", "hparams.", "hparams_"),
    *("config.", "config/", "config_", "metrics.", "metrics/", "summary.", "summary/"),
    *("user_attrs_", "attributes.", "tags."),
)
"""What exporters put before names of settings and figures."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RATES = _words(
    "acc accs accuracy accuracies auc auroc auprc aucpr aucroc rocauc prauc roc ap map f1 fscore "
    "f1score iou miou jaccard dice precision recall sensitivity specificity tpr tnr ppv npv mrr "
    "ndcg hits em"
)
"""Figures between 0 and 1, which many write in percent."""
HIGHER = RATES | _words(
    "bleu sacrebleu rouge rouge1 rouge2 rougel rougelsum meteor cider chrf bertscore r2 rsquared "
    "psnr ssim mcc kappa spearman pearson reward rewards returns success winrate likelihood "
    "elbo"
)
LOWER = _words(
    "loss losses err errs error errors rmse mse mae mape smape rmsle msle nrmse ppl perplexity ece "
    "wer cer ter eer fid kid fvd nll lpips brier logloss crossentropy bpb bpc bpd regret "
    "deviance misclassification"
)
UNCLEAR = _words(
    "drop gap gain delta diff difference change reduction improvement ratio minus relative rel "
    "normalized normalised rank epoch step time steps epochs weight smoothing scale threshold "
    "count num"
)
SPREADS = _words(
    "std sd stdev stddev stderr sem se var variance ci ci95 iqr min max lower upper low high conf"
)
FIGURES = _words("score value result results performance top1 top5 metric_value")
DEVIATIONS = _words("std sd stdev stddev")
MEANS = _words("mean avg average")
COUNTS = _words("n runs seeds n_runs n_seeds num_runs num_seeds replicates")
ERRORS_OF_MEANS = _words("stderr sem se")
TRAINING = _words("train training tr fit")
VALIDATION = _words("val valid validation dev eval evaluation")
TESTING = _words("test testing tst heldout holdout")

SEEDS = _words("seed seeds random_state randomstate")
RUNS = (
    *("run", "run_id", "runid", "run_name", "run_number", "run_idx", "run_nr", "rep", "reps"),
    *("repeat", "repeats", "repetition", "repetitions", "cv_repeat", "replicate", "replica"),
    *("trial", "trial_id", "attempt", "instance", "iteration", "uuid", "file"),
)
REPEATS = _words("repeat repeats repetition repetitions rep reps cv_repeat")
"""Of a cross-validation, beside its folds."""
EPOCHS = (
    *("epoch", "ep", "step", "global_step", "_step", "training_iteration", "iteration", "iter"),
    *("round", "timestep", "timesteps", "total_timesteps", "env_step", "env_steps", "num_steps"),
    *("batch", "update", "updates"),
)
ENDS = ("state", "status", "run_state", "run_status")
TIMES = (
    *("created", "created_at", "createdat", "start_time", "started", "started_at", "starttime"),
    *("datetime_start", "time_start", "timestamp", "_timestamp", "datetime", "date"),
    *("end_time", "finished", "datetime_complete"),
)
TASKS = _words(
    "dataset datasets data task tasks env environment benchmark domain subject scenario problem "
    "corpus language lang game site target"
)
SPLITS = _words("checkpoint ckpt stage split phase subset partition eval_set eval_split")
BOOKKEEPING = _words(
    "host hostname node machine gpu device user author commit sha path dir folder url note notes "
    "comment description info message reason tag tags file job"
)
MACHINES = _words(
    "host hostname node machine gpu gpus gpu_id device device_id cuda num_workers n_jobs threads "
    "num_threads local_rank verbose"
)
"""Settings of where a run is trained, which hardly change its result."""
SETTINGS = _words(
    "lr learning_rate batch_size bs dropout weight_decay wd optimizer optim momentum hidden_size "
    "hidden_dim num_layers n_layers layers width depth scheduler lr_schedule schedule warmup "
    "warmup_steps temperature augment augmentation activation patience max_epochs num_epochs"
)
MEASURES = _words(
    "metric metric_name metrics measure measure_name score_name eval_metric scorer scoring"
)
ARMS = (
    *("arm", "method", "strategy", "variant", "ablation", "model", "algorithm", "algo", "config"),
    *(
        "framework",
        "approach",
        "condition",
        "treatment",
        "experiment",
        "setting",
        "group",
        "system",
        "name",
    ),
)
AVERAGES = _words("mean avg average std sd stdev median total overall all min max sem stderr var")


def bare(name: str, prefixes: Sequence[str] = ()) -> str:
    """A column's name without what its exporter has put before it."""
    for start in (*prefixes, *PREFIXES):
        if start and name.lower().startswith(start.lower()) and len(name) > len(start):
            return name[len(start) :]
    return name


def leaf(name: str) -> str:
    """The last part of a name, in lower case: ``seed`` of ``config.train/Seed``."""
    last = re.split(r"[./]", bare(name).strip())[-1]
    return re.sub(r"[\s-]+", "_", last.lower())


def words_of(name: str) -> set[str]:
    """The words in a name: ``val``, ``acc1`` and ``acc`` of ``valAcc1``."""
    plain = re.sub(r"\b([rf])[\^ _-]([12])\b", r"\1\2", name.replace("R²", "r2").lower())
    camel = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
    found = set(re.findall(r"[a-z]+\d*|%", f"{plain} {camel}"))
    return found | {re.sub(r"\d+$", "", word) for word in found}


def direction_of(name: str) -> Direction | None:
    """Whether more or less of a figure is better, where its name is clear."""
    words = words_of(name)
    if words & (UNCLEAR | SPREADS) or re.search(r"(^|[^a-z0-9])1\s*[-−]", name.lower()):
        return None
    up, down = bool(words & HIGHER), bool(words & LOWER)
    if up == down:
        return None
    if words & {"neg", "negative"}:
        if up and "likelihood" not in words:
            return None
        up = not up
    return "maximize" if up else "minimize"


def is_rate(name: str) -> bool:
    """Whether values of 0 to 1 of it are a fraction, and those of 1 to 100 percent."""
    words = words_of(name)
    return bool(words & RATES) or ("rate" in words and direction_of(name) is not None)


def is_seed(name: str) -> bool:
    """Whether a column is one of seeds."""
    last = leaf(name)
    parts = set(last.split("_"))
    return last in SEEDS or bool(parts & SEEDS and not parts & {"n", "num", "number"})


def is_fold(name: str, values: Iterable[str]) -> bool:
    """Whether a column is one of the folds of a cross-validation, by its name and its values."""
    last = leaf(name)
    parts = set(last.split("_"))
    if parts & {"n", "num", "total", "folds"} and last != "folds":
        return False
    if parts & {"fold", "folds", "kfold"} or last == "cvfold":
        return True
    kept = [value for value in values if value]
    return bool(kept) and "split" in parts and all(re.fullmatch(r"\D*\d+", v) for v in kept)


def is_task(name: str, values: Iterable[str]) -> bool:
    """Whether a column is one of data sets and such, by its name and its values."""
    words = {word for word in words_of(name) if not word.endswith("_")}
    if not words & TASKS or direction_of(name) or is_seed(name):
        return False
    if leaf(name) in TASKS or not words - TASKS - {"id", "name", "idx", "nr", "number", "set"}:
        return True
    return not all(re.fullmatch(r"[-+\d.,eE%]*", value) for value in values)


def first_of(names: Sequence[str], known: Sequence[str]) -> str:
    """The column whose name is the earliest of `known`; empty where none is."""
    return min(
        (name for name in names if leaf(name) in known),
        key=lambda name: (known.index(leaf(name)), names.index(name)),
        default="",
    )
