"""The end of a sweep: what each point keeps, as tables in the terminal, as Parquet files and as plots.

<runs>/<run>/<step>@<words>/                   a step that a point does not share with the others
<runs>/<run>/sweeps/<recipe or step>/          of each step of the points:
    points.parquet, points.svg                 a row a point: rows, hours, and a column for each key that is swept
    categories.parquet                         where a step before gives a `category`: the share of each among the rows
    overlap.parquet                            of every two points: Jaccard, what both keep of what either keeps
    hours.svg, heat.svg                        hours over each key that is swept, and of two over both
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table

from slurm.record.files import write_table
from slurm.record.manifest import Step
from slurm.screen import literal, show
from stages.core.command_line import plots
from stages.core.command_line.kept import Kept, Look, jaccard

POINTS = {
    "point": pl.String(),
    "step": pl.String(),
    "complete": pl.Boolean(),
    "rows_in": pl.Int64(),
    "rows_kept": pl.Int64(),
    "hours_kept": pl.Float64(),
}
MATRIX = 6  # points of which the terminal shows the overlap of every two; of more, that of neighbours
MOST_CATEGORIES = 6  # shown
MOST_POINTS = 200  # shown

Rows = Sequence[tuple[str, str, Step]]  # point, step, what the step is called there


def finish(rows: Rows, folder: Path, swept: Mapping[str, Mapping[str, str]] | None = None) -> None:
    """Writes and prints the tables of a sweep: for each point, and each step that it has of its own, what it keeps.

    `swept` tells of each point the values of the keys that are swept.
    """
    swept = swept or {}
    keys = list(dict.fromkeys(key for values in swept.values() for key in values))
    looks: dict[str, Look] = {}
    found = [looks.setdefault(name, Look()).at(step) for _, name, step in rows]
    values = [{key: swept.get(point, {}).get(key) for key in keys} for point, _, _ in rows]
    measured = [{**measure(*row, kept), **own} for row, kept, own in zip(rows, found, values, strict=True)]
    table = pl.DataFrame(measured, schema={**POINTS, **dict.fromkeys(keys, pl.String())})
    shares, overlap = share_of_categories(rows, found), overlaps(rows, found)
    write_table(folder / "points.parquet", table)
    write_table(folder / "overlap.parquet", overlap)
    if len(shares):
        write_table(folder / "categories.parquet", shares)
    draw(table, keys, folder)
    short = {point: ",".join(f"{key}={value}" for key, value in values.items()) for point, values in swept.items()}
    shown = short if len({*short.values()}) == len(short) else {}  # what all points share need not be said a row
    tell(table, overlap, folder, shown)
    if len(shares):
        tell_categories(shares, shown, several=table["step"].n_unique() > 1)


def measure(point: str, name: str, step: Step, kept: Kept) -> dict[str, object]:
    done = step.all_done()
    return {
        "point": point,
        "step": name,
        "complete": len(done) == step.plan.n,
        "rows_in": sum(d.rows_in for d in done),
        "rows_kept": sum(d.rows_kept for d in done),
        "hours_kept": kept.hours,
    }


def share_of_categories(rows: Rows, found: Sequence[Kept]) -> pl.DataFrame:
    """point, step, category, rows, hours, share of the point's rows; none where nobody gives categories."""
    tables = [
        kept.categories.select(pl.lit(point).alias("point"), pl.lit(name).alias("step"), "category", "rows", "hours",
            share=pl.col("rows") / pl.col("rows").sum())
        for (point, name, _), kept in zip(rows, found, strict=True)
        if kept.categories is not None
    ]  # fmt: skip
    return pl.concat(tables) if tables else pl.DataFrame()


