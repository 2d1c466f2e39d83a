"""The explorer in a real browser: it opens, filters, plays, seeks, and says why each row was kept or dropped."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from support.browser import CHROMIUM
from support.tab import Tab

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")]

TITLES = "[...document.querySelectorAll('#grid .title')].map(e => e.textContent).join('|')"
COUNT = "document.getElementById('count').textContent"
VIDEO = "document.querySelector('dialog video')"
READY = f"!!{VIDEO} && {VIDEO}.readyState >= 2 && !{VIDEO}.seeking"
TIME = f"{VIDEO}.currentTime"
CURRENT = "[...document.querySelectorAll('dialog [aria-current]')].map(e => e.textContent).join('|')"


def open_grid(tab: Tab, address: str, rows: int) -> None:
    tab.go(address)
    tab.until(f"document.querySelectorAll('#grid .title').length === {rows}")


def open_row(tab: Tab, row: int) -> None:
    tab.value(f"document.querySelector('#grid li[data-place=\"{row}\"] button').click()")
    tab.until("!!document.querySelector('dialog[open] #row-title')")


def section(tab: Tab, title: str) -> str:
    """The text of a part of the open row; nothing if it has none of that name."""
    found = (
        f"[...document.querySelectorAll('dialog details')].find(e => e.querySelector('h3').textContent === '{title}')"
    )
    return str(tab.value(f"({found} || {{}}).innerText || ''"))


@pytest.fixture
def page(tab: Tab, explorer: Path) -> Tab:
    open_grid(tab, (explorer / "index.html").as_uri(), 5)
    return tab


def test_kept_rows_come_first_and_a_video_without_a_clip_is_a_row(page: Tab) -> None:
    assert page.value(TITLES) == "A visit by night|A visit by night|In the dark|A visit by night|Gone for good"
    outcomes = page.value("[...document.querySelectorAll('#grid .dot')].map(e => e.textContent).join('|')")
    assert outcomes.split("|")[3:] == ["dropped: motion.min · at 0:02.0", "failed: missing"]
    assert page.value("[...document.querySelectorAll('#grid img')].every(e => e.complete && e.naturalWidth > 0)")
    assert page.troubles == []


def test_a_page_from_a_web_server_works_as_from_disk(tab: Tab, explorer: Path) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(explorer.parents[2]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        open_grid(tab, f"http://127.0.0.1:{server.server_port}/run/report/explorer/index.html", 5)
        open_row(tab, 0)
        tab.until(READY)
        assert [one for one in tab.troubles if "favicon" not in one] == []
        server.shutdown()


def test_rows_are_filtered_by_outcome_category_score_and_words(page: Tab) -> None:
    def after(action: str) -> str:
        page.value(action)
        page.until("document.getElementById('scroll').dataset.turn")
        return str(page.value(COUNT))

    def check(name: str, label: str) -> str:
        boxes = f"[...document.querySelectorAll('input[name={name}]')]"
        return after(f"{boxes}.find(e => e.parentNode.textContent.includes('{label}')).click()")

    def write(name: str, text: str) -> str:
        return after(f"(e => {{ e.value = '{text}'; e.dispatchEvent(new Event('input')) }})(document.{name})")

    assert check("outcome", "kept") == "3 of 5 rows"
    assert check("category", "Night") == "1 of 5 rows"
    assert page.value(TITLES) == "In the dark"
    assert after("document.querySelector('.clear').click()") == "5 rows"
    assert write("querySelector('input[name=\"motion least\"]')", "0.3") == "3 of 5 rows"
    assert write("querySelector('input[name=\"motion most\"]')", "0.5") == "2 of 5 rows"
    assert after("document.querySelector('.clear').click()") == "5 rows"
    assert write("getElementById('search')", "VISIT shows") == "2 of 5 rows"
    assert write("getElementById('search')", "nowhere") == "0 of 5 rows"
    assert write("getElementById('search')", "gone") == "1 of 5 rows"


def test_a_row_shows_why_and_all_that_was_said_and_measured(page: Tab) -> None:
    open_row(page, 3)
    why = section(page, "Why")
    assert "motion.min" in why
    assert "min 0.2" in why
    assert [line for line in why.splitlines() if "✗" in line] == ["motion\t0.1\tmin 0.2\t✗ motion.min"]
    page.press("Escape")
    open_row(page, 0)
    assert "what one_a shows" in section(page, "Captions")
    assert "Arrival" in section(page, "Scenes")
    assert "Ann comes." in section(page, "Questions")
    assert "Good evening" in section(page, "Transcript")
    assert "Good night" not in section(page, "Transcript")  # it is said after the clip
    assert "aesthetic 5.5" in section(page, "Frames")
    assert "aesthetic\t5.5" in section(page, "Scores")  # the mean of its frames
    assert "one_a" in section(page, "About")
    page.press("Escape")
    open_row(page, 4)
    assert "missing" in section(page, "Why")
    assert "no such file" in section(page, "Why")
    assert "There is no file of it" in str(page.value("document.querySelector('dialog .message').textContent"))


def test_a_clip_is_played_in_its_video_and_the_words_follow(page: Tab) -> None:
    open_row(page, 1)
    page.until(READY)
    assert page.value(TIME) == pytest.approx(4.0, abs=0.05)
    page.value(f"{VIDEO}.muted = true, {VIDEO}.playbackRate = 8")
    page.press(" ")
    page.until(f"{VIDEO}.currentTime > 6.2")
    page.until(f"{CURRENT}.includes('Good night')")
    page.until(f"{VIDEO}.paused")  # at its end


def test_keys_seek_by_scene_shot_and_second_and_step_through_rows(page: Tab) -> None:
    page.press("Tab")
    page.value("document.querySelector('#grid button[tabindex=\"0\"]').focus()")
    page.press("ArrowRight", "ArrowRight")
    assert page.value("document.activeElement.closest('li').dataset.place") == "2"
    page.press("Home", "Enter")
    page.until(f"!!document.querySelector('dialog[open]') && {READY}")
    assert page.value("document.querySelector('dialog').contains(document.activeElement)")
    page.press("ArrowRight")
    page.until(f"{READY} && Math.abs({TIME} - 1) < 0.05")
    assert "Good evening" in page.value(CURRENT)
    page.press("n")
    page.until(f"{READY} && Math.abs({TIME} - 4) < 0.05")
    assert page.value(CURRENT).startswith("0:04.0 – 0:08.0 Departure")
    page.press("[")
    page.until(f"{READY} && {TIME} < 0.05")
    page.press(".")
    page.until(f"{READY} && Math.abs({TIME} - 4) < 0.05")
    page.press("Escape")
    page.until("!document.querySelector('dialog').open")
    page.until("(document.activeElement.closest('li') || { dataset: {} }).dataset.place === '1'")


def test_boxes_of_regions_and_texts_lie_over_their_frame(page: Tab) -> None:
    open_row(page, 0)
    page.until(READY)
    assert page.value("document.querySelectorAll('.boxes *').length") == 0
    page.value("document.querySelector('.frames-list button').click()")
    page.until("document.querySelectorAll('.boxes rect').length === 1")
    assert page.value("document.querySelector('.boxes').textContent") == "clock00:00"
    page.until(READY)
    box = "(r => [r.left, r.top, r.width, r.height].map(Math.round))"
    screen = page.value(f"{box}(document.querySelector('.screen').getBoundingClientRect())")
    region = page.value(f"{box}(document.querySelector('.boxes rect').getBoundingClientRect())")
    scale = screen[2] / 192
    assert region == pytest.approx([screen[0] + 10 * scale, screen[1] + 10 * scale, 80 * scale, 30 * scale], abs=4)
    page.press("b")
    assert page.value("document.querySelectorAll('.boxes rect').length") == 0


def test_a_video_that_the_browser_cannot_play_shows_its_poster_and_path(page: Tab) -> None:
    open_row(page, 2)
    message = page.until("(document.querySelector('dialog .message') || {}).textContent")
    assert "cannot play it (ffv1)" in message
    assert message.endswith("media/dark.mkv")
    page.until("document.querySelector('dialog .screen img').naturalWidth > 0")


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_is_wider_than_a_phone(page: Tab, tmp_path: Path, dark: bool) -> None:
    page.resize(390, 844, dark)
    page.until("document.body.clientWidth === 390")
    assert page.value("document.documentElement.scrollWidth") == 390
    assert page.value("getComputedStyle(document.getElementById('filters')).display") == "none"
    page.value("document.getElementById('toggle').click()")
    assert page.value("document.getElementById('filters').getBoundingClientRect().width") <= 390
    page.value("document.getElementById('toggle').click()")
    open_row(page, 0)
    assert page.value("document.querySelector('dialog').scrollWidth") <= 390
    ground = page.value("getComputedStyle(document.querySelector('dialog')).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) == dark


def test_a_screen_reader_hears_names_places_and_the_count(page: Tab) -> None:
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    names = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    assert ("button", "0:04.0 A visit by night kept · at 0:00.0 what one_a shows") in names or any(
        role == "button" and "A visit by night" in name and "kept" in name for role, name in names
    )
    assert {("searchbox", "Search"), ("status", ""), ("list", "Rows")} <= names
    assert page.value("document.querySelector('#grid li').getAttribute('aria-setsize')") == "5"
    unnamed = [role for role, name in names if role in ("button", "checkbox", "spinbutton", "combobox") and not name]
    assert unnamed == []
