"""Plots of a release as SVG files: lengths, words of captions, each score with its thresholds, hours by category."""

import re
from collections.abc import Iterator, Sequence
from io import StringIO
from typing import Any, NamedTuple

import altair as alt
import polars as pl

from slurm.record.manifest import Step
from stages.core.card.configs import Release
from stages.core.report.charts.histogram import draw_histogram
from stages.core.report.content.histograms import make_histograms

COLOURS = {  # of the report's page; a picture in a card has no page around it, so they stand in it
    "--ink": "#1f2328",
    "--soft": "#59636e",
    "--line": "#d1d9e0",
    "--kept": "#2f7d4f",
    "--dropped": "#c98a1b",
    "--failed": "#b3382c",
    "--length": "#3b6ea5",
    "--limit": "#b3382c",
}
MOST_BARS = 40  # categories
STYLE: dict[str, Any] = {
    "background": "transparent",
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--ink)",
        "titleColor": "var(--soft)",
        "titleFontWeight": "normal",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
    },
}


class Plot(NamedTuple):
    """A picture by its path in the dataset, and what it shows in words."""

    path: str
    words: str
    svg: str


def draw_plots(releases: Sequence[Release], before: Sequence[Step], bins: int) -> list[Plot]:
    """The plots for which there are values."""
    found: list[Plot] = []
    for release in releases:
        end = f"-{release.name}" if len(releases) > 1 else ""
        of = f" ({release.name})" if len(releases) > 1 else ""
        lengths = release.rows["duration_s"].drop_nulls()
        if len(lengths):
            found.append(Plot(f"plots/length{end}.svg", f"Length of each row in seconds{of}", bars(lengths, bins)))
        words = release.rows["caption_words"].drop_nulls()
        if len(words):
            shown = bars(words.cast(pl.Float64()), bins)
            found.append(Plot(f"plots/caption_words{end}.svg", f"Words of each caption{of}", shown))
        hours = hours_by_category(release.rows)
        if len(hours):
            shown = bars_by_name(hours)
            found.append(Plot(f"plots/hours_by_category{end}.svg", f"Hours by category{of}", shown))
    return [*found, *draw_scores(before, bins)]


def draw_scores(before: Sequence[Step], bins: int) -> Iterator[Plot]:
    """What each rule of the filters saw, in all rows that it judged, and where it cut."""
    for step in before:
        for shown in make_histograms(step, bins):
            name = re.sub(r"[^\w.-]+", "-", f"{step.name}-{shown.name}")
            words = f"{shown.caption}, of all rows that {step.name} judged by {shown.name}"
            yield Plot(f"plots/score-{name}.svg", words, settled(draw_histogram(shown)))


def hours_by_category(rows: pl.DataFrame) -> pl.DataFrame:
    """category, hours: the largest ones."""
    known = rows.filter(pl.col("category").is_not_null(), pl.col("duration_s").is_not_null())
    hours = known.group_by("category").agg(hours=pl.col("duration_s").sum() / 3600)
    return hours.sort(["hours", "category"], descending=[True, False]).head(MOST_BARS)


def bars(values: pl.Series, bins: int) -> str:
    """A histogram of numbers."""
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    width = (high - low) / bins or 1.0
    place = ((values - low) / width).floor().clip(0, bins - 1)
    counted = pl.DataFrame({"place": place}).group_by("place").len("rows").sort("place")
    table = counted.select("rows", start=low + pl.col("place") * width, end=low + (pl.col("place") + 1) * width)
    x = alt.X("start", type="quantitative", bin="binned", title=None, axis=alt.Axis(grid=False, tickCount=6))
    y = alt.Y("rows", type="quantitative", title="rows", axis=alt.Axis(tickCount=4, format="~s", tickMinStep=1))
    chart = alt.Chart(table).mark_bar(binSpacing=1, color="var(--length)").encode(x=x, x2="end", y=y)
    return settled(svg(chart.properties(width=420, height=150).configure(**STYLE)))


def bars_by_name(table: pl.DataFrame) -> str:
    """A bar for each category."""
    y = alt.Y("category", type="nominal", sort=table["category"].to_list(), title=None, axis=alt.Axis(labelLimit=260))
    x = alt.X("hours", type="quantitative", title="hours", axis=alt.Axis(tickCount=4))
    chart = alt.Chart(table).mark_bar(color="var(--length)").encode(x=x, y=y)
    return settled(svg(chart.properties(width=420, height=alt.Step(16)).configure(**STYLE)))


def svg(chart: alt.TopLevelMixin) -> str:
    """The chart as SVG markup, in which Vega has escaped all text."""
    out = StringIO()
    chart.save(out, format="svg")
    return out.getvalue()


def settled(markup: str) -> str:
    """The picture with paper, colours and a margin of its own, for a reader who shows it alone.

    The margin is for readers whose letters are wider than those by which the picture was laid out.
    """
    own = re.sub(r"var\((--\w+)\)", lambda name: COLOURS[name[1]], str(markup))
    size = re.search(r'width="([\d.]+)" height="([\d.]+)" viewBox="0 0 [\d.]+ [\d.]+"', own)
    if size is None:
        return own
    left, other = 36, 12
    width, height = float(size[1]) + left + other, float(size[2]) + 2 * other
    framed = f'width="{width:g}" height="{height:g}" viewBox="{-left} {-other} {width:g} {height:g}"'
    return own.replace(size[0], f'{framed} style="background: #ffffff"', 1)
