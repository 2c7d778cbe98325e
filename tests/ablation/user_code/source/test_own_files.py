"""Which files are the user's own, and what they import."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import ablation
from ablation.user_code.source.own_files import imports, is_own
from tests.ablation.user_code.processes import write


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("digits.py", True),
        ("mine/part/model.py", True),
        ("../digits.py", False),
        (".venv/lib/python3.11/site-packages/torch/__init__.py", False),
        ("dist-packages/x.py", False),
    ],
)
def test_what_is_installed_is_not_the_users_own(name: str, own: bool, tmp_path: Path) -> None:
    path = (tmp_path / name).resolve()
    assert is_own(path, tmp_path) is own


def test_neither_python_nor_the_harness_is_the_users_own() -> None:
    root = Path("/")
    harness = Path(ablation.__file__).resolve()
    assert not is_own(harness, harness.parents[1])
    assert not is_own(Path(sys.prefix) / "bin" / "x.py", root)


def test_every_import_of_a_file_is_found(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        "digits.py",
        """
        import os.path, no_such_library as x
        from pathlib import Path
        from collections import abc
        from . import beside
        from .beside import other
        if x:
            try:
                import json
            except ImportError:
                pass
        def f():
            from decimal import Decimal
        """,
    )
    found = {"os.path", "no_such_library", "pathlib", "collections.abc", "json", "decimal"}
    assert set(imports(file)) == found


@pytest.mark.parametrize("content", [b"def f(:", b"\x00", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_imports_nothing(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "digits.py").write_bytes(content)
    assert imports(tmp_path / "digits.py") == ()
    assert imports(tmp_path / "none.py") == ()
    assert imports(tmp_path / "library.so") == ()
