"""The texts of a step on the page: each alarm with its share, examples and the rows that have them."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import polars as pl
from support.texts import alarms

from slurm.record.manifest import Step
from stages.core.report.content.texts import read_texts
from stages.report import Config, run

Make = Callable[..., Step]
SAME = "A man & a <dog> on a stage."


def test_texts_that_alarm_are_on_the_page_with_their_rows(make: Make, tmp_path: Path) -> None:
    texts = [SAME if n % 2 else f"{'abcdefghij'[n // 10]} {'klmnopqrst'[n % 10]}" for n in range(100)]
    rows = pl.DataFrame({"video_id": [f"v{n}" for n in range(100)], "caption": texts, "error": [None] * 100})
    rows = rows.cast({"error": pl.String})
    spans = pl.DataFrame({"video_id": ["v1"] * 12, "span_id": [f"s{n}" for n in range(12)], "raw": ["so it is"] * 12})
    settings = asdict(alarms("caption", "raw", "none"))
    step = make("caption", rows, config={"alarms": settings}, tables={"spans": spans})
    plain = make("plain", rows)
    found = read_texts(step)
    assert read_texts(plain) is None
    assert found is not None
    assert {column: [(a.kind, a.rows, a.of) for a in one if a.rows] for column, one in found.columns.items()} == {
        "caption": [("same", 50, 100)],
        "raw": [("same", 12, 12)],
    }
    (folder := tmp_path / "page").mkdir()
    run({"caption": step, "plain": plain}, Config(6, 10, False, 0, None), folder)
    page = (folder / "report.html").read_text()
    assert "A man &amp; a &lt;dog&gt; on a stage." in page
    assert '<td class="n" data-l="texts">50 of 100</td><td class="n" data-l="share">50 %</td>' in page
    assert "50 rows: <code>v1, v3, v5</code>" in page
    assert "12 rows: <code>s0, s1, s2</code>" in page
