"""The command line without what takes most of a small study's time and is tested elsewhere.

Reports have no figures. A worker leaves PyTorch's compiler unloaded, which is loaded for whatever
has an optimizer, in two seconds, and then compiles nothing. With a socket's number as its only
word, the program is imported once and each command that comes through it is a fork of its own.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[3]
SOON = (  # what a command imports when it needs it
    "ablation.running.launch",
    "ablation.dashboard.server",
    "ablation.dashboard.live_view",
    "ablation.report.write",
    "crnn.training.train",
    "optuna.samplers",
)


def leave_out_compiler() -> None:
    """Put in the compiler's place what an optimizer asks of it: to leave functions as they are."""
    names = ("torch._dynamo", "torch._inductor", "torch._inductor.config")
    dynamo, inductor, config = (ModuleType(name) for name in names)
    given: dict[str, Any] = {"disable": lambda function, *_, **__: function}
    vars(dynamo).update(given, graph_break=lambda *_, **__: None)
    vars(inductor).update(config=config)
    sys.modules.update(zip(names, (dynamo, inductor, config), strict=True))


def command(words: list[str], figures: bool = False) -> None:
    """Do what a command line says."""
    sys.argv = [str(ROOT / "study.py"), *words]
    study.main(Tools(figures=figures))


def serve(requests: socket.socket) -> None:
    """Fork for each command that comes with the ends of its pipes, until none can come."""
    for name in SOON:
        importlib.import_module(name)
    gc.freeze()
    while True:
        message, ends, *_ = socket.recv_fds(requests, 2**20, 3)
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            attend(json.loads(message), *ends)
        for end in ends:
            os.close(end)
        os.wait()  # the attendant, which goes at once


def attend(request: dict[str, Any], out: int, err: int, told: int) -> None:
    """Start a command, tell its number and then how it ended."""
    if os.fork():
        os._exit(0)
    child = os.fork()
    if child:
        os.close(out)
        os.close(err)
        os.write(told, b"%d\n" % child)
        os.write(told, b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os._exit(0)
    os.close(told)
    os.setsid()
    signal.signal(
        signal.SIGINT, signal.SIG_IGN if request["ignores"] else signal.default_int_handler
    )
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", 1)  # as a program finds them
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    code: Any = 0
    try:
        command(request["words"], request["figures"])
    except SystemExit as ended:
        code = ended.code
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code or 0)  # what was imported is not taken apart, which takes two seconds


sys.path[0] = str(ROOT)
leave_out_compiler()  # in workers too, which import this file before they begin
study = importlib.import_module("study")
Tools = importlib.import_module("ablation.cli.app").Tools

if __name__ == "__main__":
    if len(sys.argv) == 2 and sys.argv[1].isdigit():
        serve(socket.socket(fileno=int(sys.argv[1])))
    else:
        command(sys.argv[1:])
