"""optuna-dashboard on a study storage, served from this machine."""

from __future__ import annotations

import io
import ipaddress
import signal
import socket
from collections.abc import Callable, Container, Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, BinaryIO
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import wsgi

from crnn.errors import UserError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

TRIES = 100  # ports looked at, from the one asked for on
READING = ("GET", "HEAD")
REFUSED = b"Nothing can be changed here; start the dashboard with --writable for that.\n"
FIRST = ("arm", "seed", "failure", "test_accuracy", "factor", "level")  # there is room for six
TESTED = ("test_accuracy", "test_loss")  # not shown before a confirmation has chosen
BULKY = ("history", "confusion", "setting", "traceback")  # each thousands of pixels wide
LACKING = b"""<svg xmlns="http://www.w3.org/2000/svg" width="460" height="60" font-size="14">
<text x="10" y="25">This picture is not in the results folder here:</text>
<text x="10" y="45">it is where the trial was trained (--results names that folder).</text></svg>"""
BODY = 1 << 20  # bytes of a refused request that are taken in, so that its sender hears the answer


class Shown(RDBStorage):
    """A storage as its pages show it: what a trial is first, and nothing that fills a page."""

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """The trials; what is left out is in their pictures, parameters and `traceback.txt`."""
        trials = super().get_all_trials(study_id, deepcopy, states)
        study = self.get_study_user_attrs(study_id)
        is_choosing = study.get("design") == "confirmation" and "path" not in study
        hidden = (*BULKY, *TESTED) if is_choosing else BULKY
        for trial in trials:
            found = trial.user_attrs
            keys = [*(key for key in FIRST if key in found), *(k for k in found if k not in FIRST)]
            trial.user_attrs = {key: found[key] for key in keys if key not in hidden}
        return trials


class Pictures(FileSystemArtifactStore):
    """Trials' pictures; a study that was copied here has come without them."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """The picture, or one that says where it is."""
        try:
            return super().open_reader(artifact_id)
        except ArtifactNotFound:
            return io.BytesIO(LACKING)

    def remove(self, artifact_id: str) -> None:
        """Remove the picture where there is one; its study is removed all the same."""
        with suppress(ArtifactNotFound):
            super().remove(artifact_id)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing for each request."""


def serve(
    storage: RDBStorage,
    artifacts: Path,
    host: str,
    port: int,
    ready: Callable[[str], None],
    *,
    writable: bool = False,
) -> None:
    """Serve until Ctrl-C.

    Args:
        storage: what to show; a study may be running in it.
        artifacts: the folder of its trials' pictures; there may be none yet.
        host: the address to listen on.
        port: the port, or the next free one after it where it is taken.
        ready: told the page's address once it can be opened.
        writable: let visitors change and delete, which optuna-dashboard asks no password for.

    Raises:
        UserError: the address cannot be listened on.
    """
    free = free_port(host, port)
    app = wsgi(storage, Pictures(artifacts))
    if writable:
        artifacts.mkdir(parents=True, exist_ok=True)
    else:
        app = read_only(app)
    # A script that starts it with & hands on an ignored Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with make_server(host, free, app, _Server, _QuietHandler) as server:
        ready(f"http://{host}:{free}/")
        server.serve_forever()


def read_only(app: WSGIApplication) -> WSGIApplication:
    """The same pages, but a request that could change anything is answered by 405."""

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING:
            return app(environ, start_response)
        length = environ.get("CONTENT_LENGTH") or "0"
        if length.isdigit():
            environ["wsgi.input"].read(min(int(length), BODY))
        headers = [("Allow", ", ".join(READING)), ("Content-Type", "text/plain; charset=utf-8")]
        start_response("405 Method Not Allowed", headers)
        return [REFUSED]

    return guarded


def only_this_machine(host: str) -> bool:
    """Whether no other machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def free_port(host: str, port: int) -> int:
    """`port`, or the next one that is free.

    Raises:
        UserError: none of the next hundred is free, or `host` is not an address of this machine.
    """
    error: OSError | None = None
    for candidate in range(port, min(port + TRIES, 65536)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, candidate))
            except OSError as caught:
                error = caught
                continue
            return candidate
    raise UserError(f"{host}:{port}: cannot listen there ({error}); choose another --host, --port")
