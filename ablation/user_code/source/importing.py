"""A user's code, imported: the file or module that a space names, and its function.

Only in a process of its own: whatever the code does when it is imported happens there.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

from ablation.errors import UserError, did_you_mean
from ablation.files import from_home
from ablation.user_code.settings.class_fields import is_settings_class
from ablation.user_code.settings.python_types import name_of
from ablation.user_code.source.faults import ExitError, error_text, import_advice, own_frames, place
from ablation.user_code.source.own_files import imports, is_own, own_files

FORMS = "file.py:function or package.module:function"
TAKEN = "train takes two, settings and run"
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Source:
    """What a space trains, as its `trains` names it.

    Attributes:
        trains: ``digits.py:train`` or ``package.module:train``.
        module: the name that it is imported by.
        function: the function's.
        folder: the first place to import from: that of the file, or of the space.
        file: the file; None for a module.
    """

    trains: str
    module: str
    function: str
    folder: Path
    file: Path | None = None

    @property
    def name(self) -> str:
        """What messages call it: the file, or the module."""
        return self.file.name if self.file else self.module


@dataclass(frozen=True)
class Code:
    """A user's function, imported.

    Attributes:
        source: what names it.
        train: the function.
        settings_class: of the settings that it takes.
        file: the file that was imported.
        folder: that of the code: what lies in it is the user's own.
        line: the function's line, from 1.
    """

    source: Source
    train: Callable[..., Any]
    settings_class: type[Any]
    file: Path
    folder: Path
    line: int


def load_code(trains: str, folder: Path) -> Code:
    """Import a user's function, and find the class of its settings.

    Args:
        trains: ``digits.py:train`` or ``package.module:train``.
        folder: that of the space's file.

    Raises:
        UserError: it cannot be imported, or is no function that trains; the message says why.
    """
    source = find_source(trains, folder)
    module = import_code(source)
    file = Path(module.__file__ or "").resolve()
    own = code_folder(source, file)
    train = find_function(module, source.function)
    check_parameters(train, own)
    line = inspect.unwrap(train).__code__.co_firstlineno
    return Code(source, train, find_settings_class(train, own), file, own, line)


def find_source(trains: str, folder: Path) -> Source:
    """The file or module that `trains` names; nothing is imported.

    Raises:
        UserError: it is written otherwise, or there is no such file, or its name cannot be.
    """
    named, _, function = trains.rpartition(":")
    if not named or not function.isidentifier():
        raise UserError(f"trains: {trains!r} is written {FORMS}")
    folder = folder.resolve()
    if not named.endswith(".py"):
        if not MODULE.fullmatch(named):
            raise UserError(f"trains: {trains!r} is written {FORMS}")
        return Source(trains, named, function, folder)
    file = (folder / from_home(named)).resolve()
    if not file.is_file():
        beside = sorted(path.name for path in file.parent.glob("*.py"))
        raise UserError(
            f"trains: no file {file.name} in {file.parent}; {did_you_mean(file.name, beside)}"
        )
    source = Source(trains, file.stem.replace(".", "_"), function, file.parent, file)
    check_name(source)
    return source


def check_name(source: Source) -> None:
    """Refuse a file whose name hides a module from those that import it.

    Raises:
        UserError: it is named like a module of the standard library, or like one that it imports.
    """
    assert source.file is not None
    name = source.module
    imported = {module.partition(".")[0] for module in imports(source.file)}
    there = getattr(sys.modules.get(name), "__file__", None) or ""
    if name in sys.stdlib_module_names:
        whose = "of the standard library"
    elif name in imported:
        whose = "that it imports"
    elif name in sys.modules and Path(there).resolve() != source.file:
        whose = "that is in use"
    else:
        return
    raise UserError(f"trains: {source.file.name} shadows the module {name} {whose}: rename it")


def import_code(source: Source) -> ModuleType:
    """Import what trains, with ``sys.path`` and ``sys.argv`` as a script has them.

    Raises:
        UserError: it cannot be imported; where and why.
        ExitError: it ended the process.
    """
    folder = str(source.folder)
    sys.path[:] = [folder, *(path for path in sys.path if path != folder)]
    sys.argv = [str(source.file or source.module)]
    try:
        if source.file is None:
            module = importlib.import_module(source.module)
            sys.argv = [module.__file__ or source.module]
        else:
            module = _import_file(source.module, source.file)
    except SystemExit as error:
        where = error_text(error, source.folder)
        raise ExitError(
            f"trains: {source.name} exits when it is imported ({where}): put what it does as a "
            'script under if __name__ == "__main__":, or run it as it is, by command'
        ) from None
    except BaseException as error:
        raise UserError(f"trains: {_import_fault(source, error)}") from error
    if shadows := _shadows(source):
        raise UserError(f"trains: {shadows}")
    return module


def _import_file(name: str, file: Path) -> ModuleType:
    """Import a file as the module `name`, unless it has been already."""
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its own classes look for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _import_fault(source: Source, error: BaseException) -> str:
    """Why an import failed, and what to do."""
    if shadows := _shadows(source, error):
        return shadows
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if source.file is None and missing and f"{source.module}.".startswith(f"{missing}."):
        return _no_module(source, missing)
    text = error_text(error, source.folder)
    return f"{text}{import_advice(error, source.folder)}"


def _no_module(source: Source, missing: str) -> str:
    parent, _, _ = missing.rpartition(".")
    path = sys.modules[parent].__path__ if parent in sys.modules else [str(source.folder)]
    names = [f"{parent}.{one.name}".lstrip(".") for one in pkgutil.iter_modules(path)]
    return f"no module {missing}, in {source.folder} or installed; {did_you_mean(missing, names)}"


def _shadows(source: Source, error: BaseException | None = None) -> str:
    """What to say of a user's file that hides a module of the standard library; else nothing."""
    folder, known = source.folder, sys.stdlib_module_names
    tried = own_frames(error, folder) if error else []
    files = {*own_files(folder), *tried, *([source.file] if source.file else [])}
    imported = [source.module, *(name for file in files for name in imports(file))]
    names = {name.partition(".")[0] for name in imported}
    names |= {file.stem for file in files if file.parent == folder}
    for name in sorted(names & known):
        for file in (folder / f"{name}.py", folder / name / "__init__.py"):
            if file.exists():
                shown = file.relative_to(folder)
                return f"{shown} shadows the module {name} of the standard library: rename it"
    return ""


