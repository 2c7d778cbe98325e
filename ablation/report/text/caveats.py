"""What a reader must not conclude from a study."""

from __future__ import annotations

from ablation.report.data.study_table import StudyTable
from ablation.report.effects.arms import confounds
from ablation.report.rendering.formatting import capitalized
from ablation.report.text.comparisons import compared_with_test, test_text
from ablation.report.text.settling import looks_text

DESIGNS = {
    "one-factor": "one factor at a time: the baseline, every level of every factor alone, "
    "and named arms",
    "factorial": "factorial: every level of each factor with every level of the others",
    "search": "search: the baseline and named arms, then what a sampler draws, one training each",
    "confirmation": "confirmation: what a search found best, over fresh seeds",
    "imported": "runs that were trained elsewhere; {test}",
}


def design_text(table: StudyTable) -> str:
    """How arms were chosen; of runs that were read from a table how these are compared."""
    return DESIGNS[table.design].format(test=test_text(table.comparison))


def caveats(table: StudyTable) -> list[str]:
    """What a reader must not conclude from the study."""
    if not table.knows_trainings:
        return _of_figures_alone(table)
    lines = [
        "Everything here is conditional on what was held fixed (listed below): with other fixed "
        "settings the differences can be others.",
        f"{capitalized(table.outcome_text(table.metric.text))} decides.",
    ]
    if table.metric.about:
        lines[-1] += f" {table.metric.about}"
    if len(table.arms) > 1:
        lines[-1] += (
            f" The {'highest' if table.metric.sign > 0 else 'lowest'} of several means is partly "
            "luck, so the best arm's own figure is optimistic."
        )
    lines += _resizing(table)
    if table.settling is not None:
        lines.append(
            f"{looks_text(table.settling).capitalize()} were declared; an arm is trained until one "
            "settles it. One that stops early stops where its effect looks clear, so the effects "
            "of arms found better or worse are a little too large on average. Arms have different "
            "numbers of seeds, so their means are not compared; effects are, over common seeds."
        )
    is_scored = bool(table.trials["test_value"].notna().any())
    if table.design == "search":
        lines.append(
            "Every setting was trained once, with one seed: differences between trials include "
            "chance."
        )
        if not is_scored:
            lines[-1] += " The test set was not scored, so nothing was chosen by it."
    elif len(table.arms) > 1:
        lines.append(
            f"Pairs share a seed, and so {table.words.shared}. They "
            f"cover re-runs on these {table.words.examples}; they say nothing about new "
            f"{table.words.examples}."
        )
    if table.design == "confirmation" and not table.chosen:
        lines.append("Test figures are not shown before a setting has been chosen.")
    elif is_scored:
        lines.append(
            f"Test figures are shown for the record and chose nothing.{compared_with_test(table)}"
        )
    if table.arms["reported_test_accuracy"].notna().any():
        lines.append("Reported figures are one run each, published elsewhere; their spread is "
                     "unknown.")  # fmt: skip
    return lines


def _of_figures_alone(table: StudyTable) -> list[str]:
    """What a reader must not conclude from runs that were trained elsewhere."""
    metric, comparison = table.metric, table.comparison
    best = "highest" if metric.sign > 0 else "lowest"
    lines = [
        "These runs were trained elsewhere. What arms differ in beyond what the table says is not "
        "known here, nor whether figure and margin were chosen after the results were seen.",
        f"{capitalized(table.outcome_text(metric.text))} decides. The {best} of several means is "
        "partly luck, so the best arm's own figure is optimistic.",
        _about_test(table),
    ]
    if not table.margin:
        lines.append("No margin was given, so nothing can be called equivalent.")
    if len(table.blocks):
        blocks = comparison.counted_blocks(table.blocks["block"].nunique())
        lines.append(f"The results speak of these {blocks}, not of others.")
    lines.append("The results cover these data; they say nothing about new data.")
    if table.trials["test_value"].notna().any():
        lines.append(f"{capitalized(metric.test)} is shown for the record and decides nothing.")
    return lines


def _about_test(table: StudyTable) -> str:
    """What the test takes for granted."""
    comparison = table.comparison
    if comparison.method == "paired":
        return (
            f"Runs with the same value of {comparison.of} are taken for pairs. That makes tests "
            f"sharper where {comparison.of} means the same in every arm, and costs some power "
            "elsewhere."
        )
    if comparison.method == "folds":
        return (
            "Folds of one cross-validation share training data, so intervals and tests are "
            "corrected (Nadeau and Bengio 2003). The correction is an approximation, and other "
            "data, or another split, can give other differences."
        )
    if comparison.method == "welch":
        return (
            "Runs are unpaired: each is taken for independent of the others. It takes more of them "
            "than of pairs to show the same difference."
        )
    return (
        "Means, standard deviations and numbers of runs are taken as they were given, and runs for "
        "independent: no run can be looked at."
    )


def _resizing(table: StudyTable) -> list[str]:
    """That settings which resize the network change more than themselves, where they do."""
    arms, base = table.arms, table.arms.iloc[0]
    differences = confounds(arms)
    names, changed = [], set()
    for name, title in table.words.resizing.items():
        if name in table.factors:
            moved = arms.loc[(arms[name] != base[name]) & (arms[name] != ""), "arm"]
            what = set(differences.loc[differences["arm"].isin(moved), "what"])
            names += [title] if what else []
            changed |= what
    if not names:
        return []
    also = {
        "sequence_length": f"the number of {table.words.steps}",
        "parameters": "how large the network is",
    }
    *others, last = names
    subject = f"{', '.join(others)} and {last}" if others else last
    also_change = "also change" if others or last.endswith("s") else "also changes"
    return [
        f"{capitalized(subject)} {also_change} "
        f"{' and '.join(text for what, text in also.items() if what in changed)}: such an arm "
        "changes several things at once."
    ]
