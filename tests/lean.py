"""The command line without what takes most of a small study's time and is tested elsewhere.

Reports have no figures. A worker leaves PyTorch's compiler unloaded, which is loaded for whatever
has an optimizer, in two seconds, and then compiles nothing.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

ROOT = Path(__file__).parents[1]


def leave_out_compiler() -> None:
    """Put in the compiler's place what an optimizer asks of it: to leave functions as they are."""
    names = ("torch._dynamo", "torch._inductor", "torch._inductor.config")
    dynamo, inductor, config = (ModuleType(name) for name in names)
    given: dict[str, Any] = {"disable": lambda function, *_, **__: function}
    vars(dynamo).update(given, graph_break=lambda *_, **__: None)
    vars(inductor).update(config=config)
    sys.modules.update(zip(names, (dynamo, inductor, config), strict=True))


sys.path[0], sys.argv[0] = str(ROOT), str(ROOT / "study.py")
leave_out_compiler()  # in workers too, which import this file before they begin
study = importlib.import_module("study")
whole = study._write


def write(*given: Any) -> Any:
    with mock.patch("crnn.report.write._plots", side_effect=lambda *_: iter(())):
        return whole(*given)


if __name__ == "__main__":
    with mock.patch.object(study, "_write", write):
        study.main()
