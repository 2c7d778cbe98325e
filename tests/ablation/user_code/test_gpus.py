"""GPUs of a user's code: which there are, and how trainings share them; there need be none here."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest

from ablation.running.resources import gpu_shares
from ablation.user_code.gpus import gpu_names, uses_torch, visible_names
from tests.ablation.user_code.processes import write
from tests.ablation.user_code.studies import call, run, trials
from tests.helpers.commands import cli

GPUS = [("GPU-8932f937", "A"), ("GPU-d72c1f22", "B"), ("GPU-8999ffff", "C")]
CODE = """
import json, os
from pydantic import BaseModel
from ablation import Run

class Settings(BaseModel):
    width: int = 1

def train(settings: Settings, run: Run) -> None:
    seen = {"device": run.device, "gpus": os.environ["CUDA_VISIBLE_DEVICES"]}
    (run.folder / "seen.json").write_text(json.dumps(seen))
    run.report(score=settings.width + run.seed)
"""
PROGRAM = """
import json, os, pathlib
pathlib.Path("seen.json").write_text(json.dumps({"gpus": os.environ["CUDA_VISIBLE_DEVICES"]}))
print(json.dumps({"score": 1.0}))
"""
SPACE = """
format = 1
question = "Where does it train?"
metric = "score"
margin = 1.0
design = "one-factor"
seeds = 2
"""
OWN = 'trains = "devices.py:train"\n[factors]\nwidth = [2]\n'
COMMAND = (
    'command = ["python", "devices.py", "{width}"]\ncode = ["devices.py"]\n'
    "[settings]\nwidth = 1\n[factors]\nwidth = [2]\n"
)


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["A", "B", "C"]),
        ("", []),
        ("2, 0", ["C", "A"]),
        ("1,-1,0", ["B"]),  # CUDA stops at the first that is none
        ("0,3", ["A"]),
        ("GPU-d72", ["B"]),
        ("GPU-89", []),  # which could be two
        ("MIG-1234", ["MIG-1234"]),
    ],
)
def test_gpus_that_may_be_seen(visible: str | None, names: list[str]) -> None:
    assert visible_names(GPUS, visible) == names


@pytest.mark.parametrize(
    ("each", "shares"),
    [
        (1, ("0", "1", "2", "3")),
        (2, ("0,1", "2,3")),
        (3, ("0,1,2",)),
        (0.5, ("0", "1", "2", "3", "0", "1", "2", "3")),
        (1 / 3, ("0", "1", "2", "3") * 3),
    ],
)
def test_how_trainings_share_gpus(each: float, shares: tuple[str, ...]) -> None:
    assert gpu_shares(("0", "1", "2", "3"), each) == shares


@pytest.mark.parametrize(
    ("code", "expected"),
    [("import torch.nn as nn", True), ("def f():\n    import torch", True), ("import math", False)],
)
def test_whether_code_uses_torch(
    code: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert uses_torch([write(tmp_path, "my.py", code)]) is expected


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that lists two GPUs and notes that it was asked, first among the programs."""
    lines = "GPU-8932f937, NVIDIA A100\\nGPU-d72c1f22, NVIDIA A100\\n"
    script = f'#!/bin/sh\ntouch "$0.asked"\n[ "$1" = --query-gpu=uuid,name ] && printf "{lines}"\n'
    return put_driver(tmp_path, script, monkeypatch)


