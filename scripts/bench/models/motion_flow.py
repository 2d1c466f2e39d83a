"""Measures `motion_flow`: its cost beside bare decoding by ffmpeg, and its error on films whose motion is known.

Films of pans between two frames that are half a second apart, right and down, in pixels of the frame of 960 x 520 (or
520 x 960): over pictures that are easy and hard to follow, in several shapes, encoded. Beside it OpenCV's presets of
DIS as they are, on the same frames. `parts=error,cost`.
"""

import time
from collections.abc import Iterator, Sequence
from functools import cache
from math import hypot
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np
import yaml
from av.video.frame import VideoFrame
from pydantic import TypeAdapter

from scripts.bench.inputs.samples import GRAIN, SEED, X264, encode, film
from scripts.bench.lines import ROOT, Line, shared
from scripts.bench.video.analyze import bare_s
from scripts.truth.drawing.writing import make
from scripts.truth.film import Film
from scripts.truth.panned import panned
from stages.core.video.flow.clips import measure_clips
from stages.core.video.flow.dis import DisMeter
from stages.core.video.flow.meter import Meter, Pair, Picture, View
from stages.core.video.flow.one_pass import Span
from stages.core.video.flow.settings import Settings
from stages.core.video.read.frames import Image, shrink

ROUNDS = 3
SHIFTS_PX = ((2.0, 0.0), (0.0, 5.0), (-7.0, 7.0), (15.0, 0.0), (20.0, -20.0), (0.0, 40.0), (28.0, 28.0), (-40.0, 0.0))
SMALL_PX = 5.0  # less is told in pixels: coding leaves a dark or soft picture as it was where it hardly moved
PICTURES = (("leaves", "warm"), ("city", "vivid"), ("sky", "cold"), ("forest", "green"), ("night", "dark"))
SOFT = (("bokeh", "pastel"), ("room", "flat"))  # of which grain and coding leave next to nothing to follow
SHAPES = ((640, 360), (360, 640), (480, 480), (640, 272))
PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class Moving(NamedTuple):
    """A film, and how far its picture moves in half a second, in pixels of the frame as it is measured."""

    film: Film
    px: float


class Plain:
    """A Meter by DIS alone, on whole frames: the mean length of its flow."""

    batch = 1

    def __init__(self, name: str) -> None:
        self.name, self.busy_s, self.pairs = name, 0.0, 0
        self._dense = cv2.DISOpticalFlow.create(PRESETS[name])

    def prepare(self, frame: VideoFrame, view: View) -> Image:
        return shrink(frame, (view.width_px, view.height_px), view.orientation).luma

    def measure(self, pairs: Sequence[Pair[Image]]) -> list[float]:
        before = time.process_time()
        flows = [self._dense.calc(first, second, None) for first, second in pairs]  # type: ignore[call-overload]
        self.busy_s, self.pairs = self.busy_s + time.process_time() - before, self.pairs + len(pairs)
        return [float(np.hypot(flow[..., 0], flow[..., 1]).mean()) for flow in flows]


@cache
def settings() -> Settings:
    """The stage's own, from its YAML."""
    loaded = yaml.safe_load((ROOT / "conf" / "stage" / "motion_flow.yaml").read_text())
    found: Settings = TypeAdapter(Settings).validate_python({k: loaded[k] for k in Settings.__dataclass_fields__})
    return found


def films(pictures: Sequence[tuple[str, str]], small: bool) -> list[Moving]:
    """Pans by each of SHIFTS_PX in different shapes, and a film of each picture that stands still."""
    shifts = SHIFTS_PX[-2:] if small else SHIFTS_PX
    wanted = [
        (shift, picture, SHAPES[(number + turn) % len(SHAPES)])
        for turn, picture in enumerate(pictures)
        for number, shift in enumerate(shifts)
    ]
    wanted += [((0.0, 0.0), picture, SHAPES[0]) for picture in pictures]
    return [
        Moving(panned(f"{x:g}_{y:g}_{picture[0]}_{size[1]}", [(x, y)], picture=picture, size=size), hypot(x, y))
        for (x, y), picture, size in wanted
    ]


def mean_px(video: Path, meter: Meter[Picture]) -> float:
    (flows,) = measure_clips(str(video), [Span()], settings(), meter).found
    return sum(flows) / len(flows)


def error(folder: Path, small: bool) -> Iterator[Line]:
    for kind, pictures in (("", PICTURES[:1] if small else PICTURES), (", soft pictures", SOFT)):
        shown = [] if small and pictures is SOFT else films(pictures, small)
        for one in shown:
            if not (folder / one.film.file).exists():
                make(one.film, SEED, folder)
        for name in ("motion_flow", *PRESETS) if shown else ():
            meter = DisMeter() if name == "motion_flow" else Plain(name)
            found = [(one, mean_px(folder / one.film.file, meter)) for one in shown]
            off = {one.film.name: abs(ours / one.px - 1) for one, ours in found if one.px >= SMALL_PX}
            slow = [abs(ours - one.px) for one, ours in found if 0 < one.px < SMALL_PX]
            worst = max(off, key=lambda film: off[film])
            still = max(ours for one, ours in found if not one.px)
            title, bar = (f"DIS {name} alone", None) if isinstance(meter, Plain) else (name, None if kind else 0.05)
            cost_ms = f", {1000 * meter.busy_s / meter.pairs:.0f} ms a pair" if isinstance(meter, Plain) else ""
            how = f"{worst}; mean {sum(off.values()) / len(off):.3f} of {len(off)}{cost_ms}"
            yield Line(f"{title}: largest error of pans of 5 to 40 px{kind}", off[worst], "", bar, how)
            if slow:
                yield Line(f"{title}: of pans of 2 px{kind}", max(slow), "px", bar and 0.25)
            yield Line(f"{title}: still films, largest{kind}", still, "px", bar)


def cost(folder: Path, small: bool) -> Iterator[Line]:
    video, shown = folder / "h264_720p.mp4", film(small)
    if not video.exists():
        make(shown, SEED, folder)
        size = "320:180" if small else "1280:720"
        encode(["-i", str(folder / shown.file), "-vf", f"scale={size},{GRAIN}", *X264, "-b:v", "1800k"], video)

    def ours_s() -> float:
        before = time.process_time()
        measure_clips(str(video), [Span()], settings(), DisMeter())
        return time.process_time() - before

    ours_s()
    pairs = [(ours_s(), bare_s(video)) for _ in range(1 if small else ROUNDS)]
    ours, theirs = (median(each) for each in zip(*pairs, strict=True))
    how = f"{ours:.2f} s and {theirs:.2f} s of CPU for {float(shown.frames / shown.fps):.0f} s of video"
    yield Line("motion_flow / ffmpeg, h264_720p", median(a / b for a, b in pairs), "", 1.6, how)


PARTS = {function.__name__: function for function in (error, cost)}


def measure(folder: Path, *, parts: str = "error,cost", small: bool = False) -> Iterator[Line]:
    place = shared(folder) / "motion_flow"  # for every tree
    place.mkdir(parents=True, exist_ok=True)
    for part in parts.split(","):
        yield from PARTS[part](place, small)
