"""Who may import whom: the rooms of the project, held by reading every import with `ast`.

Every import counts, wherever it stands: what a module names, it depends on. `NOW` lists what may
be imported when the module is; `LATE`, what may be imported only inside a function or for types
(under `if TYPE_CHECKING`), so that importing the module does not load it. The standard library
is free. A new module, or a new import that is meant, goes into the table.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

NOW = {
    "study": "typer rich crnn.errors crnn.files crnn.quiet crnn.terminal",
    "crnn.terminal": "",
    "crnn": "",
    # The settings and their arithmetic: importable at once, without torch.
    "crnn.errors": "",
    "crnn.quiet": "",
    "crnn.config": "pydantic annotated_types",
    "crnn.shapes": "crnn.config",
    # The data.
    "crnn.idx": "numpy crnn.errors",
    "crnn.decoded": "numpy crnn.idx",
    "crnn.fetch": "crnn.idx",
    "crnn.data": "numpy torch crnn.config crnn.decoded crnn.fetch crnn.idx crnn.streams",
    # The network and its training: no Optuna, nothing of studies.
    "crnn.streams": "torch",
    "crnn.power": "numpy scipy",
    "crnn.masks": "torch crnn.streams",
    "crnn.model": "torch crnn.config crnn.masks crnn.shapes crnn.streams",
    "crnn.training": "torch crnn.config crnn.data crnn.errors crnn.model crnn.streams",
    "crnn.files": "crnn.errors",
    "crnn.weights": "safetensors torch crnn.config crnn.errors crnn.files crnn.model",
    "crnn.checkpoint": "safetensors crnn.files crnn.training crnn.weights",
    "crnn.trace": (
        "numpy torch crnn.config crnn.data crnn.files crnn.model crnn.training crnn.weights"
    ),
    # What to run: pure, no storage.
    "crnn.ablation": "",
    "crnn.ablation.space": "pydantic crnn.config",
    "crnn.ablation.space_file": (
        "pydantic pydantic_core crnn.ablation.space crnn.config crnn.errors"
    ),
    "crnn.ablation.origin": "",
    "crnn.ablation.design": (
        "crnn.ablation.origin crnn.ablation.space crnn.ablation.space_file crnn.config crnn.errors "
        "crnn.shapes crnn.ablation.folders crnn.files pydantic"
    ),
    "crnn.ablation.checks": (
        "crnn.ablation.design crnn.ablation.space crnn.ablation.space_file crnn.config crnn.errors"
    ),
    "crnn.ablation.timing": "crnn.ablation.design crnn.config",
    "crnn.ablation.guess": "crnn.ablation.design crnn.ablation.space crnn.config",
    "crnn.ablation.overview": (
        "joblib crnn.ablation.checks crnn.ablation.design crnn.ablation.folders "
        "crnn.ablation.guess crnn.ablation.space crnn.ablation.space_file crnn.ablation.timing "
        "crnn.config"
    ),
    # Studies in the storage. Its layout is known to `storage` alone.
    "crnn.ablation.folders": "crnn.ablation.space_file crnn.errors",
    "crnn.ablation.storage": (
        "crnn.ablation.storage.copying crnn.ablation.storage.errors crnn.ablation.storage.journal "
        "crnn.ablation.storage.locks crnn.ablation.storage.opening crnn.ablation.storage.trials "
        "crnn.ablation.storage.waiting"
    ),
    "crnn.ablation.storage.errors": "crnn.errors crnn.files",
    "crnn.ablation.storage.waiting": "sqlalchemy crnn.ablation.signals",
    "crnn.ablation.storage.opening": (
        "optuna sqlalchemy crnn.ablation.folders crnn.ablation.signals "
        "crnn.ablation.storage.errors crnn.ablation.storage.waiting crnn.errors crnn.files"
    ),
    "crnn.ablation.storage.journal": (
        "optuna crnn.ablation.storage.opening crnn.ablation.storage.waiting"
    ),
    "crnn.ablation.storage.locks": (
        "filelock optuna sqlalchemy crnn.ablation.folders crnn.ablation.signals "
        "crnn.ablation.storage.errors crnn.ablation.storage.opening"
    ),
    "crnn.ablation.storage.trials": (
        "optuna sqlalchemy crnn.ablation.storage.errors crnn.ablation.storage.journal crnn.errors"
    ),
    "crnn.ablation.storage.copying": (
        "optuna sqlalchemy crnn.ablation.folders crnn.ablation.space_file "
        "crnn.ablation.storage.errors crnn.ablation.storage.journal "
        "crnn.ablation.storage.locks crnn.ablation.storage.opening "
        "crnn.ablation.storage.trials crnn.errors"
    ),
    "crnn.ablation.attributes": (
        "optuna pydantic pydantic_core crnn.ablation.origin crnn.ablation.space "
        "crnn.ablation.storage crnn.config crnn.errors crnn.shapes"
    ),
    "crnn.ablation.record": (
        "optuna crnn.ablation.attributes crnn.ablation.design crnn.ablation.folders "
        "crnn.ablation.origin crnn.ablation.space_file crnn.ablation.storage crnn.config "
        "crnn.errors"
    ),
    "crnn.ablation.arm_names": "crnn.ablation.design crnn.ablation.storage crnn.config",
    "crnn.ablation.path": (
        "crnn.ablation.design crnn.ablation.origin crnn.ablation.space crnn.config"
    ),
    "crnn.ablation.fingerprint": (
        "optuna crnn.ablation.record crnn.ablation.storage crnn.ablation.attributes"
    ),
    "crnn.ablation.confirm": (
        "optuna crnn.ablation.arm_names crnn.ablation.origin crnn.ablation.attributes "
        "crnn.ablation.design crnn.ablation.folders crnn.ablation.path crnn.ablation.record "
        "crnn.ablation.space crnn.ablation.storage crnn.config"
    ),
    "crnn.ablation.parameters": "optuna crnn.ablation.space crnn.config crnn.errors",
    "crnn.ablation.status": (
        "optuna crnn.ablation.attributes crnn.ablation.folders crnn.ablation.record "
        "crnn.ablation.storage"
    ),
    "crnn.ablation.traced": (
        "optuna crnn.ablation.attributes crnn.ablation.design crnn.ablation.record "
        "crnn.ablation.space_file crnn.ablation.storage crnn.config crnn.errors"
    ),
    # Running them: torch is the workers' affair.
    "crnn.ablation.tasks": (
        "optuna crnn.ablation.attributes crnn.ablation.design crnn.ablation.parameters "
        "crnn.ablation.record crnn.ablation.space crnn.ablation.storage crnn.config"
    ),
    "crnn.ablation.samplers": "optuna crnn.ablation.space",
    "crnn.ablation.search": (
        "optuna crnn.ablation.arm_names crnn.ablation.attributes crnn.ablation.checks "
        "crnn.ablation.design crnn.ablation.origin crnn.ablation.parameters crnn.ablation.record "
        "crnn.ablation.samplers crnn.ablation.space crnn.ablation.space_file crnn.ablation.storage "
        "crnn.ablation.tasks crnn.config crnn.errors"
    ),
    "crnn.ablation.messages": "crnn.files",
    "crnn.ablation.recording": (
        "optuna crnn.ablation.samplers crnn.ablation.storage crnn.ablation.tasks"
    ),
    "crnn.ablation.worker": "crnn.ablation.messages crnn.files crnn.quiet",
    "crnn.ablation.signals": "",
    "crnn.ablation.runner": (
        "joblib crnn.ablation.messages crnn.ablation.recording crnn.ablation.signals "
        "crnn.ablation.tasks crnn.ablation.worker crnn.errors crnn.files"
    ),
    "crnn.ablation.display": (
        "rich crnn.ablation.design crnn.ablation.messages crnn.ablation.runner "
        "crnn.ablation.timing crnn.errors"
    ),
    "crnn.ablation.environment": "",
    "crnn.ablation.launch": (
        "optuna sqlalchemy crnn.ablation crnn.ablation.checks crnn.ablation.confirm "
        "crnn.ablation.design crnn.ablation.environment crnn.ablation.folders "
        "crnn.ablation.messages crnn.ablation.record crnn.ablation.recording "
        "crnn.ablation.runner crnn.ablation.search crnn.ablation.signals crnn.ablation.storage "
        "crnn.ablation.tasks crnn.errors crnn.files"
    ),
    "crnn.dashboard": "optuna optuna_dashboard crnn.errors",
    # What optuna-dashboard shows of a study that runs.
    "crnn.live": "",
    "crnn.live.pictures": "crnn.config",
    "crnn.live.trial_page": "optuna crnn.live.pictures",
    "crnn.live.view": (
        "crnn.ablation.storage crnn.errors crnn.live crnn.live.study_page crnn.live.trial_page"
    ),
    "crnn.live.state": "optuna crnn.ablation.fingerprint crnn.ablation.record",
    "crnn.live.note": (
        "pandas crnn.report.answer crnn.report.confirmed_answer crnn.report.effects "
        "crnn.report.gains crnn.report.headline crnn.report.page crnn.report.progress "
        "crnn.report.selection crnn.report.table crnn.report.tables crnn.report.wording"
    ),
    "crnn.live.graphs": "pandas plotly crnn.report.style crnn.report.wording",
    "crnn.live.study_page": (
        "optuna optuna_dashboard pandas plotly crnn.ablation.fingerprint crnn.ablation.folders "
        "crnn.ablation.record crnn.live crnn.live.graphs crnn.live.note crnn.live.state "
        "crnn.report.answer crnn.report.contrasts crnn.report.effects crnn.report.looks "
        "crnn.report.progress crnn.report.recommendation crnn.report.selection "
        "crnn.report.table"
    ),
    # From trials to understanding: no torch. `table` alone reads the storage, `effects` alone
    # computes statistics, and what draws (plots, cost, curves) knows neither.
    "crnn.report": "",
    "crnn.report.table": (
        "optuna pandas crnn.ablation.arm_names crnn.ablation.attributes crnn.ablation.confirm "
        "crnn.ablation.design crnn.ablation.folders crnn.ablation.origin crnn.ablation.record "
        "crnn.ablation.space crnn.ablation.storage crnn.config crnn.report.csv_file crnn.files"
    ),
    "crnn.report.csv_file": "pandas",
    "crnn.report.mark": "crnn.files",
    "crnn.report.inference": "numpy scipy crnn.power",
    "crnn.report.health": "pandas crnn.config crnn.report.ends",
    "crnn.report.cautions": (
        "pandas crnn.report.effects crnn.report.health crnn.report.inference "
        "crnn.report.sensitivity crnn.report.table crnn.report.wording"
    ),
    "crnn.report.sensitivity": (
        "pandas crnn.ablation.path crnn.power crnn.report.confirmed crnn.report.contrasts "
        "crnn.report.effects crnn.report.gains crnn.report.inference crnn.report.progress "
        "crnn.report.table crnn.report.wording"
    ),
    "crnn.report.effects": "numpy pandas crnn.report.health crnn.report.inference crnn.power",
    "crnn.report.contrasts": (
        "numpy pandas crnn.power crnn.report.effects crnn.report.health crnn.report.inference"
    ),
    "crnn.report.wording": "pandas",
    "crnn.report.ends": "pandas",
    "crnn.report.gains": "pandas crnn.report.effects crnn.report.inference",
    "crnn.report.selection": (
        "pandas crnn.report.effects crnn.report.ends crnn.report.gains crnn.report.table"
    ),
    "crnn.report.progress": (
        "crnn.report.effects crnn.report.ends crnn.report.health crnn.report.table"
    ),
    "crnn.report.recommendation": (
        "pandas crnn.power crnn.report.confirmed crnn.report.effects crnn.report.gains "
        "crnn.report.health crnn.report.inference crnn.report.progress crnn.report.selection "
        "crnn.report.table crnn.report.wording"
    ),
    "crnn.report.answer": (
        "pandas crnn.power crnn.report.cautions crnn.report.contrasts crnn.report.edges "
        "crnn.report.effects crnn.report.ends crnn.report.found crnn.report.health "
        "crnn.report.inference crnn.report.progress crnn.report.recommendation "
        "crnn.report.table crnn.report.wording"
    ),
    "crnn.report.tables": (
        "pandas crnn.power crnn.report.contrasts crnn.report.effects crnn.report.ends "
        "crnn.report.gains crnn.report.inference crnn.report.recommendation "
        "crnn.report.selection crnn.report.table crnn.report.wording"
    ),
    "crnn.report.paste": (
        "pandas crnn.report.answer crnn.report.effects crnn.report.page "
        "crnn.report.recommendation crnn.report.table crnn.report.tables crnn.report.wording"
    ),
    "crnn.report.style": "matplotlib numpy seaborn",
    "crnn.report.plots": (
        "matplotlib numpy pandas seaborn crnn.report.ends crnn.report.style crnn.report.wording"
    ),
    "crnn.report.classes": "matplotlib numpy pandas seaborn crnn.report.style crnn.report.wording",
    "crnn.report.cost": "matplotlib numpy pandas seaborn crnn.report.style",
    "crnn.report.curves": "matplotlib numpy pandas seaborn crnn.report.style",
    # What a search shows beside that: `importance` alone asks Optuna for statistics.
    "crnn.report.found": "numpy pandas crnn.report.effects crnn.report.ends",
    "crnn.report.edges": "pandas crnn.report.found",
    "crnn.report.explored": "numpy pandas crnn.report.found",
    "crnn.report.front": "numpy pandas",
    "crnn.report.expected": "numpy pandas scipy crnn.config crnn.report.ends",
    "crnn.report.importance": "numpy optuna pandas crnn.report.found",
    "crnn.report.search_plots": "matplotlib numpy pandas crnn.report.cost crnn.report.style",
    "crnn.report.part": "pandas crnn.report.gallery crnn.report.tables",
    "crnn.report.search_parts": (
        "pandas crnn.config crnn.report.answer crnn.report.effects crnn.report.ends "
        "crnn.report.expected crnn.report.explored crnn.report.found crnn.report.front "
        "crnn.report.gallery crnn.report.importance crnn.report.part crnn.report.progress "
        "crnn.report.search_plots crnn.report.selection crnn.report.table crnn.report.tables "
        "crnn.report.wording"
    ),
    "crnn.report.stages": "matplotlib numpy crnn.report.style",
    "crnn.report.walk": (
        "numpy pandas crnn.config crnn.files crnn.report.csv_file crnn.report.page "
        "crnn.report.stages crnn.report.style crnn.report.tables"
    ),
    "crnn.report.gallery": (
        "matplotlib pandas crnn.report.classes crnn.report.cost crnn.report.curves "
        "crnn.report.effects crnn.report.plots crnn.report.recommendation "
        "crnn.report.selection crnn.report.table crnn.report.wording"
    ),
    "crnn.report.page": (
        "jinja2 markupsafe pandas crnn.report.answer crnn.report.effects crnn.report.headline "
        "crnn.report.progress crnn.report.selection crnn.report.table crnn.report.tables"
    ),
    "crnn.report.looks": (
        "optuna crnn.ablation.record crnn.ablation.storage crnn.report.answer "
        "crnn.report.effects crnn.report.progress crnn.report.table"
    ),
    "crnn.report.confirmed": (
        "pandas crnn.ablation.design crnn.ablation.path crnn.config crnn.power crnn.report.effects "
        "crnn.report.health crnn.report.inference"
    ),
    "crnn.report.confirmed_answer": (
        "pandas crnn.ablation.path crnn.power crnn.report.answer crnn.report.confirmed "
        "crnn.report.effects crnn.report.gains crnn.report.health crnn.report.inference "
        "crnn.report.progress crnn.report.recommendation crnn.report.selection "
        "crnn.report.table crnn.report.wording"
    ),
    "crnn.report.confirmed_parts": (
        "pandas crnn.ablation.path crnn.report.confirmed crnn.report.confirmed_answer "
        "crnn.report.effects crnn.report.gallery crnn.report.part crnn.report.path_plot "
        "crnn.report.progress crnn.report.selection crnn.report.table crnn.report.tables "
        "crnn.report.wording"
    ),
    "crnn.report.path_plot": (
        "matplotlib numpy pandas crnn.report.plots crnn.report.style crnn.report.wording"
    ),
    "crnn.report.write": (
        "pandas crnn.files crnn.report.answer crnn.report.confirmed_answer "
        "crnn.report.confirmed_parts crnn.report.contrasts crnn.report.csv_file "
        "crnn.report.effects crnn.report.gallery crnn.report.page crnn.report.part "
        "crnn.report.paste crnn.report.search_parts crnn.report.selection crnn.report.style "
        "crnn.report.table crnn.report.tables"
    ),
    "crnn.report.headline": (
        "pandas crnn.ablation.path crnn.power crnn.report.answer crnn.report.cautions "
        "crnn.report.confirmed crnn.report.confirmed_answer crnn.report.effects "
        "crnn.report.gains crnn.report.health crnn.report.inference crnn.report.progress "
        "crnn.report.recommendation crnn.report.selection crnn.report.table "
        "crnn.report.wording"
    ),
}
LATE = {
    "crnn.ablation.path": "sklearn",
    "crnn.dashboard": "_typeshed",
    "study": "crnn.* optuna sqlalchemy",
    "crnn.fetch": "torchvision",
    "crnn.ablation.timing": (
        "optuna crnn.ablation.attributes crnn.ablation.record crnn.ablation.storage"
    ),
    "crnn.ablation.overview": "crnn.ablation.storage crnn.power",
    "crnn.ablation.worker": (
        "torch crnn.ablation.tasks crnn.data crnn.checkpoint crnn.training crnn.weights crnn.idx"
    ),
    "crnn.ablation.messages": "crnn.ablation.tasks crnn.training",
    "crnn.ablation.recording": "crnn.training",
    "crnn.ablation.display": "crnn.training",
    "crnn.report.page": "crnn.report.part",
    "crnn.report.walk": "matplotlib crnn.trace",
    "crnn.ablation.launch": "torch crnn.data crnn.training",
    "crnn.live.view": "crnn.ablation.messages crnn.ablation.tasks",
}
# Modules from which no chain of imports, at the time of import, may lead to these packages.
CLEAR_OF = {
    "crnn.config": "torch torchvision numpy optuna pandas",
    "crnn.shapes": "torch torchvision numpy optuna pandas",
    "crnn.ablation.space": "torch torchvision numpy optuna pandas",
    "crnn.ablation.space_file": "torch torchvision numpy optuna pandas",
    "crnn.ablation.design": "torch torchvision numpy optuna pandas",
    "crnn.ablation.overview": "torch torchvision numpy optuna pandas",
    "crnn.training": "optuna joblib pandas",
    "crnn.ablation.launch": "torch torchvision pandas seaborn statsmodels",
    "crnn.ablation.display": "torch torchvision pandas seaborn statsmodels",
    "crnn.ablation.status": "torch torchvision pandas seaborn statsmodels",
    "crnn.report.write": "torch torchvision",
    "crnn.report.walk": "torch torchvision",
    "crnn.dashboard": "torch torchvision",
    "crnn.live.view": "torch torchvision",
}


@dataclass
class Imports:
    """What a module imports, by name: when it is imported, and later or for types only."""

    now: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)


@cache
def modules() -> dict[str, Path]:
    """Every module of the project by its name."""
    paths = [ROOT / "study.py", *sorted((ROOT / "crnn").rglob("*.py"))]
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
            (found.late if late else found.now).add(name if first == "crnn" else first)
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
    """`from crnn import idx` imports the module `crnn.idx`, `from crnn.idx import read` too."""
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


# The table


def test_the_table_lists_every_module() -> None:
    new, gone = modules().keys() - NOW.keys(), NOW.keys() - modules().keys()
    assert not new, f"add to NOW in {Path(__file__).name} what {', '.join(sorted(new))} may import"
    assert not gone, f"take out of NOW in {Path(__file__).name}: {', '.join(sorted(gone))}"
    assert LATE.keys() <= NOW.keys()


@pytest.mark.parametrize("module", NOW)
def test_a_module_imports_only_what_it_may(module: str) -> None:
    now, late = NOW[module].split(), LATE.get(module, "").split()
    found = imports(module)
    surplus = {name for name in found.now if not allowed(name, now)}
    assert not surplus, f"{module} may not import {', '.join(sorted(surplus))} when it is imported"
    surplus = {name for name in found.late if not allowed(name, now + late)}
    assert not surplus, f"{module} may not import {', '.join(sorted(surplus))}"


def allowed(name: str, patterns: list[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def test_no_import_goes_round_in_a_circle() -> None:
    graph = {name: imports(name).now | imports(name).late for name in modules()}
    TopologicalSorter(graph).prepare()  # raises graphlib.CycleError, which shows the circle


@pytest.mark.parametrize("module", CLEAR_OF)
def test_no_chain_of_imports_leads_to_what_is_slow(module: str) -> None:
    found = reached(module) & set(CLEAR_OF[module].split())
    assert not found, f"importing {module} imports {', '.join(sorted(found))}"


def test_the_network_knows_nothing_of_studies_and_a_study_nothing_of_reports() -> None:
    for module in modules():
        names = imports(module).now | imports(module).late
        if module.startswith("crnn.ablation"):
            assert not {name for name in names if name.startswith("crnn.report")}, module
        elif module.count(".") == 1:
            assert not {name for name in names if name.count(".") == 2}, module


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
    assert loaded("import crnn", tmp_path) - loaded("", tmp_path) == {"crnn"}


def test_the_report_loads_no_torch(tmp_path: Path) -> None:
    names = loaded("import crnn.report.write", tmp_path)
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
