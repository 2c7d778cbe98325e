"""The report's page in a real browser: accessible, sortable, whole without script, safe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page

from ablation.report import page as report_page
from ablation.report.analysis import Analysis
from ablation.report.data.study_table import StudyTable
from ablation.report.rendering.text_table import TextTable
from ablation.report.write import write_report
from tests.helpers.browser import assert_accessible, chromium, watch
from tests.helpers.made.once import once
from tests.helpers.made.report_studies import NASTY, nasty, study

pytestmark = pytest.mark.slow

WORDS = ["hidden_size=256", "baseline", "dropout=0.1", "hidden_size=64", "–", "dropout=0.05"]
WORDS_SORTED = ["baseline", "dropout=0.05", "dropout=0.1", "hidden_size=64", "hidden_size=256", "–"]
NUMBERS = ["+0.05", "−2.09 to +10.20", "–", "0.001", "719,626", "< 0.001"]
NUMBERS_SORTED = ["−2.09 to +10.20", "< 0.001", "0.001", "+0.05", "719,626", "–"]
MIXED = ["worse *", "90.12 ± 0.31 %", "more than 10,000", "5 to 12", "10,000 or more", "–"]
MIXED_SORTED = ["5 to 12", "90.12 ± 0.31 %", "10,000 or more", "more than 10,000", "worse *", "–"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def made(kind: str) -> StudyTable:
    failed = (("conv_layers=2", 1),)
    if kind == "every part":
        return study(arms=9, seeds=3, epochs=2, failed=failed, notes=["A short study."])
    if kind == "search":
        return study("search", arms=12, epochs=2)
    if kind == "preliminary":
        return study(arms=3, seeds=2, epochs=2, failed=failed, missing=(("pooling_count=2", 1),))
    names = study(arms=3, seeds=1).arms["arm"]
    return study(arms=3, seeds=1, failed=tuple((name, 0) for name in names))


@pytest.fixture(scope="module", params=["every part", "search", "preliminary", "without a result"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        write_report(made(request.param), folder)

    return once(f"page {request.param}", make, tmp_path_factory) / "report.html"


def without_figures(table: StudyTable, **changes: Any) -> str:
    """The page of a study, soon made; ``changes`` are of what it shows."""
    return report_page.html(report_page.content(Analysis(table), []) | changes)


@pytest.fixture(scope="module")
def sortable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose table of arms has every kind of cell."""
    cells = [list(row) for row in zip(WORDS, NUMBERS, MIXED, strict=True)]
    path = tmp_path_factory.mktemp("sortable") / "report.html"
    text = TextTable(["words", "numbers", "mixed"], cells, words=1)
    path.write_text(without_figures(study(arms=2, seeds=2, epochs=1), arms=text))
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_rule_of_accessibility_is_broken(
    width: int, scheme: Any, report: Path, browser: Browser
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    _, troubles = watch(page)
    page.goto(report.as_uri())
    assert page.locator("th button").count() > 0
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not troubles
    page.close()


def arms(page: Page) -> Locator:
    return page.get_by_role("region", name="Arms compared").get_by_role("table")


def column(page: Page, place: int) -> list[str]:
    cells = arms(page).locator(f"tbody tr > :nth-child({place + 1})").all_text_contents()
    return [cell.replace("\u00a0", " ") for cell in cells]


@pytest.mark.slow
@pytest.mark.parametrize("report", ["every part"], indirect=True)
@pytest.mark.parametrize("of", ["img", "table"])
def test_a_shade_shows_that_more_is_aside(of: str, report: Path, browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto(report.as_uri())
    shades = page.locator(".scroll", has=page.locator(of))
    seen = shades.evaluate_all(
        "all => all.map(e => {"
        "  const shade = () => getComputedStyle(e, '::after').opacity;"
        "  const start = shade(); e.scrollLeft = 1e6;"
        "  return [e.scrollWidth > e.clientWidth, start];"
        "})"
    )
    assert [True, "1"] in seen
    assert [False, "1"] not in seen


@pytest.mark.parametrize(
    ("place", "title", "before", "after"),
    [
        (0, "words", WORDS, WORDS_SORTED),
        (1, "numbers", NUMBERS, NUMBERS_SORTED),
        (2, "mixed", MIXED, MIXED_SORTED),
    ],
)
def test_a_header_sorts_up_then_down_then_not(
    place: int, title: str, before: list[str], after: list[str], sortable: Path, browser: Browser
) -> None:
    page = browser.new_page()
    _, troubles = watch(page)
    page.goto(sortable.as_uri())
    button = arms(page).get_by_role("button", name=title, exact=True)
    button.click()
    assert column(page, place) == after
    assert arms(page).locator("th[aria-sort]").all_text_contents() == [title]
    button.click()
    assert column(page, place) == [*after[-2::-1], "–"]
    button.click()
    assert column(page, place) == before
    assert arms(page).locator("th[aria-sort]").count() == 0
    assert not troubles
    page.close()


def test_the_keyboard_sorts_rows_as_a_whole(sortable: Path, browser: Browser) -> None:
    page = browser.new_page()
    page.goto(sortable.as_uri())
    page.get_by_role("region", name="Arms compared").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    head = arms(page).get_by_role("columnheader", name="words")
    assert head.get_attribute("aria-sort") == "ascending"
    page.keyboard.press("Space")
    assert head.get_attribute("aria-sort") == "descending"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert column(page, 1) == NUMBERS_SORTED
    assert column(page, 0) == [WORDS[NUMBERS.index(number)] for number in NUMBERS_SORTED]
    assert head.get_attribute("aria-sort") is None
    page.close()


def test_without_script_the_page_is_whole(sortable: Path, browser: Browser) -> None:
    page = browser.new_page(java_script_enabled=False)
    page.goto(sortable.as_uri())
    assert column(page, 0) == WORDS
    assert page.get_by_role("button").count() == 0
    for summary in page.locator("summary").all():
        summary.click()
    for part in page.locator("h1, h2, h3, table, tbody tr").all():
        assert part.is_visible()
    page.close()


def test_what_users_type_never_runs(tmp_path: Path, browser: Browser) -> None:
    path = tmp_path / "report.html"
    path.write_text(without_figures(replace(nasty(made("preliminary")), name=NASTY)))
    page = browser.new_page()
    dialogs: list[str] = []

    def close(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", close)
    asked, troubles = watch(page)
    page.goto(path.as_uri())
    assert "<script>alert(1)</script>" in page.inner_text("h1")
    for button in page.get_by_role("button").all():
        button.click()
    assert not dialogs
    assert not troubles
    assert asked == [path.as_uri()]
    page.close()


@pytest.mark.parametrize(
    "injected",
    ["<script>document.title = 'taken'</script>", "<img src=x onerror=\"document.title='taken'\">"],
)
def test_an_injected_script_is_refused(
    injected: str, sortable: Path, tmp_path: Path, browser: Browser
) -> None:
    """Were something not escaped one day, the page's policy would still stop it."""
    path = tmp_path / "report.html"
    path.write_text(sortable.read_text().replace("</main>", f"{injected}</main>"))
    page = browser.new_page()
    _, troubles = watch(page)
    page.goto(path.as_uri())
    assert page.title().startswith("made-one-factor")
    assert any("Content Security Policy" in trouble for trouble in troubles)
    assert page.get_by_role("button").count() > 0
    page.close()
