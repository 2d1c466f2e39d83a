"""Formats numbers, times and lengths for readers."""

import time

from stages.core.report.flow.funnel import Amount

UNKNOWN = "–"


def count(n: int | None) -> str:
    return UNKNOWN if n is None else f"{n:,}"


def share(part: float, whole: float) -> str:
    """A percentage; values near 0 % and 100 % are not rounded to these."""
    if not whole:
        return UNKNOWN
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.3g} %"


def number(x: float) -> str:
    """At most four significant digits."""
    return f"{x:,.0f}" if abs(x) >= 10_000 else f"{x:.4g}"


def seconds(s: float) -> str:
    """A duration in a fitting unit: 0 s, 3.2 s, 12.5 min, 3.25 h, 1,234 h."""
    if s < 0.05:
        return "< 0.1 s" if s else "0 s"
    if s < 59.95:
        return f"{s:.1f} s"
    if s < 3600:
        return f"{s / 60:.1f} min"
    return f"{s / 3600:,.2f} h" if s < 360_000 else f"{s / 3600:,.0f} h"


def length(amount: Amount) -> str:
    """The total length of video; – if no row's length is known, with ≥ if only some are."""
    if amount.rows and amount.unknown == amount.rows:
        return UNKNOWN
    return ("≥ " if amount.unknown else "") + seconds(amount.seconds)


def span(start_s: float, end_s: float) -> str:
    """A span of a video: 0:12.3 – 0:15.9."""
    return f"{clock(start_s)} – {clock(end_s)}"


def clock(s: float) -> str:
    """A time, with hours only if there are any: 0:07.5, 1:02:07.5."""
    tenths = round(s * 10)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{tenths / 10:04.1f}" if hours else f"{minutes}:{tenths / 10:04.1f}"


def hours(length_s: float) -> str:
    """A length in hours."""
    return small(length_s / 3600)


def small(x: float) -> str:
    """A number of four significant digits, and no more than four decimals."""
    return "< 0.0001" if 0 < x < 0.0001 else number(x) if x >= 1 else f"{x:.4f}".rstrip("0").rstrip(".")


def money(amount: float | None, currency: str) -> str:
    """An amount of money; – if it is not known."""
    if amount is None:
        return UNKNOWN
    return f"{'< 0.01' if 0 < amount < 0.01 else f'{amount:,.2f}'} {currency}".strip()


def moment(t: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(t)) if t else ""
