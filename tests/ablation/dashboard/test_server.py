"""The served optuna-dashboard: what it lets through, and where it listens."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from optuna_dashboard import wsgi

from ablation.dashboard.server import BODY, LACKING, Pictures, Shown, only_this_machine, read_only
from ablation.dashboard.trial_page import attach_files
from ablation.storage import open_storage, save_study, study_names, url_of
from tests.helpers.made.studies import designed, end, outcome


def ask(app: Any, method: str, path: str, body: bytes = b"") -> tuple[str, dict[str, str], bytes]:
    """Status, headers and content of an answer."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "PATH_INFO": path}
    setup_testing_defaults(environ)
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)
    said: list[Any] = []
    answer = app(environ, lambda *words: said.extend(words))
    content = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return said[0], dict(said[1]), content


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "PATCH", "OPTIONS", "delete", "TRACE"])
def test_nothing_can_be_changed_through_it(method: str, storage: RDBStorage) -> None:
    save_study(storage, "tiny", {"question": "?"})
    app = read_only(wsgi(storage))
    status, headers, content = ask(app, method, "/api/studies/1", b"{}")
    assert status.startswith("405")
    assert headers["Allow"] == "GET, HEAD"
    assert b"--writable" in content
    assert study_names(storage) == ["tiny"]


def test_it_can_be_read(storage: RDBStorage) -> None:
    save_study(storage, "tiny", {"question": "?"})
    app = read_only(wsgi(storage))
    status, _, content = ask(app, "GET", "/api/studies")
    assert status.startswith("200")
    assert b'"tiny"' in content
    assert ask(app, "HEAD", "/api/studies")[0].startswith("200")


def test_without_the_guard_a_request_removes_a_study(storage: RDBStorage) -> None:
    """What the guard is for; where this fails, optuna-dashboard has changed: look at it anew."""
    save_study(storage, "tiny", {"question": "?"})
    assert ask(wsgi(storage), "DELETE", "/api/studies/1")[0].startswith("204")
    assert study_names(storage) == []


@pytest.mark.parametrize("length", ["", "many", "-1", "²", str(10**12)])
def test_a_refused_body_is_taken_in_up_to_a_size(length: str, storage: RDBStorage) -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": length}
    body = io.BytesIO(bytes(2 * BODY))
    environ["wsgi.input"] = body
    said: list[Any] = []
    app: Any = read_only(wsgi(storage))
    list(app(environ, lambda *words: said.extend(words)))
    assert said[0].startswith("405")
    assert body.tell() == (BODY if length == str(10**12) else 0)


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("192.168.1.4", False),
        ("a-machine.example", False),
    ],
)
def test_who_can_reach_it(host: str, alone: bool) -> None:
    assert only_this_machine(host) is alone


@pytest.fixture
def trial(storage: RDBStorage, tmp_path: Path) -> FrozenTrial:
    """A finished trial of a study, its pictures in the folder ``store``."""
    source = designed(storage)
    task = source.next()
    assert task
    attach_files(storage, tmp_path / "store", task.trial_id, outcome(task)[2])
    end(source, task)
    return storage.get_trial(task.trial_id)


def pictures(app: Any) -> dict[str, tuple[str, dict[str, str], bytes]]:
    """The answers to requests for the first trial's artifacts, by file name."""
    found = json.loads(ask(app, "GET", "/api/studies/1")[2])["trials"][0]["artifacts"]
    return {a["filename"]: ask(app, "GET", f"/artifacts/1/1/{a['artifact_id']}") for a in found}


def test_pictures_are_served_to_readers(
    storage: RDBStorage, trial: FrozenTrial, tmp_path: Path
) -> None:
    found = pictures(read_only(wsgi(storage, Pictures(tmp_path / "store"))))
    assert found.keys() == {"learning-curve.svg", "confusion.svg"}
    for status, headers, content in found.values():
        assert status.startswith("200")
        assert headers["Content-Type"] == "image/svg+xml"
        assert content.startswith(b"<svg")
        assert content != LACKING


@pytest.mark.slow
def test_a_study_without_its_pictures_says_where_they_are(
    storage: RDBStorage, trial: FrozenTrial, tmp_path: Path
) -> None:
    found = pictures(read_only(wsgi(storage, Pictures(tmp_path / "elsewhere"))))
    assert [(answer[0][:3], answer[2]) for answer in found.values()] == [("200", LACKING)] * 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_study_without_its_pictures_can_be_removed(
    storage: RDBStorage, trial: FrozenTrial, tmp_path: Path
) -> None:
    app = wsgi(storage, Pictures(tmp_path / "elsewhere"))
    assert ask(app, "DELETE", "/api/studies/1", b"{}")[0].startswith("204")
    assert study_names(storage) == []


def test_a_trial_says_first_what_it_is_and_nothing_at_length(
    storage: RDBStorage, trial: FrozenTrial
) -> None:
    opened = open_storage(url_of(storage), kind=Shown)
    answer = ask(wsgi(opened), "GET", "/api/studies/1")[2]
    opened.engine.dispose()
    found = [attribute["key"] for attribute in json.loads(answer)["trials"][0]["user_attrs"]]
    assert found[:5] == ["arm", "seed", "test_accuracy", "factor", "level"]
    assert trial.user_attrs.keys() - found == {"history", "confusion", "setting"}
    assert storage.get_trial(trial._trial_id).user_attrs["history"]
