"""optuna-dashboard on a study storage, served from this machine."""

from __future__ import annotations

import io
import ipaddress
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Collection, Container, Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from optuna_dashboard import wsgi

from ablation.dashboard.attribute_order import order_of
from ablation.errors import UserError, one_line

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from _typeshed import WriteableBuffer

TRIES = 100  # ports looked at, from the one asked for on
READING = ("GET", "HEAD")
REFUSED = b"Nothing can be changed here; start the dashboard with --writable for that.\n"
LACKING = b"""<svg xmlns="http://www.w3.org/2000/svg" width="460" height="60" font-size="14">
<text x="10" y="25">This picture is not in the results folder here:</text>
<text x="10" y="45">it is where the trial was trained (--results names that folder).</text></svg>"""
BODY = 1 << 20  # bytes of a refused request that are taken in, so that its sender hears the answer
RECEIVING, SENDING = 30.0, 120.0  # seconds in all that a client may take
AGAIN_AFTER = 60.0  # seconds until the same fault is told again
LOCAL = ("localhost", "127.0.0.1", "::1")
NO_FRAMES = [("Content-Security-Policy", "frame-ancestors 'none'"), ("X-Frame-Options", "DENY")]


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
        first, hidden = order_of(study)
        for trial in trials:
            attributes = trial.user_attrs
            keys = dict.fromkeys([*(key for key in first if key in attributes), *attributes])
            trial.user_attrs = {key: attributes[key] for key in keys if key not in hidden}
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

    def __init__(self, host: str, port: int, *, receiving: float = RECEIVING) -> None:
        self.address_family, self.receiving = family(host, port), receiving
        super().__init__((host, port), _QuietHandler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that has gone, or was too slow."""
        if not isinstance(sys.exception(), TimeoutError | ConnectionError):
            super().handle_error(request, client_address)


class _Received(io.RawIOBase):
    """What a client sends, for as long as it may take in all: not for each byte anew."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.connection, self.until = connection, time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self.connection.settimeout(left)
        try:
            return self.connection.recv_into(buffer)
        finally:
            self.connection.settimeout(SENDING)


class _QuietHandler(WSGIRequestHandler):
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.rfile = io.BufferedReader(_Received(self.connection, self.server.receiving))

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
    names: Collection[str] = (),
) -> None:
    """Serve until Ctrl-C.

    Args:
        storage: what to show; a study may be running in it.
        artifacts: the folder of its trials' pictures; there may be none yet.
        host: the address to listen on.
        port: the port, or the next free one after it where it is taken.
        ready: told the page's address once it can be opened.
        writable: let visitors change and delete, which optuna-dashboard asks no password for.
        names: names that this machine is reached by, beside `host` and those of every machine.

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
    with _Server(host, free) as server:
        server.set_app(guarded(app, host, names))
        shown = f"[{host}]" if ":" in host else host
        ready(f"http://{shown}:{server.server_port}/")
        server.serve_forever()


def guarded(app: WSGIApplication, host: str, names: Collection[str] = ()) -> WSGIApplication:
    """The same pages for requests to this machine from its own pages; a line for any other.

    A page of another site can have its own name resolved to this machine's address, and then read
    and change what is served here; its requests name it in ``Host``. It can also send a change
    without reading the answer, or show these pages in a frame and have them clicked on.

    Args:
        app: what is served.
        host: the address that it listens on.
        names: other names that it may be asked for by.
    """
    logger, faults = logging.getLogger("optuna_dashboard"), _Faults()
    logger.handlers, logger.propagate = [faults], False
    tracebacks = _Tracebacks(faults)

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            return start_response(status, [*headers, *NO_FRAMES], *more)

        environ["wsgi.errors"] = tracebacks
        why = _refusal(environ, host, names)
        if why is None:
            return app(environ, start)
        status, line = why
        start(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{line}\n".encode()]

    return checked


class _Faults(logging.Handler):
    """Tells what went wrong with a request in one line, not the same again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.until = "", 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """Tell what optuna-dashboard logs, without its traceback."""
        self.tell(record.getMessage().split("\n")[0])

    def tell(self, line: str) -> None:
        now = time.monotonic()
        if line != self.last or now > self.until:
            self.last, self.until = line, now + AGAIN_AFTER
            sys.stderr.write(one_line(f"optuna-dashboard: {line}") + "\n")


