"""How fast a step worked over time: an area, as wide as its place on the page."""

from collections.abc import Sequence

from markupsafe import Markup

from stages.core.report.charts.svg import element

HEIGHT = 40


def draw_rates(values: Sequence[float], breaks: Sequence[float], words: str) -> Markup:
    """Values as steps, from 0 to their largest; `breaks` (shares of the width) are dashed lines."""
    most = max(values, default=0) or 1
    outline = [(0.0, 0.0)]
    for number, value in enumerate(values):
        outline += [(float(number), value), (number + 1.0, value)]
    outline.append((float(len(values)), 0.0))
    points = " ".join(f"{x:g},{HEIGHT - value / most * (HEIGHT - 1):.2f}" for x, value in outline)
    lines = [
        element("line", x1=at * len(values), x2=at * len(values), y1=0, y2=HEIGHT, class_="break") for at in breaks
    ]
    area = element("polygon", points=points, class_="rate")
    return element(
        "svg",
        Markup("").join([area, *lines]),
        viewBox=f"0 0 {len(values)} {HEIGHT}",
        preserveAspectRatio="none",
        role="img",
        aria_label=words,
    )
