"""A histogram: bars, coloured by whether they pass the limits, and the limits as lines."""

from collections import Counter

from markupsafe import Markup

from stages.core.report.charts.formatting import count, number
from stages.core.report.charts.svg import element, round_steps
from stages.core.report.content.histograms import Histogram

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 360, 160, 44, 8, 18, 20
FRAME = {
    "xmlns": "http://www.w3.org/2000/svg",
    **{"width": WIDTH, "height": HEIGHT, "viewBox": f"0 0 {WIDTH} {HEIGHT}", "font_family": "sans-serif"},
}
TICK = {"fill": "var(--soft)", "font_size": 10.5}
LIMIT = {"stroke": "var(--limit)", "stroke_dasharray": "4 3", "stroke_width": 1.5}
LIMIT_NAME = {"fill": "var(--limit)", "font_size": 11}


def draw_histogram(shown: Histogram) -> Markup:
    start, end = shown.axis
    totals: Counter[float] = Counter()
    for at, rows in shown.bins.select("start", "rows").iter_rows():
        totals[at] += rows
    most, floor_y = max(totals.values(), default=1), HEIGHT - BOTTOM

    def x(at: float) -> float:
        return LEFT + (at - start) / (end - start) * (WIDTH - LEFT - RIGHT)

    def y(rows: float) -> float:
        return floor_y - rows / most * (floor_y - TOP)

    parts = []
    for rows in round_steps(0, most, 3):
        if rows == int(rows):
            parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(rows), y2=y(rows), stroke="var(--line)"))
            parts.append(element("text", compact(rows), x=LEFT - 6, y=y(rows) + 4, text_anchor="end", **TICK))
    below: Counter[float] = Counter()
    for at, to, passes, rows in shown.bins.sort("start", "passes", descending=[False, True]).iter_rows():
        place = {"x": x(at) + 0.5, "width": max(0.8, x(to) - x(at) - 1), "y": y(below[at] + rows)}
        fill = {"fill": "var(--kept)" if passes else "var(--dropped)", "height": y(below[at]) - y(below[at] + rows)}
        span = f"{number(at)} to {number(to)}: {count(rows)} {'pass' if passes else 'fail'}"
        parts.append(element("rect", element("title", span), **place, **fill))
        below[at] += rows
    for at in round_steps(start, end, 5):
        parts.append(element("text", number(at), x=x(at), y=HEIGHT - 5, text_anchor="middle", **TICK))
    for name, at in limit_lines(shown):
        shown_at = min(max(at, start), end)
        late, off = shown_at > (start + end) / 2, "" if start <= at <= end else "→ " if at > end else "← "
        if not off:
            parts.append(element("line", x1=x(at), x2=x(at), y1=TOP - 4, y2=floor_y, **LIMIT))
        side = {"x": x(shown_at) + (-4 if late else 4), "text_anchor": "end" if late else "start"}
        parts.append(element("text", f"{off}{name} {number(at)}", y=TOP - 6, **LIMIT_NAME, **side))
    words = f"Histogram of {shown.name}: {count(shown.values)} values from {number(start)} to {number(end)}"
    return element("svg", Markup("").join(parts), **FRAME, role="img", aria_label=words)


def compact(rows: float) -> str:
    """A number of rows in few letters: 1.2M, 35k."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rows >= size:
            return f"{rows / size:.3g}{unit}"
    return f"{rows:.0f}"


def limit_lines(shown: Histogram) -> list[tuple[str, float]]:
    """(label, value) of each limit to draw: those of the rule, or for all/any those of the share that passes."""
    if shown.rule["reduce"] == "any":
        return [("more than", 0.0)]
    return [(name, at) for name, at in (("min", shown.low), ("max", shown.high)) if at is not None]
