"""optuna-dashboard on a study storage, served from this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna.storages import RDBStorage
from optuna_dashboard import wsgi

from crnn.errors import UserError

TRIES = 100  # ports looked at, from the one asked for on


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing for each request."""


def serve(storage: RDBStorage, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C.

    Args:
        storage: what to show; a study may be running in it.
        host: the address to listen on.
        port: the port, or the next free one after it where it is taken.
        ready: told the page's address once it can be opened.

    Raises:
        UserError: the address cannot be listened on.
    """
    free = free_port(host, port)
    server = make_server(host, free, wsgi(storage), _Server, _QuietHandler)
    with server:
        ready(f"http://{host}:{free}/")
        server.serve_forever()


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
