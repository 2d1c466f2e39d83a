"""The end of a sweep: what each point keeps, as a table in the terminal, a Parquet file and a plot.

<runs>/<run>/<step>@<words>/                          a step that a point does not share with the others
<runs>/<run>/sweeps/<recipe or step>/points.parquet   a row a point and step; beside it points.svg
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table

from slurm.record.manifest import Step
from slurm.screen import literal, show

POINTS = {
    "point": pl.String(),
    "step": pl.String(),
    "complete": pl.Boolean(),
    "rows_in": pl.Int64(),
    "rows_kept": pl.Int64(),
    "hours_kept": pl.Float64(),
}


def finish(rows: Sequence[tuple[str, str, Step]], folder: Path) -> None:
    """Writes and prints the table of a sweep: for each point, and each step that it has of its own, what it keeps."""
    table = pl.DataFrame([measured(*row) for row in rows], schema=POINTS)
    folder.mkdir(parents=True, exist_ok=True)
    table.write_parquet(folder / "points.parquet")
    plot(table, folder / "points.svg")
    several = table["step"].n_unique() > 1
    shown = Table(title=literal(f"sweep of {folder.name} ({folder})"), title_justify="left", box=SIMPLE_HEAD)
    for title in ("point", *(("step",) if several else ()), "rows in", "kept", "share", "hours kept"):
        shown.add_column(title, justify="left" if title in ("point", "step") else "right", no_wrap=True)
    for point, step, done, rows_in, kept, hours in table.iter_rows():
        share = f"{kept / rows_in:.1%}" if rows_in else "–"
        numbers = (f"{rows_in:,}", f"{kept:,}", share, "–" if hours is None else f"{hours:,.4f}")
        names = (literal(point), *((literal(step),) if several else ()))
        shown.add_row(*names, *(numbers if done else ("not done", "", "", "")))
    show(shown)


def measured(point: str, name: str, step: Step) -> dict[str, object]:
    done = step.all_done()
    return {
        "point": point,
        "step": name,
        "complete": len(done) == step.plan.n,
        "rows_in": sum(d.rows_in for d in done),
        "rows_kept": sum(d.rows_kept for d in done),
        "hours_kept": hours_kept(step) if done else None,
    }


def hours_kept(step: Step) -> float | None:
    """Hours of video in the rows that a step keeps, by the nearest step that knows durations; None if none does."""
    giver: Step | None = step
    while giver is not None and "duration_s" not in giver.plan.gives:
        giver = Step(step.run, giver.plan.inputs[0]) if giver.plan.inputs else None
    if giver is None or (durations := giver.scan()) is None:
        return None
    key = giver.plan.key
    if key not in step.kept().collect_schema():  # of a report or another summary
        return None
    kept = step.kept().select(key).join(durations.select(key, "duration_s"), on=key, how="left")
    seconds = (
        kept.select(pl.col("duration_s").sum(), known=pl.col("duration_s").count(), rows=pl.len()).collect().row(0)
    )
    return float(seconds[0]) / 3600 if seconds[1] or not seconds[2] else None


def plot(table: pl.DataFrame, path: Path) -> None:
    """A bar a point, as long as the rows that it keeps; their hours are written at its end. A chart a step."""
    import altair

    shown = table.with_columns(hours=pl.col("hours_kept").round(4).cast(pl.String).fill_null("–") + " h")
    charts = []
    for step in table["step"].unique(maintain_order=True):
        base = altair.Chart(shown.filter(pl.col("step") == step), title=step).encode(
            y=altair.Y("point:N", sort=None, title=None), x=altair.X("rows_kept:Q", title="rows kept")
        )
        bars = base.mark_bar() + base.mark_text(align="left", dx=4).encode(text="hours:N")
        charts.append(bars.properties(width=480))
    altair.vconcat(*charts).save(path)
