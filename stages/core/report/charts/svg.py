"""SVG without scripts, of text that is escaped; colours are CSS variables of the page, for its light and dark theme."""

from math import ceil, floor, isfinite, log10

from markupsafe import Markup, escape

TICKS = 4


def element(name: str, content: object = "", **attributes: object) -> Markup:
    """An element; `text_anchor` is the attribute text-anchor. Numbers are rounded to hundredths."""
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(short(value))}"' for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, Markup(said), content)


def short(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def round_steps(start: float, end: float, most: int = TICKS) -> list[float]:
    """Round numbers within an axis, about as many as asked for."""
    width = end - start
    if not (isfinite(width) and width > 0):
        return []
    least = width / max(1, most)
    power = 10.0 ** floor(log10(least))
    step = next((times * power for times in (1, 2, 5, 10) if times * power >= least * 0.999), 10 * power)
    first, last = ceil(start / step - 1e-9), floor(end / step + 1e-9)
    return [n * step for n in range(first, last + 1)] if last - first < 50 else []