def put_driver(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write(folder / "bin", "nvidia-smi", script)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return path


@pytest.mark.usefixtures("driver")
def test_the_driver_is_asked_where_no_torch_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert gpu_names([]) == ["NVIDIA A100"] * 2
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert gpu_names([]) == ["NVIDIA A100"]


@pytest.mark.parametrize("script", ["#!/bin/sh\necho no devices were found\nexit 6\n", ""])
def test_a_driver_that_finds_nothing_means_no_gpu(
    script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    if script:
        put_driver(tmp_path, script, monkeypatch)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    assert gpu_names([]) == []


def space(folder: Path, rest: str = OWN, code: str = CODE, resources: str = "") -> Path:
    write(folder, "devices.py", code)
    top, _, tables = rest.partition("\n[")
    return write(folder, "devices.toml", f"{SPACE}{top}\n{resources}\n[{tables}")


def seen(path: Path) -> list[dict[str, str]]:
    found = sorted((path.parent / "results" / "devices" / "trials").glob("*/seen.json"))
    return [json.loads(each.read_text(encoding="utf-8")) for each in found]


@pytest.mark.slow
@pytest.mark.usefixtures("driver", "lean")
def test_auto_trains_on_the_gpus_one_each(tmp_path: Path) -> None:
    path = space(tmp_path)
    answer = call("run", path)
    assert answer.code == 0, answer.err
    assert set(trials(path, "devices")["device"]) == {"cuda"}
    assert {each["device"] for each in seen(path)} == {"cuda"}
    assert {each["gpus"] for each in seen(path)} == {"0", "1"}


@pytest.mark.slow
@pytest.mark.usefixtures("driver", "lean")
@pytest.mark.parametrize(
    ("words", "resources", "gpus"),
    [
        (["--device", "cpu"], "", {""}),
        (["--device", "cuda:1"], "", {"1"}),
        (["--device", "cuda"], "resources.gpus = 2", {"0,1"}),
    ],
)
def test_a_training_sees_its_own_devices_only(
    words: list[str], resources: str, gpus: set[str], tmp_path: Path
) -> None:
    path = space(tmp_path, resources=resources)
    run(path, *words)
    assert {each["gpus"] for each in seen(path)} == gpus


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
@pytest.mark.parametrize(("device", "gpus"), [("auto", {"0"}), ("cpu", {""})])
def test_a_program_sees_its_own_devices_only(
    device: str, gpus: set[str], tmp_path: Path, driver: Path
) -> None:
    path = space(tmp_path, COMMAND, PROGRAM)
    run(path, "--device", device)
    assert {each["gpus"] for each in seen(path)} == gpus
    assert driver.with_suffix(".asked").exists() == (device == "auto")


def refusal(command: str, path: Path, *words: str) -> str:
    answer = call(command, path, *words)
    assert answer.code == 2, answer.out + answer.err
    assert not (path.parent / "results" / "devices").exists()
    return re.sub(r"\s+", " ", answer.err)


@pytest.mark.usefixtures("driver")
@pytest.mark.parametrize(
    ("words", "resources", "said"),
    [
        (["--device", "cuda:2"], "", "--device cuda:2: this machine has 2 CUDA devices"),
        (["--device", "gpu"], "", "--device gpu: takes auto, cpu, cuda or cuda:N"),
        ([], "resources.gpus = 3", "resources.gpus: a training has 3, and this run 2 GPUs"),
        (["--device", "cuda:1"], "resources.gpus = 2", "a training has 2, and this run 1 GPU;"),
        (["--jobs", "2"], "resources.gpus = 2", "--jobs 2: 1 at a time fit on the GPUs of this"),
        (["--jobs", "5"], "resources.gpus = 0.5", "--jobs 5: 4 at a time fit on the GPUs of this"),
        ([], "resources.gpus = 1.5", "resources.gpus: must be a whole number, or a fraction such"),
        ([], "resources.gpus = 0", "resources.gpus: must be a whole number, or a fraction such"),
        ([], "resources.gpu = 1", "resources.gpu: unknown key; did you mean gpus?"),
    ],
)
def test_what_is_not_to_be_had_is_refused(
    words: list[str], resources: str, said: str, tmp_path: Path
) -> None:
    assert said in refusal("run", space(tmp_path, resources=resources), *words)


@pytest.mark.parametrize("rest", [OWN, pytest.param(COMMAND, marks=pytest.mark.slow)])
def test_cuda_asked_for_and_absent(
    rest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_driver(tmp_path, "#!/bin/sh\nexit 9\n", monkeypatch)
    said = refusal("run", space(tmp_path, rest), "--device", "cuda")
    assert "--device cuda: this machine has no CUDA device; use --device auto or cpu" in said


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ("resources.gpus = 2", "On CUDA each training has 2 GPUs."),
        ("resources.gpus = 1", "On CUDA each training has a GPU of its own."),
        ("resources.gpus = 0.5", "On CUDA 2 trainings share one GPU."),
    ],
)
def test_plan_says_what_a_training_takes(resources: str, said: str, tmp_path: Path) -> None:
    answer = call("plan", space(tmp_path, resources=resources))
    assert answer.code == 0, answer.err
    assert said in answer.out


def test_a_space_of_the_networks_has_no_resources(tmp_path: Path) -> None:
    text = SPACE.replace('metric = "score"\n', "").replace("margin = 1.0", "margin = 0.1")
    path = write(tmp_path, "devices.toml", f"{text}resources.gpus = 1\n[factors]\ndropout = [0.1]")
    said = refusal("plan", path)
    assert "resources: belongs to a space of your own code" in said


TORCH = CODE.replace("import json, os", "import json, os, torch").replace(
    "    run.report(", '    torch.zeros(1).to("cuda:1")\n    run.report('
)


@pytest.mark.slow
@pytest.mark.usefixtures("lean")
def test_a_device_that_a_training_does_not_see_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    path = space(tmp_path, code=TORCH)
    answer = call("run", path, "--device", "cpu", "--jobs", "1")
    assert answer.code == 3, answer.err
    failures = set(trials(path, "devices")["failure"])
    assert all("a training sees its own devices only; use run.device, here cpu" in each
               for each in failures)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "debug"])
def test_a_run_of_code_without_torch_imports_none(executor: str, tmp_path: Path) -> None:
    path = space(tmp_path)
    words = ["study.py", "run", path.name, "--executor", executor]
    loaded = cli.modules_loaded_by(words, tmp_path, CUDA_VISIBLE_DEVICES="0")
    assert "optuna" in loaded
    assert "torch" not in loaded
