"""What the report says of a step that balances: its last state, categories that lack most first, and the sums."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from slurm.record.manifest import Step
from stages.core.report.content.balanced import COLUMNS, MOST, read_balanced
from stages.report import Config, run

Make = Callable[..., Step]


def step(make: Make, *rows: tuple[int, str, float, float, float]) -> Step:
    """A step that chose so many hours of categories: extension, name, share, hours, missing hours."""
    names = ("extension", "category", "share_hours", "chosen_hours", "missing_hours")
    table = pl.DataFrame(rows, schema=list(names), orient="row")
    table = table.with_columns(
        pl.lit(7.0).alias(name) for name in COLUMNS if name.endswith("hours") and name not in names
    )
    table = table.with_columns(pl.lit(3).alias(name) for name in COLUMNS if name not in table.columns)
    verdicts = pl.DataFrame({"video_id": ["a"], "drop_reason": [None], "error": [None]}).cast(pl.String)
    return make("balance", verdicts, tables={"categories": table})


def test_the_last_extension_counts_and_what_lacks_most_comes_first(make: Make) -> None:
    found = read_balanced(
        step(make, (0, "old", 9.0, 1.0, 8.0), (1, "rich", 10.0, 14.0, 0.0), (1, "<poor>", 10.0, 4.0, 6.0))
    )
    assert found is not None
    assert found.rows["category"].to_list() == ["<poor>", "rich"]
    assert found.categories == 2
    assert (found.total["share_hours"], found.total["chosen_hours"], found.total["supply_rows"]) == (20.0, 18.0, 6)
    assert found.total["missing_hours"] == 2.0


def test_a_step_that_does_not_balance_has_none(make: Make) -> None:
    rows = pl.DataFrame({"video_id": ["a"], "error": [None]}).cast(pl.String)
    assert read_balanced(make("other", rows)) is None


@pytest.mark.parametrize("more", [0, 2])
def test_the_page_has_it_as_a_table(make: Make, tmp_path: Path, more: int) -> None:
    made = step(make, *((0, f"<b>{n}", 10.0, 14.0, 0.0) for n in range(MOST + more)))
    run({"balance": made}, Config(0, 10, False, 0, None), tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.count("&lt;b&gt;") == MOST
    assert "What was chosen" in page
    assert ("and 2 more categories" in page) == bool(more)