class _Tracebacks(io.TextIOBase):
    """What a WSGI application writes its tracebacks to."""

    def __init__(self, faults: _Faults) -> None:
        self.faults = faults

    def writable(self) -> bool:
        """It is there to be written."""
        return True

    def write(self, text: str) -> int:
        """Tell a traceback's last line."""
        if lines := text.strip().splitlines():
            self.faults.tell(lines[-1])
        return len(text)


def _refusal(environ: WSGIEnvironment, host: str, names: Collection[str]) -> tuple[str, str] | None:
    """Status and line for a request that is not served; None for one that is."""
    length = environ.get("CONTENT_LENGTH") or "0"
    if not _is_count(length):
        return "400 Bad Request", "Content-Length is not a number."
    asked = environ.get("HTTP_HOST", "")
    if not serves(asked, host, names):
        return "403 Forbidden", (
            "Not served under this name; start the dashboard with --allow-host NAME for that."
        )
    if environ["REQUEST_METHOD"] not in READING and not _from_here(environ, asked):
        return "403 Forbidden", "Changes are taken from the dashboard's own pages only."
    return None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20


def _from_here(environ: WSGIEnvironment, asked: str) -> bool:
    """Whether a request comes from a page served here, or from no page at all."""
    if environ.get("HTTP_SEC_FETCH_SITE", "none") not in ("same-origin", "none"):
        return False
    origin = environ.get("HTTP_ORIGIN")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == asked.lower()
    except ValueError:
        return False


def serves(asked: str, host: str, names: Collection[str] = ()) -> bool:
    """Whether a request's ``Host`` is one of this machine's, whatever the port.

    On all addresses (``0.0.0.0``, ``::``) any address will do: a page of another site has a name.
    """
    name = _name(asked)
    known = {_name(each) for each in (*LOCAL, host, *names)}
    if not _is_address(host) or not ipaddress.ip_address(host).is_unspecified:
        return name in known
    return name in known | {socket.gethostname().lower()} or _is_address(name)


def _name(asked: str) -> str:
    """A host without its port and brackets, in lower case; empty where it is none."""
    if _is_address(asked):
        return str(ipaddress.ip_address(asked))
    try:
        name = (urlsplit(f"//{asked}").hostname or "").removesuffix(".")
    except ValueError:
        return ""
    return str(ipaddress.ip_address(name)) if _is_address(name) else name


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def read_only(app: WSGIApplication) -> WSGIApplication:
    """The same pages, but a request that could change anything is answered by 405."""

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING:
            return app(environ, start_response)
        length = environ.get("CONTENT_LENGTH") or "0"
        if _is_count(length):
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


def family(host: str, port: int) -> socket.AddressFamily:
    """IPv4 where the host has such an address, else IPv6.

    Raises:
        OSError: it has no address.
        UnicodeError: it is no name.
    """
    families = {each[0] for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    return socket.AF_INET if socket.AF_INET in families else socket.AF_INET6


def free_port(host: str, port: int, *, tries: int = TRIES) -> int:
    """`port`, or the next one that is free, of as many as `tries`; 0 for any.

    Raises:
        UserError: none of those is free, `port` is none, or `host` is no address of this machine.
    """
    if not 0 <= port < 65536:
        raise UserError(f"--port {port}: takes a number from 0 (any free port) to 65535")
    error: Exception | None = None
    for candidate in range(port, min(port + tries, 65536)):
        try:
            with socket.socket(family(host, candidate)) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, candidate))
        except (OSError, UnicodeError) as caught:
            error = caught
            continue
        return candidate
    raise UserError(f"{host}:{port}: cannot listen there ({error}); choose another --host, --port")
