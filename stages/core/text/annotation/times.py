"""Times as people and models write them, read as seconds; and seconds written as HH:MM:SS.mmm."""

import re
from functools import lru_cache
from math import ceil

CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,4}):(\d{1,2})(?:[:;](\d{1,3}))?(?:[.,](\d{1,9}))?")  # 4th: frames
CLOCK_UNIT = re.compile(r"(?<=\d) ?(?:s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?)|z")  # behind a clock: 1:20s, 2:30 minutes
MINUS = ("-", "–", "—", "−")
SIGNS = str.maketrans({"：": ":", "′": "'", "″": '"', "’": "'", "”": '"'})
UNITS = re.compile(
    r"(?=.)(?:(\d+(?:\.\d+)?) ?h(?:ours?|rs?)?)?,?(?: and)? ?"
    r"(?:(\d+(?:\.\d+)?) ?(?:m(?:in(?:ute)?s?)?|'))?,?(?: and)? ?"
    r"(?:(\d+(?:[.,]\d+)?) ?(?:s(?:ec(?:ond)?s?)?)?)?"
)
MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?) ?(?:ms|milliseconds?)")
BEFORE = re.compile(
    r"(?:(?:[~≈@=(\[{*\"']|between|about|approx(?:\.|imately)?|around|roughly|near(?:ly)?|circa|ca?\.|at|from|by|t=|the)"
    r" *)+"
)
AFTER = re.compile(r"(?<=.)(?: mark| or so|ish| approx(?:\.|imately)?| into (?:the )?(?:video|scene)| ?\([^()]*\))+$")
BETWEEN = re.compile(r" *(?:-+>?|–|—|→|\.\.+|\bto\b|\buntil\b|\btill?\b|\bthrough\b) *")
TRAILING = " .,;)]}*\"'…"
OF_IT = r"(?: of (?:the )?(?:video|scene|clip))?"
START = re.compile(r"(?:very )?(?:start|beginning|begin|opening|intro|outset)" + OF_IT)
END = re.compile(r"(?:very )?(?:end|ending|close|finish|finale)" + OF_IT)
WHOLE = re.compile(
    r"(?:throughout|ongoing|continu(?:es|ous|ously|ing|ed)|always|constant(?:ly)?|(?:the )?(?:entire|whole|full|all))"
    r"(?:[ ,].*)?"
)
LONGEST_CHARACTERS = 80  # longer texts are no times
HOUR_S, MINUTE_S = 3600, 60


def read_time(
    value: object, *, is_end: bool, first_s: float, last_s: float, fps: float, limit_s: float = float("inf")
) -> float | None:
    """Seconds from the video's start; None for what is no time (1:75, -3, unknown, nothing).

    `start` and `end` are `first_s` and `last_s`, those of the scene or video that the time belongs to; of a range
    (1:20-1:45) and of `throughout` it is the side that `is_end` says. Frames (00:01:20:12) are of `fps`. What is
    beyond `limit_s` as H:MM:SS and not as MM:SS:FF is the latter.
    """
    if isinstance(value, str):
        read = read_text(value, is_end, fps)
        if isinstance(read, str):
            return last_s if read == "end" else first_s
        if read is not None and read > limit_s and value.count(":") == 2:
            other = read_text(f"0:{value.strip()}", is_end, fps)
            return other if isinstance(other, float) and other <= limit_s else read
        return read
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    return None


@lru_cache(maxsize=65536)
def read_text(text: str, is_end: bool, fps: float) -> float | str | None:
    """Seconds; `start` or `end` for a word that says so; None for what is no time."""
    if (clock := CLOCK.fullmatch(text)) is not None:
        return read_clock(clock, fps)
    plain = " ".join(text[: LONGEST_CHARACTERS + 1].translate(SIGNS).casefold().split())
    if len(plain) > LONGEST_CHARACTERS or without_before(plain).startswith(MINUS):
        return None
    if WHOLE.fullmatch(plain):
        return "end" if is_end else "start"
    side = plain if plain.replace(".", "", 1).isalnum() else pick_side(plain, is_end)
    for words, name in ((START, "start"), (END, "end")):
        if words.fullmatch(side):
            return name
    unit = CLOCK_UNIT.search(side)
    bare = side[: unit.start()] if unit and unit.end() == len(side) else side
    if (clock := CLOCK.fullmatch(bare.replace(";", ":"))) is not None:
        return read_clock(clock, fps)
    return read_units(side)


def pick_side(plain: str, is_end: bool) -> str:
    """The time without the words around it; of a range its first or last one, nothing where that is left open."""
    if plain.startswith("between "):
        plain = plain.replace(" and ", " to ")
    sides = BETWEEN.split(plain)
    if not all(sides[1:-1]):  # 5 to -3
        return ""
    side = AFTER.sub("", sides[-1 if is_end else 0]).rstrip(TRAILING)
    return without_before(side)


def without_before(plain: str) -> str:
    return plain[before.end() :] if (before := BEFORE.match(plain)) else plain


def read_units(text: str) -> float | None:
    """Seconds of 1m20s, 80.5 seconds, 500 ms or 80."""
    if (thousandths := MILLISECONDS.fullmatch(text)) is not None:
        return float(thousandths[1]) / 1000
    units = UNITS.fullmatch(text)
    if units is None or not any(units.groups()):
        return None
    hours, minutes, seconds = (float((part or "0").replace(",", ".")) for part in units.groups())
    return hours * HOUR_S + minutes * MINUTE_S + seconds


def read_clock(clock: re.Match[str], fps: float) -> float | None:
    """Seconds of M:SS, H:MM:SS or H:MM:SS:FF, each perhaps with a fraction; None where a part is too large."""
    hours, minutes, seconds, frames, fraction = clock.groups()
    if int(seconds) >= MINUTE_S or (hours is not None and int(minutes) >= MINUTE_S):
        return None
    whole_s = int(hours or 0) * HOUR_S + int(minutes) * MINUTE_S + int(seconds)
    if frames is not None:
        return None if hours is None or fraction or int(frames) >= ceil(fps) else whole_s + int(frames) / fps
    return whole_s + (float(f"0.{fraction}") if fraction else 0.0)


def write_time(at_s: float) -> str:
    """HH:MM:SS.mmm, the first millisecond that is not before it: so the time of a frame names that frame."""
    minutes, ms = divmod(ceil(at_s * 1000 - 0.0005), 60_000)
    return "%02d:%02d:%02d.%03d" % (*divmod(minutes, 60), *divmod(ms, 1000))  # noqa: UP031 — half the time of format
