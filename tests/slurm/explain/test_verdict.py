"""What a filter step says of a row, whatever its rules and its table of values look like; files of any stage's rows."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from rich.text import Text
from support.steps import finish, made_step, plan

from slurm.errors import InputError
from slurm.explain.find import find
from slurm.explain.story import story

EMPTY = pl.lit(None, pl.String)
RULES = {
    "motion": {"column": "speed", "reduce": "mean", "min": 0.5, "max": None, "above": None, "per": "duration_s"},
    "luma": {"column": None, "reduce": "mean", "min": 0.1, "max": 0.9},
    "watermark": {"column": None, "reduce": "all", "min": None, "below": 0.1},
    "age": {"column": None, "reduce": "first", "max": 0, "on_null": "pass"},
    "beauty": {"column": None, "reduce": "first", "above": 4.5},
    "language": {"column": None, "reduce": "first", "in": ["en", "de"]},
}
VALUES = {"motion": 0.25, "luma": 0.95, "watermark": 0.5, "age": None, "beauty": 4.5, "language": None}


def rows(*ids: str, **columns: Any) -> pl.DataFrame:
    return pl.DataFrame({"video_id": ids, **columns}).with_columns(error=EMPTY, error_detail=EMPTY)


def judged(folder: Path, reason: str | None, failed: list[str | None] | None = None) -> list[str]:
    """The lines of a filter over one row, which its rules gave VALUES."""
    run = folder / "r"
    source = made_step(run, "source", kind="reduce", n=1, item_keys=[], gives={**plan().gives, "path": "String"})
    finish(source, 0, rows("a", path="/films/a.mp4"))
    gives, table = {**plan().gives, "drop_reason": "String"}, {"rule": "String", "value": "Float64"}
    own = {"gives": gives, "tables": {"values": table}, "config": {"rules": RULES}}
    step = made_step(run, "good", n=1, inputs=["source"], aligned=True, **own)
    values = pl.DataFrame({"video_id": "a", "rule": list(VALUES), "value": list(VALUES.values())})
    values = values if failed is None else values.with_columns(failed=pl.Series(failed, dtype=pl.String))
    finish(step, 0, rows("a").with_columns(drop_reason=pl.lit(reason, pl.String)), values=values)
    lines = Text.from_markup(story(run, "a")).plain.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("good  "))
    return [lines[at].removeprefix("good  chunk 0 done: "), *(line.strip() for line in lines[at + 1 :])]


def test_where_the_table_says_which_rules_fail_all_are_told(tmp_path: Path) -> None:
    failed = ["motion.min", "luma.max", "watermark.all", None, "beauty.above", "language.in"]
    first, passing = judged(tmp_path, "motion.min", failed)
    assert first == (
        "dropped by motion.min: 0.25 (mean of speed per duration_s), limit 0.5; luma.max: 0.95 (mean), limit 0.9; "
        "watermark.all: 0.5 (all), below 0.1; beauty.above: 4.5 (first), limit 4.5; "
        "language.in: no value (first), limit ['en', 'de'] would, too"
    )
    assert passing == "passes age: no value (first), max 0"


def test_where_it_does_not_what_fails_is_told_by_values_and_limits(tmp_path: Path) -> None:
    first, passing = judged(tmp_path, "luma.max")
    assert first.startswith("dropped by luma.max: 0.95 (mean), limit 0.9; motion.min: 0.25 (")
    assert [what.split(":")[0] for what in first.split("; ")[1:]] == [
        "motion.min", "watermark.all", "beauty.above", "language.null",
    ]  # fmt: skip
    assert passing.startswith("passes age")


@pytest.mark.parametrize("failed", [None, ["motion.duration_s", None, None, None, None, None]])
def test_a_reason_that_is_no_limit_is_told_as_it_stands(tmp_path: Path, failed: list[str | None] | None) -> None:
    first, *_ = judged(tmp_path, "motion.duration_s", failed)
    assert first.startswith("dropped by motion.duration_s: 0.25 (mean of speed per duration_s), min 0.5")


def test_a_row_is_found_by_the_file_that_any_stage_made_of_it(tmp_path: Path) -> None:
    run = tmp_path / "r"
    source = made_step(run, "source", kind="reduce", n=1, item_keys=[])
    finish(source, 0, rows("1", "2"))
    gives = {**plan().gives, "shard": "String"}
    step = made_step(run, "package", n=1, inputs=["source"], aligned=True, gives=gives, media="shard")
    file = step.paths.media / "out" / "of-this.tar"
    file.parent.mkdir(parents=True)
    file.touch()
    finish(step, 0, rows("1", "2", shard=[str(file), str(file.with_name("gone.tar"))]))
    assert find(run, str(file)).value == "1"
    assert story(run, "1").endswith(f"\n    file {file}")
    assert story(run, "2").endswith(f"\n    file {file.with_name('gone.tar')} is gone")


def test_an_address_of_several_rows_names_them(tmp_path: Path) -> None:
    run = tmp_path / "r"
    source = made_step(run, "source", kind="reduce", n=1, item_keys=[], gives={**plan().gives, "url": "String"})
    finish(source, 0, rows("part1", "part2", "whole", url=["https://x/long", "https://x/long", "https://x/short"]))
    assert find(run, "https://x/short").value == "whole"
    with pytest.raises(InputError, match=r"names several rows of r/source: say which by id=, e\.g\. part1, part2"):
        find(run, "https://x/long")


def test_what_is_no_plain_text_is_shown_and_not_obeyed(tmp_path: Path) -> None:
    run = tmp_path / "r"
    source = made_step(run, "source", kind="reduce", n=1, item_keys=[], gives={**plan().gives, "title": "String"})
    finish(source, 0, rows("[red]a", title=["a\n[bold]\x1b]0;title\x07"]))
    lines = Text.from_markup(story(run, "[red]a")).plain.splitlines()
    assert lines[0] == "video_id [red]a, in run r"
    assert lines[2] == r"    title a [bold]\x1b]0;title\x07"
