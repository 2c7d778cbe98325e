"""A study's files stay in its folder, whatever it is called and wherever links lead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ablation.errors import UserError
from ablation.folders import artifact_folder, check_name, study_folder, study_name, trial_folder
from ablation.storage import copy_study, opened_storage, save_study, storage_url, study_names
from tests.helpers.commands import cli
from tests.helpers.made.studies import (
    ONE_FACTOR,
    STUDY,
    begin,
    finished_study,
    new_storage,
    record,
)

NAMES = [
    *("..", ".", "", "../out", "a/b", "/etc/x", "a\0b", ".hidden", "-x", "ä", "a b", "a\n"),
    *("reference", "x.confirm", "a" * 101),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_none_may_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes letters, digits"):
        check_name(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_study_that_was_given_such_a_name_has_a_folder_all_the_same(
    name: str, tmp_path: Path
) -> None:
    folder = study_folder(tmp_path, name)
    kept = folder.relative_to(tmp_path).parts
    assert kept[1:] == (("confirm",) if name == "x.confirm" else ())
    check_name(kept[0])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("source", "source"),
        ("my space", "my-space"),
        ("(1) mine", "1-mine-"),
        ("größe-실험", "grosse-"),
        ("größe-비교", "grosse-"),
        ("실험", "study-"),
        (".hidden", "hidden-"),
        ("reference", "reference-"),
        ("x.confirm", "x-"),
        ("a" * 101, "a" * 80 + "-"),
        ("a/b", "a-b-"),
    ],
)
def test_a_name_is_made_of_any_text(text: str, name: str) -> None:
    found = study_name(text)
    check_name(found)
    assert found.startswith(name)
    assert len(found) == len(name) + 8 * name.endswith("-")
    assert study_name(found) == found


def test_texts_that_are_unlike_have_names_that_are() -> None:
    assert len({study_name(text) for text in ("größe-실험", "größe-비교", "grosse", "실험")}) == 4


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize("stem", ["größe-실험", pytest.param("my space", marks=pytest.mark.slow)])
def test_plan_and_run_agree_on_a_studys_name(stem: str, tmp_path: Path) -> None:
    space, name = tmp_path / f"{stem}.toml", study_name(stem)
    space.write_text(ONE_FACTOR, encoding="utf-8")
    finished_study(tmp_path / "results", name).engine.dispose()
    words = [str(space), "--results", str(tmp_path / "results")]
    planned = cli.call("plan", *words)
    assert f"The study's name: {name}; run takes another with --study NAME" in planned.out
    assert json.loads(cli.call("plan", *words, "--json").out)["study"] == name
    answer = cli.call("run", *words, "--executor", "debug")
    assert answer.code == 0, answer.err
    assert f"The study's name: {name};" in answer.out
    assert (tmp_path / "results" / name / "report.html").exists()


@pytest.mark.parametrize("name", ["a", "a" * 100, "0.9_x-Y", "source-epochs1", "a..b"])
def test_a_name_that_one_may_have(name: str, tmp_path: Path) -> None:
    assert study_folder(tmp_path, name) == tmp_path / name


def test_a_confirmation_is_in_the_folder_of_its_search(tmp_path: Path) -> None:
    assert study_folder(tmp_path, "joint.confirm") == tmp_path / "joint" / "confirm"


@pytest.mark.parametrize(
    ("link", "wanted"),
    [
        ("tiny", ["tiny"]),
        ("tiny/plots", ["tiny"]),
        ("tiny/weights", ["tiny"]),
        ("tiny", ["tiny.confirm"]),
        ("tiny/confirm", ["tiny"]),
        ("tiny/confirm/weights", ["tiny.confirm"]),
        ("tiny/trace", ["tiny", "trace", "baseline"]),
        ("tiny/trace/baseline", ["tiny", "trace", "baseline"]),
    ],
)
@pytest.mark.parametrize("there", [True, False])
def test_a_link_out_of_the_results_is_refused(
    link: str, wanted: list[str], there: bool, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    if there:
        out.mkdir()
    path = tmp_path / "results" / link
    path.parent.mkdir(parents=True)
    path.symlink_to(out)
    with pytest.raises(UserError, match=f"{link}: a link that leads out of .*results; remove it"):
        study_folder(tmp_path / "results", *wanted)


def test_a_trials_folder_is_no_link_out_of_its_study(tmp_path: Path) -> None:
    trials = tmp_path / "trials"
    (trials / "elsewhere").mkdir(parents=True)
    (trials / "trial-1").symlink_to("elsewhere")
    (trials / "trial-2").symlink_to(tmp_path)
    assert [trial_folder(trials, n) for n in (0, 1)] == [trials / "trial-0", trials / "trial-1"]
    with pytest.raises(UserError, match=r"trial-2: a link that leads out of .*trials; remove it$"):
        trial_folder(trials, 2)


def test_a_loop_of_links_leads_nowhere(tmp_path: Path) -> None:
    loop = tmp_path / "results" / "tiny" / "checkpoints" / "trial-0"
    loop.parent.mkdir(parents=True)
    loop.symlink_to(loop)
    assert study_folder(tmp_path / "results", "tiny") == tmp_path / "results" / "tiny"


def test_links_within_the_results_and_the_results_as_a_link_are_fine(tmp_path: Path) -> None:
    (tmp_path / "disk" / "kept").mkdir(parents=True)
    (tmp_path / "results").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "tiny").mkdir()
    (tmp_path / "disk" / "tiny" / "plots").symlink_to("../kept")
    (tmp_path / "notes.txt").touch()
    (tmp_path / "disk" / "tiny" / "notes.txt").symlink_to(tmp_path / "notes.txt")
    assert study_folder(tmp_path / "results", "tiny") == tmp_path / "results" / "tiny"


@pytest.mark.parametrize(
    ("command", "study"), [("run", "smoke"), ("trace", "smoke"), ("report", STUDY)]
)
def test_no_command_writes_through_a_link(command: str, study: str, tmp_path: Path) -> None:
    out, results = tmp_path / "out", tmp_path / "results"
    out.mkdir()
    results.mkdir()
    (results / study).symlink_to(out)
    storage = new_storage(results)
    begin(storage, record())
    storage.engine.dispose()
    answer = cli.call(command, study, "--results", str(results))
    assert answer.code == 2
    assert "a link that leads out" in answer.err
    assert not list(out.iterdir())


def test_a_study_of_any_name_is_copied_and_its_lock_stays_beside_the_storage(
    tmp_path: Path,
) -> None:
    """Its name is a part of the lock's file name."""
    source, target = (storage_url(str(tmp_path / name), tmp_path) for name in ("a.db", "b.db"))
    with opened_storage(source, create=True) as storage:
        save_study(storage, "../../evil", {})
    before = {path.name for path in tmp_path.parent.parent.iterdir()}
    copy_study("../../evil", source, target)
    with opened_storage(target) as copied:
        assert study_names(copied) == ["../../evil"]
    assert {path.name for path in tmp_path.parent.parent.iterdir()} == before
    assert all(path.parent == tmp_path for path in tmp_path.rglob("*.lock"))


def test_no_artifact_is_written_through_a_link(tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "out"
    for folder in (results, out):
        folder.mkdir()
    assert artifact_folder(results) == results / "_artifacts"
    (results / "_artifacts").symlink_to(out)
    with pytest.raises(UserError, match=r"_artifacts: a link that leads out of .*results; remove"):
        artifact_folder(results)


def test_no_study_can_be_called_as_the_artifacts_are(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="takes letters, digits"):
        check_name(artifact_folder(tmp_path).name)
