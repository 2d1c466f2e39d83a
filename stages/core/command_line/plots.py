"""Plots of a sweep, as SVG: rows of each point, hours over each swept key, and over two of them as a heat map.

altair is imported where something is drawn: it takes half a second.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

MOST_BARS = 200  # points of a chart with a bar each: its height grows with them
MOST_LABELS = 400  # cells of a heat map that are labelled


def plot_points(table: pl.DataFrame, path: Path) -> None:
    """A bar a point, as long as the rows that it keeps; their hours are written at its end. A chart a step."""
    import altair as alt

    shown = table.with_columns(hours=pl.col("hours_kept").round(4).cast(pl.String).fill_null("–") + " h")
    charts = []
    for step in table["step"].unique(maintain_order=True):
        base = alt.Chart(shown.filter(pl.col("step") == step).head(MOST_BARS), title=step).encode(
            y=alt.Y("point:N", sort=None, title=None), x=alt.X("rows_kept:Q", title="rows kept")
        )
        bars = base.mark_bar() + base.mark_text(align="left", dx=4).encode(text="hours:N")
        charts.append(bars.properties(width=480))
    alt.vconcat(*charts).save(path)


def plot_hours(table: pl.DataFrame, keys: Sequence[str], path: Path) -> None:
    """Hours kept over each key, a line for all points that differ in nothing else. A row of charts a step."""
    import altair as alt

    rows = []
    for step in table["step"].unique(maintain_order=True):
        points, charts = table.filter(pl.col("step") == step), []
        for key in keys:
            others = [name for name in keys if name != key]
            series = pl.concat_str([pl.lit(f"{name}=") + pl.col(name) for name in others], separator=", ")
            data = points.select(
                x=number_or_text(points[key]), hours="hours_kept", series=series if others else pl.lit("")
            )
            x = alt.X("x:Q", title=key, scale=alt.Scale(zero=False))
            x = x if data.schema["x"].is_numeric() else alt.X("x:N", title=key, sort=None)
            line = alt.Chart(data).mark_line(point=data["series"].n_unique() < MOST_BARS // 4)
            line = line.encode(
                x=x,
                y=alt.Y("hours:Q", title="hours kept"),
                color=alt.Color("series:N", title=None, sort=None, legend=alt.Legend() if few(data) else None),
            )
            charts.append(line.properties(width=360, height=240, title=step))
        rows.append(alt.hconcat(*charts))
    alt.vconcat(*rows).save(path)


def few(data: pl.DataFrame) -> bool:
    """Whether the lines can be told apart by their colours."""
    return 1 < data["series"].n_unique() <= 10


def plot_heat(table: pl.DataFrame, keys: Sequence[str], path: Path) -> None:
    """Hours kept over two keys as colours, labelled where there is room. A chart a step."""
    import altair as alt

    charts = []
    for step in table["step"].unique(maintain_order=True):
        points = table.filter(pl.col("step") == step).select(x=keys[0], y=keys[1], hours="hours_kept")
        base = alt.Chart(points, title=step).encode(  # a key may be called `hours`
            x=alt.X("x:O", sort=None, title=keys[0]), y=alt.Y("y:O", sort=None, title=keys[1])
        )
        colour = alt.Color("hours:Q", title="hours kept", scale=alt.Scale(scheme="blues"))
        heat: alt.Chart | alt.LayerChart = base.mark_rect().encode(color=colour)
        if len(points) <= MOST_LABELS:
            middle = (points["hours"].max() or 0.0) / 2  # type: ignore[operator]
            dark = alt.condition(f"datum.hours > {middle}", alt.value("white"), alt.value("black"))
            heat = heat + base.mark_text(fontSize=9).encode(text=alt.Text("hours:Q", format=".3~g"), color=dark)
        charts.append(heat.properties(width=alt.Step(34), height=alt.Step(24)))
    alt.vconcat(*charts).save(path)


def number_or_text(values: pl.Series) -> pl.Series:
    """The values as numbers if all of them are (null counts as none)."""
    numbers = values.replace("null", None).cast(pl.Float64, strict=False)
    return numbers if numbers.null_count() == values.replace("null", None).null_count() else values
