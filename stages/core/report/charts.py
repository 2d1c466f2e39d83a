"""Charts as inline SVG, without scripts; colours are CSS variables of the page, for its light and dark theme."""

from collections.abc import Sequence
from io import StringIO
from typing import Any

import altair as alt
import polars as pl
from markupsafe import Markup

from stages.core.report.formatting import count, length, number
from stages.core.report.funnel import Flow
from stages.core.report.histograms import Histogram

KINDS = ["kept", "dropped", "failed"]
STYLE: dict[str, Any] = {
    "background": "transparent",
    "font": "sans-serif",
    "view": {"stroke": None},
    "text": {"fontSize": 11, "color": "var(--ink)"},
    "title": {"fontSize": 12, "color": "var(--soft)", "anchor": "start", "fontWeight": "normal"},
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


def svg(chart: alt.TopLevelMixin) -> Markup:
    """The chart as SVG markup, in which Vega has escaped all text."""
    out = StringIO()
    chart.save(out, format="svg")
    return Markup(out.getvalue())


def colours() -> alt.Scale:
    return alt.Scale(domain=KINDS, range=[f"var(--{kind})" for kind in KINDS])


def funnel(flows: Sequence[Flow]) -> Markup:
    """Per step a bar of kept, dropped and failed rows, and one of the length kept; steps of one unit share a scale."""
    units = list(dict.fromkeys(flow.unit for flow in flows))
    extent = min(200, 20 + 7 * max(len(flow.step.name) for flow in flows))
    longest = max(flow.kept.seconds for flow in flows) or 1.0
    both = [_of_unit([flow for flow in flows if flow.unit == name], name, extent, longest) for name in units]
    return svg(alt.vconcat(*both, spacing=18).configure(**STYLE))


def _of_unit(flows: Sequence[Flow], unit: str, extent: int, longest: float) -> alt.HConcatChart:
    names = [flow.step.name for flow in flows]
    rows = [
        {
            "step": flow.step.name,
            "kind": kind,
            "order": order,
            "rows": flow.kept.rows if order == 0 else flow.lost(kind),
        }
        for flow in flows
        for order, kind in enumerate(KINDS)
    ]
    ends = [
        {"step": flow.step.name, "rows": flow.rows_out, "label": f"{count(flow.kept.rows)} of {count(flow.rows_out)}"}
        for flow in flows
    ]
    spans = [{"step": flow.step.name, "seconds": flow.kept.seconds, "label": length(flow.kept)} for flow in flows]
    axis = alt.Axis(title=None, ticks=False, domain=False, minExtent=extent, maxExtent=extent, labelLimit=extent - 10)
    place = alt.Y("step", type="nominal", sort=names, axis=axis)
    bare = alt.Y("step", type="nominal", sort=names, axis=None)
    size = {"height": alt.Step(26)}
    most = max(flow.rows_out for flow in flows) or 1
    x = alt.X("rows", type="quantitative", title=f"{unit} kept", scale=alt.Scale(domain=[0, most * 1.45]), axis=None)
    bars = alt.Chart(pl.DataFrame(rows)).mark_bar(height=16)
    bars = bars.encode(
        y=place, x=x, order="order:O", color=alt.Color("kind", type="nominal", scale=colours(), legend=None)
    )
    texts = alt.Chart(pl.DataFrame(ends)).mark_text(align="left", dx=5).encode(y=place, x=x, text="label:N")
    y = alt.X("seconds", type="quantitative", scale=alt.Scale(domain=[0, longest * 1.45]), axis=None)
    lengths = alt.Chart(pl.DataFrame(spans)).mark_bar(height=16, color="var(--length)").encode(y=bare, x=y)
    said = alt.Chart(pl.DataFrame(spans)).mark_text(align="left", dx=5).encode(y=bare, x=y, text="label:N")
    return alt.hconcat(
        (bars + texts).properties(width=470, title=f"{unit}, of all that came out", **size),
        (lengths + said).properties(width=270, title="length kept", **size),
        spacing=20,
    )


def histogram(shown: Histogram) -> Markup:
    """The bins, coloured by whether they pass the limits, and the limits as lines."""
    start, end = shown.axis
    x = alt.Scale(domain=[start, end], nice=False, padding=5)
    kinds = shown.bins.with_columns(kind=pl.when("passes").then(pl.lit("kept")).otherwise(pl.lit("dropped")))
    bars = (
        alt.Chart(kinds.select("start", "end", "rows", "kind"))
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "start", type="quantitative", scale=x, bin="binned", title=None, axis=alt.Axis(grid=False, tickCount=6)
            ),
            x2="end",
            y=alt.Y(
                "rows",
                type="quantitative",
                title=None,
                axis=alt.Axis(tickCount=4, domain=False, format="~s", tickMinStep=1),
            ),
            color=alt.Color("kind", type="nominal", scale=colours(), legend=None),
        )
    )
    limits = pl.DataFrame(
        [
            {"at": at, "label": f"{name} {number(at)}", "late": at > (start + end) / 2}
            for name, at in limit_lines(shown)
            if start <= at <= end
        ],
        schema={"at": pl.Float64, "label": pl.String, "late": pl.Boolean},
    )
    at = alt.X("at", type="quantitative", scale=x, title=None)
    lines = alt.Chart(limits).mark_rule(color="var(--limit)", strokeDash=[4, 3], strokeWidth=1.5).encode(x=at)
    labels = [
        alt.Chart(limits.filter(pl.col("late") == late))
        .mark_text(align="right" if late else "left", dx=-4 if late else 4, y=-7, fontSize=11, color="var(--limit)")
        .encode(x=at, text="label:N")
        for late in (False, True)
    ]
    return svg(alt.layer(bars, lines, *labels).properties(width=340, height=120).configure(**STYLE))


def limit_lines(shown: Histogram) -> list[tuple[str, float]]:
    """(label, value) of each limit to draw: those of the rule, or for all/any those of the share that passes."""
    if shown.rule["reduce"] == "any":
        return [("more than", 0.0)]
    return [(name, at) for name, at in (("min", shown.low), ("max", shown.high)) if at is not None]
