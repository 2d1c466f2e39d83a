"""The page in a real browser, from disk and from a web server: search, keyboard, phone, and nothing hostile runs."""

from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from support.browser import CHROMIUM, browsed
from support.scored import jpeg

from slurm.record.manifest import Step
from stages.report import Config, run

Make = Callable[..., Step]
Table = Callable[..., pl.DataFrame]
Value = Callable[[str], Any]

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="chromium is not here")]
HOSTILE = [
    "<script>pwned = 1</script>",
    '<img src=x onerror="pwned = 1">',
    "\"><svg onload='pwned = 1'>",
    "javascript:pwned=1//</title></style></script><script>pwned=1</script>",
    "\ufffd\u202e\u2028{{ 7 * 7 }} ${7 * 7} &lt;b&gt; \x1b[31m",
]


@pytest.fixture
def page(make: Make, clips: Table, verdicts: Table, tmp_path: Path) -> Path:
    """The page of a run whose every text is hostile: titles, paths, sources, reasons, categories, keys, step names."""
    videos = [f"v{n}" for n in range(len(HOSTILE))]
    about = dict.fromkeys(("source", "title", "path"), HOSTILE)
    ingest = make("ingest", pl.DataFrame({"video_id": videos, **about}), kind="reduce", item_keys=[])
    errors = pl.DataFrame({"video_id": videos, "error": HOSTILE, "error_detail": HOSTILE})
    frames = {
        "video_id": ["v0"] * 4,
        "shot": [0, 1, 2, 3],
        "position": ["first"] * 4,
        "time_s": [1.0, 11.0, 21.0, 31.0],
    }
    pictures = pl.DataFrame({**frames, "jpeg": [jpeg("red")] * 4})
    rows = pl.concat(
        [errors, pl.DataFrame({"video_id": ["v0"], "error": [None], "error_detail": [None]}, errors.schema)]
    )
    analyze = make("analyze<img src=x onerror=pwned=1>", rows, ("ingest",), tables={"key_frames": pictures})
    spans = clips([5.0] * 4).with_columns(video_id=pl.lit("v0"))
    split = make("split", spans, (analyze.name,))
    keys = {"config": {HOSTILE[0]: HOSTILE[1], "password": "hunter2"}}
    judged = make("filter", verdicts(None, *HOSTILE[:3]).with_columns(video_id=pl.lit("v0")), ("split",), **keys)
    make("filter@" + HOSTILE[1], verdicts(None, None, *HOSTILE[:2]).with_columns(video_id=pl.lit("v0")), ("split",))
    (folder := tmp_path / "run" / "report").mkdir()
    steps = {step.name: step for step in (ingest, analyze, split, judged)}
    run(steps, Config(12, 10, explorer=False, posters=0, media_base=None), folder)
    return folder / "report.html"


@pytest.fixture(params=["disk", "web"])
def shown(page: Path, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Value]:
    """The page in a browser as wide as a phone, from disk or from a web server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=page.parent))
    Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/report.html"
    (tmp_path / "browser").mkdir()
    with browsed(page if request.param == "disk" else address, tmp_path / "browser", width_px=500) as value:
        yield value
    server.shutdown()


def find(shown: Value, words: str) -> None:
    shown(f"(b => {{ b.value = {words!r}; b.dispatchEvent(new Event('input')) }})(document.getElementById('search'))")


def test_nothing_hostile_runs_all_is_there_as_text_and_search_finds_it(shown: Value) -> None:
    assert shown("typeof pwned") == "undefined"
    assert shown("document.querySelectorAll('script, main img:not([src^=\"data:image/jpeg\"])').length") == 1
    assert shown("document.querySelectorAll('[onerror], [onload]').length") == 0
    text = shown("document.body.textContent")
    assert all(hostile in text for hostile in HOSTILE[:4])
    assert "{{ 7 * 7 }} ${7 * 7} &lt;b&gt;" in text
    assert "hunter2" not in text
    assert shown("document.images.length > 4 && [...document.images].every(one => one.naturalWidth > 0)")
    assert shown("document.documentElement.scrollWidth <= window.innerWidth")

    find(shown, "<SCRIPT> c1")
    assert shown("[...document.querySelectorAll('#sweeps figure')].filter(one => !one.hidden).length") == 1
    assert shown("document.getElementById('flow').hidden")
    assert "entries" in shown("document.getElementById('matches').textContent")
    find(shown, "no such word")
    assert shown("[...document.querySelectorAll('main section')].every(one => one.hidden)")
    find(shown, "password")
    assert shown("document.querySelector('#config details:not([hidden])').open")
    find(shown, "")
    assert shown("[...document.querySelectorAll('main [hidden]')].length") == 0
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '/', bubbles: true}))"
    shown(press)
    assert shown("document.activeElement.id") == "search"
    shown("document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape', bubbles: true}))")
    assert shown("document.activeElement.id") == ""
