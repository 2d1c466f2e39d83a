"""Annotations of known truth: scenes of made videos, with times as models write them and off by up to a second.

Used by `python -m scripts.bench align` and by the tests of align.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stages.core.text.annotation.align import Video

RATES_FPS = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
OFF_S = 1.0  # of a written time, at most


@dataclass(frozen=True)
class Made:
    """An annotation, its video, and where the borders of its scenes truly are (s); `on_cut`: whether a cut is there."""

    metadata: dict[str, Any]
    video: Video
    borders_s: list[tuple[float, float]]
    on_cut: list[tuple[bool, bool]]


def make_annotation(
    seed: int, *, scenes: int = 10, items: int = 1, least_apart_s: float = 2.1, long: bool = False
) -> Made:
    """A video of so many scenes and its annotation. Cuts lie at least so far apart; `long`: it lasts over an hour.

    A quarter of the borders have no cut; their times are written exactly. Between some scenes there is a gap, and some
    annotations do not list them in order. A scene has 2 + 4 * `items` times.
    """
    rng = random.Random(seed)
    fps = rng.choice(RATES_FPS)
    vfr = rng.random() < 0.25
    step_s, stretch = 1 / fps, 400.0 if long else 1.0

    def later(at_s: float, by_s: float) -> float:
        """The time of a frame so much later; those of VFR are not evenly spaced."""
        frame = round((at_s + by_s) / step_s)
        return frame * step_s + (rng.uniform(0, 0.4) * step_s if vfr else 0.0)

    borders: list[tuple[float, float]] = []
    on_cut: list[list[bool]] = []
    cuts: list[float] = []
    at_s = 0.0
    for number in range(scenes):
        gap_s = rng.uniform(2.5, 4.0) if number and rng.random() < 0.2 else 0.0
        start_s = later(at_s, gap_s) if gap_s else at_s
        end_s = later(start_s, least_apart_s + rng.uniform(2.5, 9.0) * stretch)
        on_cut.append([number > 0 and rng.random() < 0.75, rng.random() < 0.75])
        if borders and not gap_s:  # a border of two scenes
            on_cut[-1][0] = on_cut[-2][1]
        borders.append((start_s, end_s))
        at_s = end_s
    duration_s = later(at_s, 1.5)
    on_cut[-1][1] = False
    for (start_s, end_s), (first, last) in zip(borders, on_cut, strict=True):
        cuts += [start_s] * first + [end_s] * last
    # cuts inside scenes, where nobody looks for them
    for (start_s, end_s), _ in zip(borders, on_cut, strict=True):
        middle_s = later((start_s + end_s) / 2, 0.0)
        if min(middle_s - start_s, end_s - middle_s) > 2.0 + OFF_S + least_apart_s:
            cuts.append(middle_s)
    cuts_s = sorted(set(cuts))
    video = Video(duration_s, fps, cuts_s, cuts_s)
    around = enumerate(zip(borders, on_cut, strict=True), 1)
    listed = [make_scene(rng, number, border, fps, items) for number, border in around]
    if rng.random() < 0.2:
        rng.shuffle(listed)
    metadata = {
        "title": "made",
        "scenes": listed,
        "storylines": {"description": "", "scenes": [1], "climax": {"description": "", "timestamp": "0:05"}},
        "trimmingSuggestions": [{"description": "", "timestamps": written_span(rng, 0.0, duration_s, fps)}],
    }
    return Made(metadata, video, borders, [(first, last) for first, last in on_cut])


def make_scene(
    rng: random.Random, number: int, border: tuple[tuple[float, float], Sequence[bool]], fps: float, items: int
) -> dict[str, Any]:
    span, on_cut = border
    start_s, end_s = span
    first, last = (write(rng, at_s, fps) if cut else exact(at_s) for at_s, cut in zip(span, on_cut, strict=True))
    middle_s = (start_s + end_s) / 2
    inner = [(rng.uniform(start_s, middle_s), rng.uniform(middle_s, end_s)) for _ in range(2 * items)]
    things = [{"description": "", "timestamp": written_span(rng, *pair, fps)} for pair in inner]
    moments = [write(rng, at_s, fps) for pair in inner[items:] for at_s in pair]
    scene: dict[str, Any] = {
        "sceneId": number,
        "timestamps": {"start_timestamp": first, "end_timestamp": last},
        "activities": things[:items],
        "mood": {"description": ""},
    }
    match number % 3:
        case 0:
            scene["props"] = things[items:]
        case 1:
            edits = [{"description": "", "timestamps": thing["timestamp"]} for thing in things[items:]]
            scene["videoEditingDetails"] = edits
        case 2:
            scene["mood"]["keyMoments"] = [{"changeDescription": "", "timestamp": at} for at in moments[:items]]
            scene["narrativeProgression"] = [{"description": "", "timestamp": at} for at in moments[items:]]
    return scene


def written_span(rng: random.Random, start_s: float, end_s: float, fps: float) -> dict[str, Any]:
    one = rng.random()
    if one < 0.1:
        both = f"{clock(int(start_s))}-{clock(int(end_s))}"
        return {"start_timestamp": both, "end_timestamp": both}
    first = rng.choice(("start", "beginning", "throughout the video", "unknown", None)) if one > 0.9 else None
    last = rng.choice(("end", "ongoing", "throughout", "n/a", None)) if one > 0.9 else None
    return {
        "start_timestamp": first or write(rng, start_s, fps),
        "end_timestamp": last or write(rng, end_s, fps),
    }


def exact(at_s: float) -> str:
    return clock_ms(at_s, ".")


def write(rng: random.Random, at_s: float, fps: float) -> str:
    """A time as a model writes it, off by at most OFF_S."""
    form = rng.choice(FORMS)
    return form(max(0.0, at_s + rng.uniform(-OFF_S / 2, OFF_S / 2)), fps)


def clock(whole_s: int) -> str:
    minutes, seconds = divmod(whole_s, 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}" if minutes >= 60 else f"{minutes}:{seconds:02d}"


def clock_ms(at_s: float, point: str) -> str:
    ms = round(at_s * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


def with_frames(at_s: float, fps: float) -> str:
    whole_s = int(at_s)
    return f"{whole_s // 3600:02d}:{whole_s // 60 % 60:02d}:{whole_s % 60:02d}:{int((at_s - whole_s) * fps):02d}"


FORMS: Sequence[Callable[[float, float], str]] = (
    lambda at_s, fps: clock(round(at_s)),
    lambda at_s, fps: f"{round(at_s)}s",
    lambda at_s, fps: f"{at_s:.1f}s",
    lambda at_s, fps: f"{round(at_s) // 60}m{round(at_s) % 60}s",
    lambda at_s, fps: f"~{clock(round(at_s))}",
    lambda at_s, fps: f"approx. {clock(round(at_s))}",
    lambda at_s, fps: f"around {clock(round(at_s))}",
    lambda at_s, fps: clock_ms(at_s, "."),
    lambda at_s, fps: clock_ms(at_s, ","),
    with_frames,
)
