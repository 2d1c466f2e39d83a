"""Prints how often `categorize` agrees with people: accuracy, and which categories are taken for which.

The labels are a CSV with the columns id and category; of categories the name or the path counts (`A > B`). Rows for
which the step has an error count as wrong.

    python -m scripts.categorize_eval run=NAME labels=FILE [step=categorize] [runs=runs]
"""

import sys
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from scripts.words import read_words
from slurm.ending import ending
from slurm.errors import InputError
from slurm.owner import reading
from slurm.record.manifest import Step
from slurm.screen import literal

MOST = 20  # confusions that are shown


def judged(labels: Path, step: Step) -> pl.DataFrame:
    """A row a label: id, `wanted`, what was `said` (null for an error) and whether it is `right`. Raises InputError."""
    try:
        table = pl.read_csv(labels, infer_schema=False, glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"labels={labels} cannot be read: {error}") from error
    if missing := {"id", "category"} - set(table.columns):
        raise InputError(f"labels={labels} has no column {min(missing)}; it has: {', '.join(table.columns)}")
    rows = step.scan()
    if rows is None:
        raise InputError(f"step {step} has no finished chunk yet")
    found = rows.select(
        id="video_id", said="category", path=pl.col("category_path").list.join(" > "), error="error"
    ).collect()
    both = table.select("id", wanted=pl.col("category").str.strip_chars()).join(found, on="id", how="left")
    if both["said"].is_null().all():
        raise InputError(f"no id of labels={labels} has a category in {step}")
    right = (pl.col("wanted") == pl.col("said")) | (pl.col("wanted") == pl.col("path"))
    return both.with_columns(right=right.fill_null(False))


def confusions(rows: pl.DataFrame) -> pl.DataFrame:
    """Wanted, said, and how often, of what is wrong; the most frequent first."""
    said = pl.coalesce("said", pl.format("({})", pl.col("error").fill_null("not in the step")))
    return (
        rows.filter(~pl.col("right"))
        .group_by("wanted", said)
        .len("times")
        .sort(["times", "wanted", "said"], descending=[True, False, False])
    )


def main(words: list[str]) -> None:
    given = read_words(words, ("run", "labels", "step", "runs"), ("run", "labels"))
    step = Step((Path(given.get("runs", "runs")) / given["run"]).absolute(), given.get("step", "categorize"))
    with reading():
        rows = judged(Path(given["labels"]), step)
    console = Console(width=None if sys.stdout.isatty() else 120)
    right = rows["right"].sum()
    console.print(f"{right} of {len(rows)} right: {right / len(rows):.1%}")
    each = rows.group_by("wanted").agg(pl.len().alias("labels"), pl.col("right").mean()).sort("wanted")
    show(console, each, "category")
    show(console, confusions(rows).head(MOST), "taken for another")


def show(console: Console, rows: pl.DataFrame, title: str) -> None:
    if rows.is_empty():
        return
    table = Table(*rows.columns, title=title, title_justify="left", box=SIMPLE_HEAD)
    for row in rows.rows():
        table.add_row(*(f"{value:.0%}" if isinstance(value, float) else literal(str(value)) for value in row))
    console.print(table)


if __name__ == "__main__":
    with ending("nothing is changed by this"):
        main(sys.argv[1:])
