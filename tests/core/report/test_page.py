"""Any recipe gets a page."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

from slurm.record.manifest import Step
from stages.report import Config, run

Make = Callable[..., Step]
Table = Callable[..., pl.DataFrame]


def page(folder: Path, *steps: Step) -> str:
    folder.mkdir(exist_ok=True)
    assert len(run({step.name: step for step in steps}, Config(6, 10, False, 0, None), folder)["rows"]) == len(steps)
    return (folder / "report.html").read_text()


def test_two_filters_under_two_names_are_kept_apart(
    make: Make, clips: Table, verdicts: Table, scored: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    split = make("split", clips([1.0, 2.0, 3.0]))
    a = make("filter_a", verdicts(None, "score.min", None), ("split",), **scored([3, 1, 2], min=2))
    b = make("filter_b", verdicts(None, None, "score.max"), ("split",), **scored([3, 1, 5], max=4))
    made = page(tmp_path, split, a, b)
    assert re.findall(r">((?:min|max) [\d.]+)</text>", made) == ["min 2", "max 4"]
    assert re.findall(r"<h3>(filter_.)</h3>", made) == ["filter_a", "filter_b"]


def test_names_cannot_break_out_of_a_chart(
    make: Make, verdicts: Table, scored: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    made = page(tmp_path, make("a<script>b", verdicts("<script>.min"), **scored([1.0], min=2)))
    assert made.count("<script") == 1  # ours
    assert "a&lt;script&gt;b" in made


def test_all_failed_one_video_and_no_step_have_a_page(make: Make, tmp_path: Path) -> None:
    failed = pl.DataFrame({"video_id": ["a", "b"], "error": ["corrupt", "corrupt"], "error_detail": ["x<y", "z"]})
    assert "x&lt;y" in page(tmp_path, make("failed", failed))
    assert "1 videos" in page(tmp_path, make("one", pl.DataFrame({"video_id": ["a"]}), kind="reduce"))
    assert "reads no step" in page(tmp_path)


def test_what_a_stage_counted_is_summed_over_its_chunks(make: Make, clips: Table, tmp_path: Path) -> None:
    step = make("caption", clips([1.0]))
    (done,) = step.all_done()
    step.finish(done._replace(counters={"tokens_out": 12_345.0, "most_queued": 3.0}))
    assert re.search(r"tokens_out 12,345, most_queued 3</span></td>", page(tmp_path, step))
