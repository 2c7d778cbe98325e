"""Requests to a dashboard that is served: which are answered, and which are not."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from optuna.storages import RDBStorage
from optuna_dashboard import wsgi

from ablation.dashboard import server as dashboard
from ablation.dashboard.server import free_port, serves
from ablation.errors import UserError
from ablation.storage import StorageError, opened_storage, storage_url, study_names
from tests.helpers.commands import cli
from tests.helpers.made.studies import STUDY, designed, new_storage


@contextmanager
def served(folder: Path, *words: str) -> Iterator[tuple[str, int]]:
    """Address and port of a dashboard in a process of its own."""
    process = cli.start("dashboard", "--storage", "studies.db", "--port", "0", *words, cwd=folder)
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"http://(\S+):(\d+)/", line)
        assert found, (line, process.communicate())
        yield found[1].strip("[]"), int(found[2])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def ask(
    place: tuple[str, int], method: str = "GET", path: str = "/api/studies", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(*place, timeout=30)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=given)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


@pytest.fixture(scope="module")
def writable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, tuple[str, int]]]:
    """A folder with a study, and the writable dashboard on it."""
    folder = tmp_path_factory.mktemp("dashboard")
    storage = new_storage(folder)
    designed(storage)
    storage.engine.dispose()
    with served(folder, "--writable", "--allow-host", "studies.example.org") as place:
        yield folder, place


@pytest.mark.parametrize("given", [STUDY, f"{STUDY}.toml"])
def test_it_begins_with_the_study_that_is_asked_for(given: str, tmp_path: Path) -> None:
    storage = new_storage(tmp_path)
    designed(storage, study="another")
    designed(storage)
    storage.engine.dispose()
    words = "dashboard", given, "--storage", "studies.db", "--port", "0"
    process = cli.start(*words, cwd=tmp_path)
    assert process.stdout
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert re.search(r"http://\S+:\d+/dashboard/studies/2 ", line)


def names(folder: Path) -> list[str]:
    with opened_storage(storage_url(str(folder / "studies.db"), folder)) as storage:
        return study_names(storage)


OWN = ["127.0.0.1", "localhost", "LOCALHOST:1", "localhost.:8080", "[::1]:9", "studies.example.org"]
FOREIGN = [
    *("evil.example.com", "127.0.0.1.evil.example.com", "evil.example.com:8080", "192.168.1.4"),
    *("localhost.evil.example.com", "localhost@evil.example.com", "", "[::1", "a b", "0.0.0.0"),
]


@pytest.mark.parametrize("host", OWN)
def test_it_is_served_under_its_own_names(
    host: str, writable: tuple[Path, tuple[str, int]]
) -> None:
    status, headers, content = ask(writable[1], Host=host)
    assert (status, STUDY.encode() in content) == (200, True)
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("host", FOREIGN)
def test_under_another_name_it_is_not(
    host: str, method: str, writable: tuple[Path, tuple[str, int]]
) -> None:
    folder, place = writable
    status, headers, content = ask(place, method, "/api/studies/1", Host=host)
    assert status == 403
    assert len(content.decode().splitlines()) == 1
    assert b"--allow-host" in content
    assert headers["X-Frame-Options"] == "DENY"
    assert names(folder) == [STUDY]


def test_what_goes_wrong_with_a_request_is_one_line_once(
    sqlite_storage: RDBStorage, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise StorageError("the database server is gone")

    app = dashboard.guarded(wsgi(sqlite_storage), "127.0.0.1")
    monkeypatch.setattr("optuna_dashboard._app.get_studies", gone)
    answers = []

    def start(status: str, *_: Any) -> Any:
        answers.append(status)

    for _ in range(3):
        environ: dict[str, Any] = {"PATH_INFO": "/api/studies", "HTTP_HOST": "127.0.0.1"}
        setup_testing_defaults(environ)
        list(app(environ, start))
    assert answers == ["500 Internal Server Error"] * 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said == "optuna-dashboard: Exception: the database server is gone\n"


FROM_ELSEWHERE = [
    {"Origin": "http://evil.example.com"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},  # another program's page on this machine
    {"Origin": "http://[::1"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
]


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
def test_nothing_is_changed_by_a_page_of_another_site(
    headers: dict[str, str], writable: tuple[Path, tuple[str, int]]
) -> None:
    folder, place = writable
    status, _, content = ask(place, "DELETE", "/api/studies/1", **headers)
    assert status == 403
    assert content == b"Changes are taken from the dashboard's own pages only.\n"
    assert names(folder) == [STUDY]


@pytest.mark.parametrize("page", [True, False])
def test_its_own_pages_and_programs_can_change(
    page: bool, writable: tuple[Path, tuple[str, int]]
) -> None:
    folder, place = writable
    with opened_storage(storage_url(str(folder / "studies.db"), folder)) as storage:
        designed(storage, study="another")
        number = storage.get_study_id_from_name("another")
    own = {"Origin": f"http://{place[0]}:{place[1]}", "Sec_Fetch_Site": "same-origin"}
    assert ask(place, "DELETE", f"/api/studies/{number}", **(own if page else {}))[0] == 204
    assert names(folder) == [STUDY]


@pytest.mark.parametrize("length", ["²", "-1", "many", "1_0", "9" * 5000])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_length_that_is_none(
    length: str, method: str, writable: tuple[Path, tuple[str, int]]
) -> None:
    host, port = writable[1]
    with socket.create_connection((host, port), timeout=30) as client:
        head = (
            f"{method} /api/studies HTTP/1.0\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
        )
        client.sendall(head.encode("latin-1"))
        answer = client.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.0 400"), answer


@pytest.mark.slow
def test_a_slow_client_is_let_go() -> None:
    server = dashboard._Server("127.0.0.1", 0, receiving=0.3)
    server.set_app(lambda environ, start: [])
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=30) as client:
            begun = time.monotonic()
            for _ in range(200):  # a byte now and then keeps a timeout for each of them from ending
                try:
                    client.sendall(b"G")
                except OSError:
                    break
                time.sleep(0.05)
            assert time.monotonic() - begun < 5
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_on_ipv6(tmp_path: Path) -> None:
    new_storage(tmp_path).engine.dispose()
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs IPv6")
    with served(tmp_path, "--host", "::1") as place:
        assert place[0] == "::1"
        assert ask(place)[0] == 200
        assert ask(place, Host="evil.example.com")[0] == 403


@pytest.mark.parametrize(
    ("asked", "host", "answer"),
    [
        ("192.168.1.4:8080", "0.0.0.0", True),
        ("[fe80::1]:8080", "::", True),
        ("evil.example.com", "0.0.0.0", False),
        (socket.gethostname(), "0.0.0.0", True),
        ("192.168.1.4", "192.168.1.4", True),
        ("192.168.1.5", "192.168.1.4", False),
        ("a-machine.example:80", "a-machine.example", True),
    ],
)
def test_which_names_are_served(asked: str, host: str, answer: bool) -> None:
    assert serves(asked, host) is answer


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_a_port_that_is_none(port: int) -> None:
    with pytest.raises(UserError, match=rf"--port {port}: takes a number from 0"):
        free_port("127.0.0.1", port)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid", "x" * 300, "a..b"])
def test_a_host_that_is_not_this_machines(host: str) -> None:
    with pytest.raises(UserError, match="cannot listen there"):
        free_port(host, 8080, tries=1)
