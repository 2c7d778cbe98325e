"""What a check has found is kept by code, baseline and device, and later runs go by it."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ablation.design.loading import build
from ablation.errors import UserError
from ablation.planning.pace import Rate
from ablation.running.kept_checks import (
    FILE,
    KeptCheck,
    Resume,
    checked_rate,
    keep_check,
    kept_check,
    kept_lines,
    may_resume,
)
from ablation.running.launch import launch
from ablation.running.messages import Job, TrialOutcome
from ablation.running.request import Request
from ablation.space.schema import Space
from ablation.storage import storage_url
from tests.helpers.executors import PlayedExecutor
from tests.helpers.made.studies import document


@dataclass
class Code:
    """What of an objective counts here."""

    digest: str = "a"
    name: str = "my.py:train"
    beside_space: bool = True


def space(width: int = 1, **changes: Any) -> Space:
    baseline = SimpleNamespace(values=lambda: {"width": width})
    return cast(Space, SimpleNamespace(objective=Code(**changes), baseline=baseline))


def check(resume: Resume = "exact", device: str = "cpu") -> KeptCheck:
    return KeptCheck(
        trains="my.py:train", device=device, repeats="exact", seeds="yes", arms="yes",
        resume=resume, reports=6,
    )  # fmt: skip


def resumes(results: Path, said: list[str], **options: Any) -> bool:
    return may_resume(
        results, options.pop("space", space()), options.pop("device", "cpu"),
        **{"force": False, "is_new": True, "say": said.append, **options},
    )  # fmt: skip


def test_it_is_kept_by_code_baseline_and_device(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    keep_check(folder, space(), check())
    keep_check(folder, space(), check("no", "cuda"))
    keep_check(folder, space(digest="b"), check("close"))
    keep_check(folder, space(width=2), check("unknown"))
    found = [kept_check(folder, space(), device) for device in ("cpu", "cuda")]
    assert [each and each.resume for each in found] == ["exact", "no"]
    for other in (space(digest="c"), space(width=3), space(width=2, digest="b")):
        assert kept_check(folder, other, "cpu") is None
    keep_check(folder, space(), check("starts over"))
    assert kept_check(folder, space(), "cpu") == check("starts over")


def test_code_that_was_not_checked_is_told_of_once(tmp_path: Path) -> None:
    said: list[str] = []
    assert resumes(tmp_path, said)
    (line,) = said
    assert line.startswith("Not checked yet: whether my.py:train repeats with a seed")
    assert line.endswith("To find out: python -m ablation check SPACE")
    assert resumes(tmp_path, said, is_new=False)
    assert said == [line]
    assert resumes(tmp_path, said, check_command="study check 'my space.toml'")
    assert said[-1].endswith("To find out: study check 'my space.toml'")


def test_a_check_says_how_fast_code_trains(tmp_path: Path) -> None:
    assert checked_rate(tmp_path, space()) is None
    keep_check(tmp_path, space(), check())  # one that does not know
    assert checked_rate(tmp_path, space()) is None
    keep_check(tmp_path, space(), check().model_copy(update={"pace": 2.5}))
    assert checked_rate(tmp_path, space()) == Rate(2.5, "check, on cpu")
    assert checked_rate(tmp_path, space(digest="b")) is None


@pytest.mark.parametrize("resume", ["exact", "starts over"])
def test_what_resumes_exactly_goes_on(resume: Resume, tmp_path: Path) -> None:
    said: list[str] = []
    keep_check(tmp_path, space(), check(resume))
    assert resumes(tmp_path, said)
    assert said == []


@pytest.mark.parametrize("resume", ["close", "no", "unknown"])
def test_what_does_not_starts_over_unless_it_is_forced(resume: Resume, tmp_path: Path) -> None:
    said: list[str] = []
    keep_check(tmp_path, space(), check(resume))
    assert not resumes(tmp_path, said, is_new=False)
    assert said == [
        "my.py:train does not resume exactly, as check found: killed trainings start over. "
        "--force resumes them all the same."
    ]
    assert resumes(tmp_path, said, force=True)
    assert resumes(tmp_path, said, device="cuda", is_new=False)  # of which nothing is known
    assert len(said) == 1


def test_nothing_is_said_of_the_projects_own_code(tmp_path: Path) -> None:
    said: list[str] = []
    own = space(beside_space=False)
    keep_check(tmp_path, own, check("no"))
    assert resumes(tmp_path, said, space=own)
    assert said == []


@pytest.mark.parametrize("content", ["", "{", '{"a cpu": {"resume": "no"}}', "[]"])
def test_a_damaged_file_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(UserError, match=r"_checks.json: not what check writes; delete it"):
        resumes(tmp_path, [])


def test_plans_say_what_a_study_can_count_on(tmp_path: Path) -> None:
    assert kept_lines(tmp_path, space()) == []
    keep_check(tmp_path, space(), check())
    keep_check(tmp_path, space(), check("no", "cuda"))
    keep_check(tmp_path, space(digest="b"), check("close"))
    keep_check(tmp_path, space(width=2), check("close"))
    assert kept_lines(tmp_path, space()) == [
        "Checked on cpu: the same seed repeats, a killed training goes on.",
        "Checked on cuda: the same seed repeats, a killed training starts over.",
    ]


SPACE: dict[str, Any] = {
    "format": 1,
    "question": "How does one get down?",
    "objective": "tests.helpers.valley:objective",
    "design": "one-factor",
    "seeds": 1,
    "margin": 0.01,
    "factors": {"shape": ["narrow"]},
}


def checkpoints(results: Path, **options: Any) -> set[bool]:
    """Whether trainings of a study have checkpoints."""
    plan = build("valley", document(SPACE))

    def play(job: Job) -> list[TrialOutcome]:
        return [TrialOutcome("COMPLETE", 0.5, {"seconds": 1.0}) for _ in job.tasks]

    executor = PlayedExecutor(play)
    request = Request(plan, "valley", storage_url(None, results), results, **options)
    told = nullcontext(lambda event: None)
    launch(request, lambda study: told, lambda line: None, executor=executor)
    return {job.context.checkpoints is not None for job in executor.submitted}


def test_trainings_that_may_not_resume_have_no_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    valley = build("valley", document(SPACE)).space
    monkeypatch.setattr(type(valley.objective), "beside_space", True)  # as if it were a user's code
    keep_check(tmp_path / "a", valley, check("no"))
    keep_check(tmp_path / "b", valley, check())
    assert checkpoints(tmp_path / "a") == {False}
    assert checkpoints(tmp_path / "b") == {True}
    assert checkpoints(tmp_path / "a", seeds=2, force=True) == {True}
