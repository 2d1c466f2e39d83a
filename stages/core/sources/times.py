"""Times and durations as catalogues write them, in seconds."""

import re

WHOLE = r"([0-9]{1,9}):"
TIME = re.compile(rf"(?:(?:(?:{WHOLE})?{WHOLE})?{WHOLE})?([0-9]{{1,12}}(?:\.[0-9]+)?|\.[0-9]+)")


def parse_seconds(text: str) -> float:
    """The seconds of `[d:]hh:mm:ss[.fff]`, `mm:ss[.fff]` or `ss[.fff]`; fractions are decimal, so `.5` is 0.5.

    The first field has no upper limit (`90:00` is an hour and a half); minutes and seconds after it must be below 60,
    hours below 24. Raises ValueError for anything else, with the text.
    """
    match = TIME.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time: [d:]hh:mm:ss[.fff], mm:ss[.fff] or seconds")
    days, hours, minutes, last = match.groups()
    if (days and int(hours) > 23) or (hours and int(minutes) > 59) or (minutes and float(last) >= 60):
        raise ValueError(
            f"{text!r} is not a time: hours must be below 24, minutes and seconds below 60, after a larger field"
        )
    return 86400 * int(days or 0) + 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(last)
