"""The documents say what is: every command is documented, every documented command exists."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import typer.main

import study
from ablation.space.reader import shipped
from crnn.network.config import SETTING_KEYS
from tests.helpers.commands.cli import ROOT, call

DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("[a-z]*/*.md")]
COMMANDS = typer.main.get_command(study.app).commands  # type: ignore[attr-defined]


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_readme_has_every_command(command: str) -> None:
    assert f"python study.py {command}" in text("README.md")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_exist(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    for command in re.findall(r"python study\.py ([a-z]+)", content):
        assert command in COMMANDS
    known = {"--help"} | {name for c in COMMANDS.values() for p in c.params for name in p.opts}
    for option in re.findall(r"`(?:run |report )?(--[a-z-]+)", content):
        assert option in known


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (path.parent / target).exists()


def test_spaces_and_settings_are_described() -> None:
    content = text("search_spaces/README.md")
    for name in (*shipped(), *SETTING_KEYS):
        if name != "precision":
            assert f"`{name}`" in content


@pytest.mark.parametrize("name", shipped())
def test_a_space_opens_with_its_question_and_command(name: str) -> None:
    head = text(f"search_spaces/{name}.toml").split("format", 1)[0]
    assert head.startswith("# ")
    assert "?" in head
    assert f"python study.py run {name}" in head


def test_the_map_of_the_code_is_whole() -> None:
    content = text("CONTRIBUTING.md")
    folders = [
        path.parent for name in ("ablation", "crnn") for path in ROOT.glob(f"{name}/**/*.py")
    ]
    for folder in dict.fromkeys(folders):
        where = f"{folder.relative_to(ROOT)}/"
        assert where == "crnn/" or f"\n{where} " in content, f"{where} is not on the map"


@pytest.mark.slow
@pytest.mark.usefixtures("lean")  # the answer has no figure
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("quick", "Accuracies were still rising after the last epoch"),
        pytest.param("joint", "Best found: #86, +1.54 points", marks=pytest.mark.slow),
    ],
)
def test_the_answers_in_documents_are_the_reference_studies(
    name: str, start: str, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "results/reference/studies.db", tmp_path)
    told = call("report", name, "--results", str(tmp_path)).out
    answer = told.split("Report:")[0].strip()
    assert answer.startswith(start)
    if name == "joint":  # the rest is in its report
        assert same(answer.split("\n\n")[0], "docs/results.md")
        return
    assert same(answer, "docs/using.md")
    headline, *_, table = answer.split("\n\n")
    assert same(headline, "README.md")
    assert same(table, "README.md")


def same(answer: str, path: str) -> bool:
    """Whether a document has an answer, however its lines are broken."""
    return "".join(answer.split()) in "".join(text(path).split())


def test_the_readme_is_a_door_and_not_the_house() -> None:
    assert len(text("README.md").split()) <= 900
    pages = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert pages == set(re.findall(r"\]\((docs/[^)]+\.md)\)", text("README.md")))


def test_the_places_in_the_map_exist() -> None:
    places = [
        row for row in text("CONTRIBUTING.md").splitlines() if row.startswith("| ") and "?" in row
    ]
    files = [name for row in places for name in row.split("`")[1::2]]
    assert len(files) >= 10
    assert all((ROOT / name).is_file() for name in files)
