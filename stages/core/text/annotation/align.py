"""An annotation whose times meet the shots that were found: scenes begin and end at cuts, all else lies in its scene.

Times are read in every form that models write (times.py), and written as HH:MM:SS.mmm. Nothing is decoded.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from slurm.errors import ItemError
from stages.core.text.annotation.inside import SAME_S, Around, Limits, Span, align_scene, sides_of
from stages.core.text.annotation.times import read_time

SHORTEST_S = 2 * SAME_S  # of a scene
Borders = Sequence[float]


class Video(NamedTuple):
    """What is known of a video: its length, and the times (s, growing) at which shots begin and end at a cut.

    At a gradual transition a shot ends where it begins, and the next one begins where it ends.
    """

    duration_s: float
    fps: float
    begins_s: Borders
    ends_s: Borders


@dataclass
class Aligned:
    """The annotation with its times aligned; how far borders of scenes were moved, and what was done to other times."""

    metadata: dict[str, Any]
    shifts_s: list[float]
    notes: Counter[str]

    @property
    def quality(self) -> str:
        """`reduced` if anything was dropped, `mended` if a time had to be repaired, else `good`."""
        if self.notes["dropped"]:
            return "reduced"
        return "mended" if self.notes.total() else "good"


def align(metadata: Mapping[str, Any], video: Video, limits: Limits) -> Aligned:
    """The annotation aligned. Raises ItemError scene_times, scene_overlap, scene_gap or scene_shift."""
    scenes = metadata.get("scenes")
    if not isinstance(scenes, list) or not scenes or not all(isinstance(scene, Mapping) for scene in scenes):
        raise ItemError("scene_times", "there are no scenes")
    notes: Counter[str] = Counter()
    spans = read_scenes(scenes, video, limits, notes)
    if any(later.start_s < earlier.start_s for earlier, later in pairwise(spans)):
        order = sorted(range(len(spans)), key=lambda n: (spans[n].start_s, spans[n].end_s))
        scenes, spans = [scenes[n] for n in order], [spans[n] for n in order]
        notes["reordered"] += 1
    for span in spans:
        snap(span, video, limits.snap_s)
    for earlier, later in pairwise(spans):
        meet(earlier, later, video, limits.shift_s)
    part_scenes(spans, limits, notes)
    shifts_s = [
        abs(now - read) for span in spans for now, read in zip((span.start_s, span.end_s), span.read, strict=True)
    ]
    if max(shifts_s) > limits.shift_s:
        raise ItemError("scene_shift", f"a scene's border would move by {max(shifts_s):.1f} s")
    whole = Span((0.0, video.duration_s), 0.0, video.duration_s)
    around = Around(whole, video.fps, limits, notes)
    result = {
        **metadata,
        "scenes": [
            align_scene(scene, Around(span, video.fps, limits, notes))
            for scene, span in zip(scenes, spans, strict=True)
        ],
        "fps": video.fps,
    }
    if isinstance(story := metadata.get("storylines"), Mapping) and isinstance(story.get("climax"), Mapping):
        climax = [around.moment(story["climax"])]
        result["storylines"] = {**story, "climax": climax[0]}
    if "trimmingSuggestions" in metadata:
        result["trimmingSuggestions"] = around.each(metadata["trimmingSuggestions"], around.interval("timestamps"))
    return Aligned(result, shifts_s, notes)


def read_scenes(scenes: Sequence[Mapping[str, Any]], video: Video, limits: Limits, notes: Counter[str]) -> list[Span]:
    """The time of each scene; a border without a time is that of its neighbour."""
    last_s, limit_s = video.duration_s, video.duration_s + limits.shift_s
    read = []
    for scene in scenes:
        sides = sides_of(scene.get("timestamps"))
        start, end = (
            read_time(side, is_end=is_end, first_s=0.0, last_s=last_s, fps=video.fps, limit_s=limit_s)
            for side, is_end in zip(sides, (False, True), strict=True)
        )
        if start is not None and end is not None and end < start:
            start, end = end, start
            notes["swapped"] += 1
        read.append((start, end if end != start else None))
    spans = []
    for n, (start, end) in enumerate(read):
        notes["filled"] += (start is None) + (end is None)
        before = 0.0 if n == 0 else read[n - 1][1]
        after = last_s if n + 1 == len(read) else read[n + 1][0]
        first, last = before if start is None else start, after if end is None else end
        if first is None or last is None or last - first < SHORTEST_S:
            raise ItemError("scene_times", f"scene {n + 1} has no time that can be read: {scenes[n].get('timestamps')}")
        if last > limit_s:
            raise ItemError("scene_shift", f"scene {n + 1} ends at {last:.1f} s, the video at {last_s:.1f} s")
        notes["clamped"] += last > last_s + SAME_S
        if last_s - first < SHORTEST_S:
            raise ItemError("scene_shift", f"scene {n + 1} begins at {first:.1f} s, the video ends at {last_s:.1f} s")
        spans.append(Span((first, last), first, min(last, last_s)))
    return spans


def snap(span: Span, video: Video, within_s: float) -> None:
    """Moves the borders of a scene to the nearest cuts; where both have the same one, the nearer border gets it."""
    starts, ends = near(video.begins_s, span.start_s, within_s), near(video.ends_s, span.end_s, within_s)
    start, end = next(iter(starts), None), next(iter(ends), None)
    if (span.start_s if start is None else start) >= (span.end_s if end is None else end) - SAME_S:
        start_wins = start is not None and (end is None or abs(start - span.start_s) <= abs(end - span.end_s))
        if start_wins and start is not None:
            end = next((cut for cut in ends if cut > start + SAME_S), None)
            start = start if start < (span.end_s if end is None else end) else None
        elif end is not None:
            start = next((cut for cut in starts if cut < end - SAME_S), None)
            end = end if (span.start_s if start is None else start) < end else None
    span.on_cut = [start is not None, end is not None]
    span.start_s = span.start_s if start is None else start
    span.end_s = span.end_s if end is None else end


def meet(earlier: Span, later: Span, video: Video, within_s: float) -> None:
    """Moves a border that two scenes share to one transition, the nearer one, where each side went to another."""
    if abs(later.read[0] - earlier.read[1]) > SAME_S or not (earlier.on_cut[1] and later.on_cut[0]):
        return
    ended, begun = bisect_left(video.ends_s, earlier.end_s), bisect_left(video.begins_s, later.start_s)
    start_is_nearer = abs(later.start_s - later.read[0]) <= abs(earlier.end_s - earlier.read[1])
    place = begun if start_is_nearer else ended
    end_s, start_s = video.ends_s[place], video.begins_s[place]
    near_enough = max(abs(end_s - earlier.read[1]), abs(start_s - later.read[0])) <= within_s
    if near_enough and min(end_s - earlier.start_s, later.end_s - start_s) >= SHORTEST_S:
        earlier.end_s, later.start_s = end_s, start_s


def near(cuts_s: Borders, at_s: float, within_s: float) -> list[float]:
    """The cuts within so many seconds, the nearest first."""
    first = bisect_left(cuts_s, at_s - within_s)
    last = bisect_left(cuts_s, at_s + within_s + SAME_S)
    return sorted(cuts_s[first:last], key=lambda cut: abs(cut - at_s)) if last > first else []


def part_scenes(spans: Sequence[Span], limits: Limits, notes: Counter[str]) -> None:
    """Parts scenes that overlap, and joins those with a gap if they shall be contiguous."""
    for earlier, later in pairwise(spans):
        gap_s = later.start_s - earlier.end_s
        if abs(gap_s) <= SAME_S or (gap_s > 0 and not limits.contiguous):
            continue
        fault = "scene_overlap" if gap_s < 0 else "scene_gap"
        one_on_cut = earlier.on_cut[1] != later.on_cut[0]
        if abs(gap_s) > limits.overlap_s and not (one_on_cut and abs(gap_s) <= limits.shift_s):
            kind = "overlap by" if gap_s < 0 else "leave a gap of"
            raise ItemError(fault, f"scenes {kind} {abs(gap_s):.1f} s at {later.start_s:.1f} s")
        border_s = earlier.end_s if one_on_cut and earlier.on_cut[1] else later.start_s
        if min(border_s - earlier.start_s, later.end_s - border_s) < SHORTEST_S:
            raise ItemError(fault, f"a scene lies within another one at {later.start_s:.1f} s")
        earlier.end_s = later.start_s = border_s
        notes["parted" if gap_s < 0 else "joined"] += 1
