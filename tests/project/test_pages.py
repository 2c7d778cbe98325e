"""The pages that a person opens, in a real browser: optuna-dashboard and the report."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from playwright.sync_api import Browser, Page

from ablation.dashboard.server import free_port
from ablation.process.signals import ctrl_c_ignored
from tests.helpers.browser import chromium, watch
from tests.helpers.commands import cli
from tests.helpers.made.once import once

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    """Commands are forks, which begin sooner; reports have figures."""
    with mock.patch.dict(os.environ, {cli.WAY: "forked"}):
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def finished(full_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the study ``smoke`` has been run."""

    def make(folder: Path) -> None:
        answer = cli.run("run", "smoke", "--data", str(full_data), cwd=folder)
        assert answer.code == 0, answer.err

    return once("smoke", make, tmp_path_factory)


SEARCH = """
format   = 1
question = "What does a search look like?"
design   = "search"
[baseline]
hidden_size = 16
lstm_layers = 1
epochs      = 2
train_size  = 600
[factors]
hidden_size   = { low = 8, high = 32, step = 8 }
dropout       = { low = 0.05, high = 0.45, step = 0.1 }
learning_rate = { role = "nuisance", low = 1e-3, high = 1e-2, log = true }
[search]
trials   = 6
sampler  = { name = "random" }
training = { epochs = 1, train_size = 400 }
[confirm]
top        = 2
seeds      = 2
"""


