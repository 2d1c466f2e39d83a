"""Measures the explorer of 10,000 and of a million rows: what writing it takes, and how soon Chromium shows it.

It is opened from disk. A first view is there when every card on the screen has its text and its poster; a filter's
result when its cards have; a row's detail when its dialog is filled. Of several turns, each with a browser of its own,
the median counts.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from scripts.bench.lines import Line, costs, each, ran, shared

TURNS = 3
CARDS = """document.querySelectorAll('#grid li').length > 0
  && document.querySelectorAll('#grid li').length === document.querySelectorAll('#grid .title').length
  && [...document.querySelectorAll('#grid img')].every(image => image.complete)"""
FIRST_VIEW = f"""window.firstView = new Promise(done => {{
  const look = () => ({CARDS}) ? done(performance.now()) : requestAnimationFrame(look);
  look();
}})"""
LABEL = "document.querySelector('input[name=category]').click()"
RANGE = "(input => {{ input.value = '{}'; input.dispatchEvent(new Event('input')) }})"
SCORE = RANGE.format(0.6) + "(document.querySelector('input[name=\"motion least\"]'))"
WORDS = RANGE.format("garden train river") + "(document.getElementById('search'))"
CLEAR = "document.querySelector('.clear').click()"
FILTERED = f"document.getElementById('scroll').dataset.turn && ({CARDS})"
ROW = "document.querySelectorAll('#grid button')[{}].click()"
OPENED = "document.querySelector('dialog[open] .right details')"


def measure(folder: Path, *, rows: int = 1_000_000, small: bool = False) -> Iterator[Line]:
    for count in (200, 400) if small else (10_000, rows):
        yield from case(folder, count, large=count == (400 if small else rows), turns=1 if small else TURNS)


def case(folder: Path, rows: int, *, large: bool, turns: int) -> Iterator[Line]:
    run = shared(folder) / f"explored_{rows}" / "run"
    if not run.exists():
        ran("-m", "scripts.bench.inputs.explored", "make", run, str(rows), str(min(rows, 20_000) // 5))
    wrote = ran("-m", "scripts.bench.inputs.explored", "write", run)
    yield from costs(f"writing the explorer of {rows:,} rows", [wrote])
    page = run / "report" / "explorer" / "index.html"
    bars = (3.0, None, None) if large else (1.5, 0.1, 0.2)
    figures: dict[str, list[float]] = {}
    for _ in range(turns):
        for what, seconds in visit(page).items():
            figures.setdefault(what, []).append(seconds)
    for what, turns_s in figures.items():
        bar = bars[0] if what == "first view" else bars[2] if "detail" in what else bars[1]
        yield Line(f"{rows:,} rows: {what}", median(turns_s), "s", bar, each(turns_s))


def visit(page: Path) -> dict[str, float]:
    """What somebody does who opens the page, each with the seconds until it is seen."""
    from support.browser import CHROMIUM
    from support.tab import opened

    if CHROMIUM is None:
        raise FileNotFoundError("chromium is not here: apt-get install chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, opened(Path(profile)) as tab:
        tab.resize(1280, 900)
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=FIRST_VIEW)
        tab.go(page.as_uri())

        def take(action: str, until: str) -> float:
            seen = (
                f"() => ({until}) ? requestAnimationFrame(() => done(performance.now() - from)) : setTimeout(look, 1)"
            )
            return (
                float(
                    tab.value(
                        f"new Promise(done => {{ const from = performance.now(), look = {seen}; {action}; look() }})"
                    )
                )
                / 1000
            )

        found = {"first view": float(tab.until("window.firstView")) / 1000}
        tab.value("new Promise(done => setTimeout(done, 500))")
        for what, action in (("category", LABEL), ("score", SCORE), ("words", WORDS)):
            found[f"a filter by {what}, for the first time"] = take(action, FILTERED)
            take(CLEAR, FILTERED)
            found[f"a filter by {what}"] = take(action, FILTERED)
            take(f"{CLEAR}; {RANGE.format('')}(document.getElementById('search'))", FILTERED)
        found["a row's detail"] = take(ROW.format(5), OPENED)
        tab.press("Escape")
        tab.value("document.getElementById('scroll').scrollTop = 1e6, new Promise(done => setTimeout(done, 500))")
        found["a row's detail, far down"] = take(ROW.format(9), OPENED)
        return found
