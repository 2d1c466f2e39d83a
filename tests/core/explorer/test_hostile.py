"""Titles, captions and files that would like to be programs are shown as what they are: text."""

import shutil
from pathlib import Path

import pytest
from support.browser import CHROMIUM
from support.explored import explored_run
from support.tab import Tab

from stages.core.explorer.write import write_explorer

RUN = "window.hit = 1"
BUTTONS = "dialog button.said, .frames-list button, .scenes-list button"
HOSTILE = {
    "title": f"</script><script>{RUN}</script>",
    "said": f"\"><img src=x onerror='{RUN}'>",
    "caption": f"<svg onload='{RUN}'>\u2028\u2029`${{{RUN}}}`",
    "category": f"';{RUN};'<iframe srcdoc='<script>parent.hit = 1</script>'>",
    "scene": f"\\\");{RUN};//\ufffd\x00\x1b</title><base href='//evil'>",
    "label": f"</text><script>{RUN}</script>",
    "ocr": f"<a xlink:href='javascript:{RUN}'>x</a>",
    "url": f"javascript:{RUN}",
    "file": "a'b\"<img src=x onerror=hit=1>#?%41 .mp4",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("hostile") / "r<script>hit=1<x"
    write_explorer(run / "report" / "explorer", explored_run(run, **HOSTILE), 100, None)
    return run / "report" / "explorer"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")
def test_nothing_of_hostile_rows_runs(tab: Tab, folder: Path) -> None:
    tab.go((folder / "index.html").as_uri())
    tab.until("document.querySelectorAll('#grid .title').length === 5")
    assert tab.value("document.querySelector('#grid .title').textContent") == HOSTILE["title"]
    for place in range(5):
        tab.value(f"document.querySelector('#grid li[data-place=\"{place}\"] button').click()")
        tab.until("!!document.querySelector('dialog[open] #row-title')")
        tab.value(f"[...document.querySelectorAll('{BUTTONS}')].forEach(e => e.click())")
        text = tab.value("document.querySelector('dialog').textContent")
        if place == 0:
            tab.until("document.querySelector('dialog video').readyState >= 1")  # its file is read, whatever its name
            assert all(HOSTILE[name] in text for name in ("title", "caption", "said", "url"))
        tab.press("Escape")
    tab.value("[...document.querySelectorAll('#filters details')].forEach(e => e.open = true)")
    tab.value("new Promise(done => setTimeout(done, 300))")
    assert tab.value("window.hit") is None
    assert tab.value("document.querySelectorAll('iframe, base, [onload], [onerror], a[href^=javascript]').length") == 0
    assert tab.troubles == []


def test_page_allows_no_script_but_its_own_files(folder: Path) -> None:
    page = (folder / "index.html").read_text()
    assert "default-src 'none'; script-src 'self';" in page
    assert "unsafe" not in page
    assert "hit=1<x" not in page  # the run's name is escaped
    assert page.count("<script ") == page.count(" defer></script>") == page.count("<script")


def test_no_script_of_the_page_makes_markup_of_text(folder: Path) -> None:
    scripts = "".join(path.read_text() for path in folder.glob("*.js"))
    assert scripts
    assert not [
        word
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "document.write", "Function(")
        if word in scripts
    ]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")
def test_a_damaged_chunk_is_said_and_the_rest_stays(tab: Tab, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    chunk = copy / "data" / "cards" / "000" / "000000.js"
    chunk.write_bytes(chunk.read_bytes().replace(b"script", b"\xff\xc3\x28\x80", 1))  # no UTF-8
    (copy / "data" / "details" / "000" / "000000.js").unlink()
    tab.go((copy / "index.html").as_uri())
    tab.until("document.querySelectorAll('#grid .title').length === 5")
    assert "\ufffd" in tab.value("document.querySelector('#grid .title').textContent")
    tab.value("document.querySelector('#grid button').click()")
    tab.until("document.getElementById('count').textContent.includes('cannot be read')")
    assert tab.value("window.hit") is None