@pytest.fixture(scope="module")
def searched(full_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a search has been run, its confirmation and its path."""

    def make(folder: Path) -> None:
        (folder / "seek.toml").write_text(SEARCH, encoding="utf-8")
        answer = cli.run("run", "seek.toml", "--data", str(full_data), cwd=folder)
        assert answer.code == 0, answer.err

    return once("seek", make, tmp_path_factory)


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which tables of runs that were trained elsewhere have been analysed."""
    data = cli.ROOT / "tests" / "ablation" / "runs" / "data"

    def make(folder: Path) -> None:
        for words in (
            "05_tasks.csv --arm model --seed seed --metric val_auc --against gcn --by dataset",
            "02_history.csv --arm ablation --metric val_acc --against baseline",
        ):
            name, *options = words.split()
            answer = cli.run("analyse", str(data / name), *options, cwd=folder)
            assert answer.code == 0, answer.err

    return once("analysed", make, tmp_path_factory)


@contextmanager
def dashboard(folder: Path, *words: str) -> Iterator[str]:
    """The address of a dashboard on the storage in `folder`."""
    port = str(free_port("127.0.0.1", 18080))
    process = cli.start("dashboard", "--port", port, *words, cwd=folder)
    try:
        assert process.stdout
        printed = iter(process.stdout.readline, "")
        lines = (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in printed)
        found = next(filter(None, lines), None)
        assert found, process.stderr
        yield found.group()
    finally:
        process.terminate()
        process.communicate(timeout=20)


def fetch(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.loads(answer.read())


def until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def served(finished: Path) -> Iterator[str]:
    """The address of a dashboard on it."""
    with dashboard(finished) as address:
        yield address


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    _, troubles = watch(opened)
    yield opened
    opened.close()
    assert not troubles


def drawn(page: Page, graph: str) -> str:
    """The words in one of our graphs, once it has been drawn."""
    found = page.locator(f'[id="user-defined-plot:{graph}"] .svg-container')
    found.wait_for()
    return str(found.text_content())


def test_the_dashboard_lists_the_study_and_shows_its_history(served: str, page: Page) -> None:
    page.goto(served)
    page.get_by_text("smoke").first.click()
    page.wait_for_url("**/studies/*")
    for words in ("History", "Hyperparameter Importance", "Intermediate values", "hidden_size"):
        page.get_by_text(words).last.wait_for()  # the first may be in the menu, which is closed
    assert "effect, points (95 % interval)" in drawn(page, "effects")
    assert "hidden_size" in drawn(page, "effects")
    assert "epoch" in drawn(page, "learning-curves")


def test_the_dashboard_shows_how_hyperparameters_relate(served: str, page: Page) -> None:
    page.goto(f"{served}dashboard/studies/1/analytics")
    for words in ("Slice", "Contour", "hidden_size"):
        page.get_by_text(words).first.wait_for()


def test_the_dashboard_shows_a_trial_with_its_pictures(served: str, page: Page) -> None:
    page.goto(f"{served}dashboard/studies/1/trials?numbers=0")
    page.get_by_text("arm baseline").first.wait_for()
    for words in ("seed 0", "hidden_size 16", "learning-curve.svg", "confusion.svg"):
        page.get_by_text(words).first.wait_for()
    page.wait_for_function(
        "() => { const p = [...document.querySelectorAll('img[alt$=svg]')];"
        " return p.length == 2 && p.every(i => i.complete && i.naturalWidth > 300); }"
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_the_dashboard_shows_the_note_of_the_study(served: str, page: Page) -> None:
    page.goto(f"{served}dashboard/studies/1/note")
    page.get_by_role("heading", name="The answer", exact=True).wait_for()
    body = page.inner_text("body")
    assert "Does the whole line work" in body
    assert "6 of 6 trials finished." in body
    assert "verdict" in body
    assert "[factors]" in body


def test_the_dashboard_shows_a_search_and_what_confirms_it(searched: Path, page: Page) -> None:
    with dashboard(searched) as address:
        studies = {
            study["study_name"]: study["study_id"]
            for study in fetch(f"{address}api/studies")["study_summaries"]
        }
        assert studies.keys() == {"seek", "seek.confirm"}
        for name, number in studies.items():
            confirms = name.endswith(".confirm")
            page.goto(f"{address}dashboard/studies/{number}")
            for words in ("History", "Hyperparameter Importance", "hidden_size", "learning_rate"):
                page.get_by_text(words).last.wait_for()
            by_number = re.search(r"#0#\d", drawn(page, "learning-curves"))
            assert bool(by_number) is not confirms
            if confirms:
                assert "effect, points (95 % interval)" in drawn(page, "effects")
            page.goto(f"{address}dashboard/studies/{number}/note")
            page.get_by_role("heading", name="The answer", exact=True).wait_for()
            body = page.inner_text("body")
            assert ("Best found" in body or "above the baseline" in body) is not confirms
            assert "Chosen, as the best" in body
        page.goto(f"{address}dashboard/studies/{studies['seek']}/trials?numbers=3")
        page.get_by_text("stage search").wait_for()
        page.get_by_text("learning-curve.svg").first.wait_for()


def test_the_dashboard_shows_runs_that_were_trained_elsewhere(analysed: Path, page: Page) -> None:
    with dashboard(analysed) as address:
        studies = {
            study["study_name"]: study["study_id"]
            for study in fetch(f"{address}api/studies")["study_summaries"]
        }
        number = studies["02_history"]
        page.goto(f"{address}dashboard/studies/{number}")
        assert "no_mixup" in drawn(page, "effects")
        assert "epoch" in drawn(page, "learning-curves")
        page.goto(f"{address}dashboard/studies/{number}/note")
        page.get_by_role("heading", name="The files").wait_for()
        assert "Which arms differ from baseline in val_acc?" in page.inner_text("body")
        page.goto(f"{address}dashboard/studies/{number}/trials?numbers=0")
        page.get_by_text("arm baseline").first.wait_for()
        page.get_by_text("seed 1").first.wait_for()
        assert page.get_by_text("epochs:").count() == 0


REMOVE = """async () => {
    const answer = await fetch("/api/studies/1", { method: "DELETE" });
    return [answer.status, await answer.text()];
}"""


def test_a_page_can_remove_a_study_only_where_it_may(
    finished: Path, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "results").mkdir()
    shutil.copy(finished / "results" / "studies.db", tmp_path / "results")
    left = {}
    for words in ((), ("--writable",)):
        with dashboard(tmp_path, *words) as address:
            page = browser.new_page()
            page.goto(address)
            status, text = page.evaluate(REMOVE)
            studies = fetch(f"{address}api/studies")["study_summaries"]
            left[status] = [study["study_name"] for study in studies]
            assert ("--writable" in text) is (status == 405)
            page.close()
    assert left == {405: ["smoke"], 204: []}


def test_listening_to_other_machines_is_told_with_its_price(finished: Path) -> None:
    port = str(free_port("0.0.0.0", 18080))
    process = cli.start("dashboard", "--host", "0.0.0.0", "--port", port, cwd=finished)
    try:
        assert process.stdout
        assert f"http://0.0.0.0:{port}/" in process.stdout.readline()
        told = process.stdout.readline()
    finally:
        process.terminate()
        process.communicate(timeout=20)
    assert told == (
        "Whoever reaches 0.0.0.0 can see every study of this storage: "
        "optuna-dashboard asks for no password.\n"
    )


def test_the_dashboard_follows_a_study_that_runs(
    full_data: Path, tmp_path: Path, page: Page
) -> None:
    words = ["run", "smoke", "--epochs", "8", "--train-size", "2000", "--data", str(full_data)]
    with ExitStack() as stack:
        process = cli.start(*words, cwd=tmp_path)
        stack.callback(process.kill)
        until((tmp_path / "results" / "studies.db").exists, 60)
        with dashboard(tmp_path) as address:

            def study() -> dict[str, Any]:
                found = fetch(f"{address}api/studies")["study_summaries"]
                return fetch(f"{address}api/studies/{found[0]['study_id']}") if found else {}

            def under_way_and_noted() -> bool:
                trials, note = study().get("trials", []), study().get("note", {})
                running = [trial for trial in trials if trial["state"] == "Running"]
                epochs = any(trial["intermediate_values"] for trial in running)
                return epochs and bool(note["body"])

            until(under_way_and_noted, 60)
            process.send_signal(signal.SIGSTOP)  # else it may be over before the page is drawn
            page.goto(f"{address}dashboard/studies/1/note")
            page.get_by_role("heading", name="The answer so far").wait_for(timeout=60_000)
            process.send_signal(signal.SIGCONT)
            assert cli.finish(process).code == 0
            assert [trial["state"] for trial in study()["trials"]] == ["Complete"] * 6
            page.goto(f"{address}dashboard/studies/1")
            assert "Effects" in drawn(page, "effects")


def test_without_a_study_the_dashboard_shows_those_that_come_along(tmp_path: Path) -> None:
    reference = cli.ROOT / "results" / "reference"
    before = cli.files(reference)
    with dashboard(tmp_path) as address:
        studies = fetch(f"{address}api/studies")["study_summaries"]
    assert "pilot" in [study["study_name"] for study in studies]
    assert cli.files(reference) == before
    assert not list(tmp_path.iterdir())


def test_a_taken_port_is_passed_over() -> None:
    port = free_port("127.0.0.1", 18080)
    with socket.create_server(("127.0.0.1", port)):
        assert free_port("127.0.0.1", port) > port


STUDIES = {
    "smoke": ("finished", "Does the whole line work"),
    "seek": ("searched", "What does a search look like?"),
    "05_tasks": ("analysed", "Which arms differ from gcn in val_auc?"),
    "02_history": ("analysed", "Which arms differ from baseline in val_acc?"),
}
"""By study that a page tells of, the fixture that has its folder, and its question."""


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_alone_and_fits(
    width: int, scheme: Any, study: str, request: pytest.FixtureRequest, browser: Browser
) -> None:
    fixture, question = STUDIES[study]
    folder: Path = request.getfixturevalue(fixture)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked, troubles = watch(page)
    page.goto((folder / "results" / study / "report.html").as_uri())
    assert page.get_by_role("heading", level=1).count() == 1
    assert question in page.inner_text("body")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    pictures = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert pictures
    assert all(pictures)
    assert not troubles
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()


def test_the_dashboard_ends_with_ctrl_c(finished: Path) -> None:
    with ctrl_c_ignored():  # as a script hands it on to what it starts with &
        process = cli.start("dashboard", "--port", str(free_port("127.0.0.1", 18080)), cwd=finished)
    assert process.stdout
    process.stdout.readline()
    subprocess.run(["kill", "-INT", str(process.pid)], check=True)
    assert cli.finish(process, timeout=20).code == 130
