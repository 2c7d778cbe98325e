"""What is slow to import, and what comes with it: held by reading every import with `ast`.

Who may import whom is in `pyproject.toml`, for import-linter. Here every import counts that is made
when a module is imported; one inside a function, or for types (under `if TYPE_CHECKING`), does not.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ablation", "crnn")

# Modules from which no chain of imports, at the time of import, may lead to these packages.
CLEAR_OF = {
    "crnn.network.config": "torch torchvision numpy optuna pandas",
    "crnn.network.shapes": "torch torchvision numpy optuna pandas",
    "ablation.space.schema": "torch torchvision numpy optuna pandas",
    "ablation.space.reader": "torch torchvision numpy optuna pandas",
    "ablation.design.arms": "torch torchvision numpy optuna pandas",
    "ablation.user_code.source.description": "torch torchvision numpy optuna pandas",
    "ablation.user_code.objective": "torch torchvision optuna pandas",
    "ablation.user_code.source.describing": "torch torchvision numpy optuna pandas",
    "ablation.planning.overview": "torch torchvision numpy optuna pandas",
    "crnn.training.train": "optuna joblib pandas",
    "ablation.running.executors.fork_server": "torch torchvision numpy optuna pandas crnn",
    "ablation.running.launch": "torch torchvision pandas seaborn statsmodels",
    "ablation.cli.live_display": "torch torchvision pandas seaborn statsmodels",
    "ablation.storage.status": "torch torchvision pandas seaborn statsmodels",
    "ablation.report.write": "torch torchvision",
    "crnn.trace.page": "torch torchvision",
    "ablation.dashboard.server": "torch torchvision",
    "ablation.dashboard.live_view": "torch torchvision",
}


@dataclass
class Imports:
    """What a module imports, by name: when it is imported, and later or for types only."""

    now: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    paths = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    paths.append(ROOT / "study.py")
    return {name_of(path): path for path in paths}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(module: str) -> Imports:
    """The imports of a module, the standard library's aside."""
    found = Imports()
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    for name, late in _imports(tree, late=False):
        first = name.partition(".")[0]
        if first not in sys.stdlib_module_names:
            (found.late if late else found.now).add(name if first in PACKAGES else first)
    return found


def _imports(node: ast.AST, late: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, late) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((name, late) for name in _names(child))
        else:
            yield from _imports(child, late or _is_late(child))


def _names(node: ast.ImportFrom) -> list[str]:
    """`from crnn.data import idx` imports the module `crnn.data.idx`."""
    assert node.level == 0, "imports are absolute here"
    base = node.module or ""
    full = [f"{base}.{alias.name}" for alias in node.names]
    return [name if name in modules() else base for name in full]


def _is_late(node: ast.AST) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def reached(module: str) -> set[str]:
    """Everything that importing `module` imports, directly or not."""
    names, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name not in names:
            names.add(name)
            parents = [name.rpartition(".")[0]] if "." in name else []
            waiting += [*imports(name).now, *parents] if name in modules() else []
    return names - {module}


def test_no_import_goes_round_in_a_circle() -> None:
    graph = {name: imports(name).now | imports(name).late for name in modules()}
    TopologicalSorter(graph).prepare()  # raises graphlib.CycleError, which shows the circle


@pytest.mark.parametrize("module", CLEAR_OF)
def test_no_chain_of_imports_leads_to_what_is_slow(module: str) -> None:
    found = reached(module) & set(CLEAR_OF[module].split())
    assert not found, f"importing {module} imports {', '.join(sorted(found))}"


# What Python really loads


def loaded(code: str, folder: Path) -> set[str]:
    """The modules that `code` loads in a process of its own, run in `folder`."""
    report = "\nimport sys\nprint('\\nLOADED', *sys.modules)"
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRNN_STUDY_")}
    done = subprocess.run(
        [sys.executable, "-c", code + report],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.rpartition("LOADED ")[2].split())


def test_the_package_loads_nothing(tmp_path: Path) -> None:
    names = loaded("import ablation, crnn", tmp_path) - loaded("", tmp_path)
    assert {name for name in names if name.partition(".")[0] in PACKAGES} == {"ablation", "crnn"}
    assert not names & {"torch", "numpy", "pandas", "optuna", "pydantic"}


@pytest.mark.slow
def test_the_network_is_there_without_a_study(tmp_path: Path) -> None:
    names = loaded("from crnn import CRNN, ModelConfig, Setting, load_data, train", tmp_path)
    assert "torch" in names
    assert not names & {"optuna", "pandas", "joblib", "matplotlib", "sqlalchemy", "ablation.space"}


@pytest.mark.slow
def test_the_report_loads_no_torch(tmp_path: Path) -> None:
    names = loaded("import ablation.report.write", tmp_path)
    assert "pandas" in names
    assert not names & {"torch", "torchvision"}


@pytest.mark.parametrize("words", [["--help"], ["spaces"], ["plan", "quick"]])
def test_quick_commands_load_nothing_slow(words: list[str], tmp_path: Path) -> None:
    code = f"""
import runpy, sys
sys.argv = ["study.py", *{words}]
try:
    runpy.run_path({str(ROOT / "study.py")!r}, run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    names = loaded(code, tmp_path)
    assert "typer" in names
    slow = {"torch", "torchvision", "optuna", "pandas", "matplotlib", "seaborn", "statsmodels"}
    assert not names & (slow if words[0] == "plan" else slow | {"scipy"})


@pytest.mark.slow
def test_the_harness_is_whole_without_the_network(tmp_path: Path) -> None:
    names = [name for name in modules() if name.startswith("ablation")]
    code = f"""
import importlib, sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "crnn":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Hidden())
for name in {names}:
    if name != "ablation.__main__":
        importlib.import_module(name)
"""
    found = loaded(code, tmp_path)
    assert set(names) - {"ablation.__main__"} <= found
    assert "crnn" not in found
