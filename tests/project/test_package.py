"""What is built for others holds everything that the program needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ablation.space.reader import shipped
from tests.helpers.commands.cli import ROOT

pytestmark = pytest.mark.slow


def test_the_built_package_finds_its_files(tmp_path: Path) -> None:
    source = tmp_path / "source"  # without what an earlier build has left
    for folder in ("ablation", "crnn", "search_spaces"):
        shutil.copytree(ROOT / folder, source / folder)
    for file in ("study.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--quiet", "-w", str(tmp_path)]
    subprocess.run([*build, str(source)], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    code = (
        "import study, ablation.report.write as write, jinja2, sys;"
        "assert all('site' in m.__file__.split('/') for m in (study, write)), write.__file__;"
        "sys.argv = ['crnn-study', *sys.argv[1:]]; study.main()"
    )

    def installed(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            cwd=tmp_path / "site", env={"PATH": "/usr/bin"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    listed = installed("spaces", "--json")
    assert all(f'"{name}"' in listed for name in shipped())
    assert "Wrote" in installed("new", "mine.toml")
    assert "trainings" in installed("plan", "mine.toml")
    templates = {
        path.name for path in (tmp_path / "site" / "ablation" / "report" / "templates").iterdir()
    }
    assert {
        path.name for path in (ROOT / "ablation" / "report" / "templates").iterdir()
    } == templates
