"""The program: its commands, with a person's mistakes as lines rather than tracebacks."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

# In the order in which the help lists their commands.
from ablation.cli import planning_commands  # noqa: F401

# isort: split
from ablation.cli import check_command, run_command  # noqa: F401

# isort: split
from ablation.cli import analyse_command, study_commands  # noqa: F401
from ablation.cli.app import Tools, app
from ablation.cli.console import print_error
from ablation.cli.terminal import failure_of, make_printable
from ablation.errors import UserError
from ablation.process.quiet import isolate_libraries

LIMITS = {
    errno.EFBIG: "a file has reached the size that this shell allows; raise it with ulimit -f",
    errno.EMFILE: "this shell allows too few open files; raise them with ulimit -n",
    errno.ENFILE: "this machine has too many open files; end some programs",
    errno.EAGAIN: "this user has too many processes; end some, or raise them with ulimit -u",
    errno.ENOMEM: "out of memory; end some programs, or give --jobs 1",
}
"""What the system refuses without there being a file to blame."""


def main(tools: Tools | None = None) -> None:
    """Do what the command line says, and end the process with its status if that is not 0.

    Args:
        tools: what the commands work with, in place of their own.
    """
    isolate_libraries()
    # A notebook's kernel names a module of its own there, which this process need not have.
    os.environ.pop("MPLBACKEND", None)
    make_printable()
    try:
        try:
            app(obj=tools)
        finally:
            lost = failure_of(sys.stdout)  # what is printed last is written here
    except UserError as error:
        _refuse(str(error), error.advice)
    except (OSError, ImportError) as error:
        if error.__class__ is OSError and error.filename is None:  # perhaps a print's
            lost = lost or failure_of(sys.stdout, probe="\n")
        if not lost:
            _refuse(_outside(error))
    except SystemExit:
        if not lost:
            raise
    if lost:
        _refuse(f"standard output: {lost}; what was to be printed is not complete")


def _outside(error: OSError | ImportError) -> str:
    """A line for what must be changed outside of this program.

    Raises:
        OSError: there is nothing that a person could do about it.
        ImportError: likewise.
    """
    from ablation.storage import NO_SPACE, out_of_space

    number = getattr(error, "errno", None)
    where = getattr(error, "filename", None)
    if out_of_space(error):
        return f"{where or 'the results folder or the storage'}: {NO_SPACE}"
    if "Too many open files" in str(error):  # a library's file, for one
        number = errno.EMFILE
    if number in LIMITS:
        return f"{LIMITS[number]}, then the same command goes on"
    if where is None or isinstance(error, ImportError):
        raise error
    return f"{where}: {getattr(error, 'strerror', error)}; fix that and try again"


def _refuse(lines: str, advice: Sequence[str] = ()) -> NoReturn:
    try:
        print_error(lines, advice)
    except OSError:  # nowhere to say it; the exit status does
        failure_of(sys.stderr)
    sys.exit(2)
