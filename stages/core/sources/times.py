"""Times and durations as catalogues write them, in seconds."""

import re

WHOLE = r"([0-9]{1,9}):"
TIME = re.compile(rf"(?:(?:(?:{WHOLE})?{WHOLE})?{WHOLE})?([0-9]{{1,12}}(?:\.[0-9]+)?|\.[0-9]+)")


def seconds(text: str) -> float:
    """The seconds of `[d:]hh:mm:ss[.fff]`, `mm:ss[.fff]` or `ss[.fff]`; the point is a decimal one, so `.5` is 0.5.

    Only the first field may be as large as it likes (`90:00` is an hour and a half): minutes and seconds behind
    another field are below 60, hours behind days below 24. Raises ValueError for anything else, and names it.
    """
    found = TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a time: [d:]hh:mm:ss[.fff], mm:ss[.fff] or seconds")
    days, hours, minutes, last = found.groups()
    if (days and int(hours) > 23) or (hours and int(minutes) > 59) or (minutes and float(last) >= 60):
        raise ValueError(f"{text!r} is not a time: 24 hours, 60 minutes or 60 seconds behind a larger field")
    return 86400 * int(days or 0) + 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(last)
