"""The page of tune in a real browser: the slider, labels that are clicked, and their export."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.browser import CHROMIUM, browsed, wait
from support.scored import TITLE, scored_run

from scripts.tune.__main__ import main
from scripts.tune.labels import read_labels
from scripts.tune.scores import Asked, read_scores

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")]
SCORES: dict[str, list[float | None]] = {"v:1": [0.69], "v:2": [0.4], "v:3": [0.6, 0.1], "w:1": [0.1], 'w:"2,': [0.2]}
Value = Callable[[str], Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scored_run(tmp_path_factory.mktemp("tuned") / "r", SCORES)


@pytest.fixture
def page(run: Path, tmp_path: Path) -> Iterator[Value]:
    """The page over five clips, in a browser as wide as a phone."""
    main([f"run={run}", "column=watermark", f"out={tmp_path / 'page.html'}"])
    with browsed(tmp_path / "page.html", tmp_path, width_px=500) as value:
        yield value


def text(page: Value, name: str) -> str:
    return str(page(f"document.getElementById('{name}').textContent"))


def slide(page: Value, place: int) -> None:
    page(f"slider.value = {place}; slider.dispatchEvent(new Event('input'))")


def click(page: Value, clip: str, say: int) -> None:
    page(f"document.querySelector(`[data-id='${{CSS.escape('{clip}')}}'] [data-say='{say}']`).click()")


def test_the_slider_shows_rows_and_hours_left_and_which_clips_are_kept(page: Value) -> None:
    assert (text(page, "at"), text(page, "rows"), text(page, "hours")) == ("0.3", "2", "0.0056 hours")
    assert page("document.querySelectorAll('article.kept').length") == 2
    slide(page, 0)
    assert (text(page, "rows"), page("document.querySelectorAll('article.kept').length")) == ("0", 0)
    slide(page, 99)
    assert (text(page, "at"), text(page, "rows"), text(page, "share")) == ("0.69", "5", "(100.0 % of the rows)")
    assert page("document.querySelectorAll('article.kept').length") == 5


def test_what_is_clicked_is_measured_and_exported_as_the_command_reads_it(
    page: Value, run: Path, tmp_path: Path
) -> None:
    assert page("document.getElementById('some').hidden")
    for clip, say in (("w:1", 1), ('w:"2,', 1), ("v:2", 0), ("v:1", 0), ("v:3", 1)):
        click(page, clip, say)
    assert "precision 1.000, recall 0.667, F1 0.800, by 5 labels (3 keep)" in text(page, "now")
    assert text(page, "best").startswith("best F1 1.000 (")
    assert "at 0.35" in text(page, "best")
    assert page("document.querySelectorAll('#every tr').length") == 5
    click(page, "v:1", 0)  # once more takes it back
    assert text(page, "export") == "export 4 labels (CSV)"
    page("document.getElementById('export').click()")
    file = tmp_path / "filter_watermark_labels.csv"
    wait(lambda: file.exists() or None)
    scores = read_scores(Asked(run, None, "watermark", None, None, None))
    given = {row["id"]: row["keep"] for row in read_labels(file, scores).to_dicts()}
    assert given == {"w:1": True, 'w:"2,': True, "v:2": False, "v:3": True}


def test_nothing_that_a_run_says_is_executed_and_a_phone_scrolls_one_way(page: Value) -> None:
    assert page("document.querySelector('.title').textContent") == TITLE
    assert page("document.querySelectorAll('script').length") == 2
    assert page("document.documentElement.scrollWidth <= window.innerWidth")
    assert page("[...document.images].every(one => one.naturalWidth > 0)")