def code_folder(source: Source, file: Path) -> Path:
    """The folder of the user's code: the file's; a module's where the space or its package is.

    Args:
        source: what names it.
        file: what was imported.
    """
    if source.file or is_own(file, source.folder):
        return source.folder
    depth = source.module.count(".") + (file.name == "__init__.py")
    return file.parents[max(depth - 1, 0)]


def find_function(module: ModuleType, name: str) -> FunctionType:
    """A module's function by its name.

    Raises:
        UserError: it has none; the message says which it has.
    """
    file = Path(module.__file__ or module.__name__).name
    found = getattr(module, name, None)
    if isinstance(found, FunctionType):
        return found
    if found is not None:
        raise UserError(f"trains: {file}: {name} is {_described(found)}, not a function")
    own = [
        key
        for key, value in vars(module).items()
        if isinstance(value, FunctionType) and value.__module__ == module.__name__
    ]
    close = get_close_matches(name, own, n=len(own) or 1, cutoff=0.0)
    has = ", ".join(close) or "none"
    raise UserError(f'trains: {file} has no function "{name}"; it has: {has}')


def _described(thing: object) -> str:
    return "a class" if isinstance(thing, type) else f"of type {type(thing).__name__}"


def check_parameters(train: FunctionType, folder: Path) -> None:
    """Refuse a function that does not take settings and run, or gives no result when called.

    Raises:
        UserError: what was found, and what is taken.
    """
    where = place(train, folder)
    parameters = inspect.signature(train).parameters
    written = f"{where}: {train.__name__}({', '.join(parameters)})"
    needed = [p for p in parameters.values() if p.default is p.empty]
    if by_name := [p.name for p in needed if p.kind is p.KEYWORD_ONLY]:
        raise UserError(f"{written}: takes {', '.join(by_name)} by name; {TAKEN}")
    try:
        inspect.signature(train).bind(None, None)
    except TypeError:
        count = {1: "one parameter"}.get(len(needed), f"{len(needed)} parameters")
        raise UserError(f"{written}: takes {count}; {TAKEN}") from None
    if inspect.isgeneratorfunction(train) or inspect.iscoroutinefunction(train):
        kind = "a generator" if inspect.isgeneratorfunction(train) else "a coroutine"
        raise UserError(f"{written}: is {kind}; write a plain function, and call run.report in it")


def find_settings_class(train: FunctionType, folder: Path) -> type[Any]:
    """The class that annotates a function's first parameter.

    Other annotations may name what is imported for type checkers only.

    Raises:
        UserError: there is none, or it is neither a model of pydantic's nor a dataclass.
    """
    parameters = inspect.signature(train).parameters
    first = next(iter(parameters.values()))
    written = f"{place(train, folder)}: {train.__name__}({', '.join(parameters)})"
    wanted = f"annotate {first.name} with a class derived from pydantic.BaseModel"
    if first.annotation is first.empty:
        raise UserError(f"{written}: {wanted}")
    shim = SimpleNamespace(__annotations__={first.name: first.annotation})
    unwrapped = inspect.unwrap(train)
    try:
        kind = typing.get_type_hints(shim, globalns=unwrapped.__globals__)[first.name]
    except Exception as error:
        said = error_text(error, folder)
        raise UserError(f"{written}: the annotation of {first.name} is unknown: {said}") from None
    if not is_settings_class(kind):
        raise UserError(f"{written}: {name_of(kind)} is no model and no dataclass; {wanted}")
    return kind  # type: ignore[no-any-return]