def overlaps(rows: Rows, found: Sequence[Kept]) -> pl.DataFrame:
    """step, point, other, jaccard of every two different points; null where the rows have no names."""
    tables = [
        pl.DataFrame(schema={"step": pl.String(), "point": pl.String(), "other": pl.String(), "jaccard": pl.Float64()})
    ]
    for name in dict.fromkeys(name for _, name, _ in rows):
        own = [(point, kept.bits) for (point, step, _), kept in zip(rows, found, strict=True) if step == name]
        points = pl.DataFrame({"point": [point for point, _ in own]}).with_row_index("n")
        pairs = points.join(points.rename({"point": "other", "n": "m"}), how="cross")
        share = pl.Series("jaccard", jaccard([bits for _, bits in own]).ravel(), pl.Float64()).fill_nan(None)
        both = pairs.with_columns(share, step=pl.lit(name)).filter(pl.col("n") != pl.col("m"))
        tables.append(both.select(tables[0].columns))
    return pl.concat(tables)


def draw(table: pl.DataFrame, keys: Sequence[str], folder: Path) -> None:
    """Writes the plots."""
    plots.plot_points(table, folder / "points.svg")
    varied = [key for key in keys if table[key].n_unique() > 1]
    if varied and table["hours_kept"].count():
        plots.plot_hours(table, varied, folder / "hours.svg")
    if len(varied) == 2 and table["hours_kept"].count():
        plots.plot_heat(table, varied, folder / "heat.svg")


def tell(table: pl.DataFrame, overlap: pl.DataFrame, folder: Path, short: Mapping[str, str]) -> None:
    """Prints a row a point (by its `short` name): what it keeps, and how much of that other points keep, too."""
    several, names = table["step"].n_unique() > 1, table["point"].unique(maintain_order=True).to_list()
    matrix = 1 < len(names) <= MATRIX
    shown = Table(title=literal(f"sweep of {folder.name} ({folder})"), title_justify="left", box=SIMPLE_HEAD)
    others = [f"as {n}" for n in range(1, len(names) + 1)] if matrix else ["as above"] if len(names) > 1 else []
    number = ("",) if matrix else ()
    for title in (*number, "point", *(("step",) if several else ()), "rows in", "kept", "share", "hours kept", *others):
        shown.add_column(title, justify="left" if title in ("point", "step") else "right", no_wrap=True)
    known = {(step, point, other): share for step, point, other, share in overlap.iter_rows()}
    for point, step, done, rows_in, kept, hours in table.select(list(POINTS)).head(MOST_POINTS).iter_rows():
        at = names.index(point)
        beside = names if matrix else [names[at - 1] if at else None] if others else []
        shares = ["" if (one := known.get((step, point, other))) is None else f"{one:.3f}" for other in beside]
        share = f"{kept / rows_in:.1%}" if rows_in else "–"
        numbers = (f"{rows_in:,}", f"{kept:,}", share, "–" if hours is None else f"{hours:,.4f}", *shares)
        said = (
            *((str(at + 1),) if matrix else ()),
            literal(short.get(point, point)),
            *((literal(step),) if several else ()),
        )
        shown.add_row(*said, *(numbers if done else ("not done", *("" for _ in numbers[1:]))))
    show(shown)
    if len(table) > MOST_POINTS:
        show(f"and {len(table) - MOST_POINTS:,} more rows in points.parquet")


def tell_categories(shares: pl.DataFrame, short: Mapping[str, str], *, several: bool) -> None:
    """Prints the share of the most frequent categories at each point."""
    total = shares.group_by("category").agg(pl.col("rows").sum()).sort(["rows", "category"], descending=[True, False])
    names = total["category"].head(MOST_CATEGORIES).to_list()
    more = f", of {len(total):,} the most frequent ones" if len(total) > len(names) else ""
    shown = Table(title=f"share of each category among the rows kept{more}", title_justify="left", box=SIMPLE_HEAD)
    for title in ("point", *(("step",) if several else ())):
        shown.add_column(title, no_wrap=True)
    for name in names:
        shown.add_column(literal(str(name or "–")), justify="right")
    for (point, step), own in list(shares.group_by("point", "step", maintain_order=True))[:MOST_POINTS]:
        known = dict(own.select("category", "share").iter_rows())
        said = (literal(short.get(str(point), str(point))), *((literal(str(step)),) if several else ()))
        shown.add_row(*said, *(f"{known.get(name, 0.0):.1%}" for name in names))
    show(shown)
