"""The times within a scene: of what happens in it, of its props, edits and moments, held inside its borders."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from stages.core.text.annotation.times import read_time, write_time

UNKNOWN = {
    "",
    "?",
    "-",
    "n/a",
    "na",
    "nan",
    "none",
    "not specified",
    "null",
    "tbd",
    "undefined",
    "unknown",
    "unspecified",
}
SAME_S = 0.0005  # times are written in milliseconds


@dataclass(frozen=True)
class Limits:
    """A border goes to a cut within `snap_s`, and nowhere that is more than `shift_s` away.

    Scenes that overlap by at most `overlap_s` are parted. `contiguous`: each scene begins where the one before it ends.
    """

    snap_s: float
    shift_s: float
    overlap_s: float
    contiguous: bool


@dataclass
class Span:
    """The time of a scene as it was read, and as it is now."""

    read: tuple[float, float]
    start_s: float
    end_s: float
    on_cut: list[bool] = field(default_factory=lambda: [False, False])


def align_scene(scene: Mapping[str, Any], around: "Around") -> dict[str, Any]:
    span = around.span
    aligned = {**scene, "timestamps": written(span.start_s, span.end_s)}
    for name, key in (("activities", "timestamp"), ("props", "timestamp"), ("videoEditingDetails", "timestamps")):
        if name in scene:
            aligned[name] = around.each(scene[name], around.interval(key))
    if "narrativeProgression" in scene:
        aligned["narrativeProgression"] = around.each(scene["narrativeProgression"], around.moment)
    mood = scene.get("mood")
    if isinstance(mood, dict) and "keyMoments" in mood:
        aligned["mood"] = {**mood, "keyMoments": around.each(mood["keyMoments"], around.moment)}
    return aligned


Item = dict[str, Any]
Align = Callable[[Mapping[str, Any]], Item | None]


class Around(NamedTuple):
    """The scene, or the video, that other times must lie in."""

    span: Span
    fps: float
    limits: Limits
    notes: Counter[str]

    def each(self, items: object, align_one: Align) -> list[Any]:
        """The items aligned, without those that have no place here."""
        listed: Iterable[object] = items if isinstance(items, list) else []
        kept = [align_one(item) if isinstance(item, dict) else None for item in listed]
        self.notes["dropped"] += kept.count(None)
        return [item for item in kept if item is not None]

    def moment(self, item: Mapping[str, Any]) -> Item | None:
        """An item with one time."""
        value = item.get("timestamp")
        at_s = self.read(value, is_end=False)
        if at_s is None:
            if not unknown(value):
                return None
            self.notes["filled"] += 1
            at_s = self.span.start_s
        inside_s = min(max(at_s, self.span.start_s), self.span.end_s)
        if abs(inside_s - at_s) > self.limits.shift_s:
            return None
        self.notes["moved"] += inside_s != at_s
        return {**item, "timestamp": write_time(inside_s)}

    def interval(self, key: str) -> Align:
        """Aligns an item with a start and an end, which stand under this key."""

        def align_one(item: Mapping[str, Any]) -> Item | None:
            sides = sides_of(item.get(key))
            times = [self.read(side, is_end=is_end) for side, is_end in zip(sides, (False, True), strict=True)]
            if any(at_s is None and not unknown(side) for at_s, side in zip(times, sides, strict=True)):
                return None
            self.notes["filled"] += times.count(None)
            start_s = self.span.start_s if times[0] is None else times[0]
            end_s = self.span.end_s if times[1] is None else times[1]
            if end_s < start_s:
                start_s, end_s = end_s, start_s
                self.notes["swapped"] += 1
            low_s, high_s = self.span.start_s, self.span.end_s
            apart_s = max(low_s - end_s, start_s - high_s, 0.0)  # from its scene
            if apart_s > self.limits.shift_s:
                return None
            if apart_s > 0:  # beside its scene: moved into it, as long as it is
                length_s = end_s - start_s
                start_s = low_s if end_s < low_s else high_s - length_s
                end_s = start_s + length_s
            inside = max(start_s, low_s), min(end_s, high_s)
            self.notes["moved"] += apart_s > 0 or inside != (start_s, end_s)
            return {**item, key: written(*inside)}

        return align_one

    def read(self, value: object, *, is_end: bool) -> float | None:
        """A time; one at a border of the scene as it was read goes with the border."""
        span = self.span
        at_s = read_time(value, is_end=is_end, first_s=span.start_s, last_s=span.end_s, fps=self.fps)
        if at_s is None:
            return None
        if abs(at_s - span.read[1]) < SAME_S:
            return span.end_s
        return span.start_s if abs(at_s - span.read[0]) < SAME_S else at_s


def sides_of(value: object) -> tuple[object, object]:
    """Start and end of an interval; one text may hold both."""
    if isinstance(value, dict):
        return value.get("start_timestamp"), value.get("end_timestamp")
    return value, value


def unknown(value: object) -> bool:
    """Whether it says that the time is not known."""
    return value is None or (isinstance(value, str) and value.strip().casefold() in UNKNOWN)


def written(start_s: float, end_s: float) -> dict[str, str]:
    return {"start_timestamp": write_time(start_s), "end_timestamp": write_time(end_s)}
