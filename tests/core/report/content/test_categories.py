"""What the report says of categories: how often each, who agrees with whom, and what nobody should believe."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from slurm.record.manifest import Step
from stages.core.report.content.categories import MOST, count_categories, count_untrained
from stages.report import Config, run

Make = Callable[..., Step]


def rows(*found: tuple[str | None, str, list[str] | None, str | None]) -> pl.DataFrame:
    """Rows of categorize: category, by whom, the nearest, error."""
    text = pl.String()
    schema = {"category": text, "category_by": text, "nearest": pl.List(text), "error": text}
    table = pl.DataFrame(found, schema=schema, orient="row").with_row_index("n")
    return table.with_columns(video_id=pl.format("v{}", "n"), category_model=pl.lit("org/model")).drop("n")


def test_a_model_and_embeddings_are_compared_where_both_judged(make: Make) -> None:
    table = rows(
        ("Jazz", "generate", ["Jazz", "Rock"], None),
        ("Jazz", "generate", ["Rock", "Jazz"], None),
        ("Food", "generate", ["Rock", "Jazz"], None),
        ("Food", "generate", ["Rock", "Jazz"], None),
        ("Rock", "embedding", ["Rock", "Jazz"], None),
        ("Rock", "generate", None, None),
        (None, "generate", ["Rock", "Jazz"], "off_taxonomy"),
    )
    found = count_categories(make("categorize", table))
    assert found is not None
    assert (found.rows, found.distinct, found.compared, found.agreed, found.among_nearest) == (6, 3, 4, 1, 2)
    assert found.counts.rows() == [("Food", 2), ("Jazz", 2), ("Rock", 2)]
    assert found.disagreements.rows() == [("Food", "Rock", 2), ("Jazz", "Rock", 1)]


def test_a_step_that_does_not_categorize_has_none(make: Make) -> None:
    other = make("other", pl.DataFrame({"video_id": ["a"]}))
    assert count_categories(other) is None
    assert count_untrained(other) == 0


def test_the_page_shows_the_most_frequent_and_how_many_more_there_are(make: Make, tmp_path: Path) -> None:
    table = rows(*(("Jazz", "generate", ["Rock"], None) for _ in range(3)))
    more = rows(*((f"Kind {n}", "embedding", [f"Kind {n}"], None) for n in range(MOST + 4)))
    table = pl.concat([table, more.with_columns(video_id="w" + pl.col("video_id"))])
    step = make("categorize", table)
    tmp_path.joinpath("page").mkdir()
    run({"categorize": step}, Config(0, 10, False, 0, None), tmp_path / "page")
    page = (tmp_path / "page" / "report.html").read_text()
    assert "judged 3 rows: <b>0 %</b> alike" in page
    assert "<td>Jazz</td><td>Rock</td>" in page
    assert "and 5 more categories" in page
    assert "untrained-demo" not in page


def test_rows_of_an_untrained_model_are_reported_at_the_top(make: Make, tmp_path: Path) -> None:
    table = rows(("Jazz", "embedding", ["Jazz"], None), (None, "embedding", None, "no_words"))
    model = pl.when(pl.col("error").is_null()).then(pl.lit("untrained-demo"))
    step = make("categorize", table.with_columns(category_model=model))
    assert count_untrained(step) == 1
    tmp_path.joinpath("page").mkdir()
    run({"categorize": step}, Config(0, 10, False, 0, None), tmp_path / "page")
    page = (tmp_path / "page" / "report.html").read_text()
    assert page.index("1 rows of categorize mean nothing") < page.index("What went where")
