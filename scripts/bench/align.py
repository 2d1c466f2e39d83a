"""Aligning annotations with cuts: CPU time of a video, borders met, times out of their scene; and closer cuts.

python -m scripts.bench align [videos=2000] [items=1]
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.bench.lines import Line
from scripts.truth.annotations import Made, make_annotation
from stages.core.text.annotation.align import align
from stages.core.text.annotation.inside import Limits
from stages.core.text.annotation.times import read_text, read_time

LIMITS = Limits(snap_s=2.0, shift_s=5.0, overlap_s=2.0, contiguous=False)
MS = 1000


def measure(folder: Path, *, small: bool = False, videos: int = 2000, items: int = 1) -> Iterator[Line]:
    made = [make_annotation(seed, items=items, long=seed % 10 == 0) for seed in range(40 if small else videos)]
    read_text.cache_clear()
    begun_s = time.process_time()
    aligned = [align(one.metadata, one.video, LIMITS) for one in made]
    cost_s = time.process_time() - begun_s
    times = 10 * (2 + 4 * items)
    yield Line(f"CPU time a video, ten scenes, {times} times", cost_s / len(made) * MS, "ms", 1.0)
    missed = moved = borders = 0
    for one, now in zip(made, aligned, strict=True):
        for is_s, was_s, on_cut in compared(one, now.metadata):
            borders += on_cut
            missed += on_cut and abs(is_s - was_s) > 1 / one.video.fps
            moved += not on_cut and abs(is_s - was_s) > 1 / MS + 1e-4
    yield Line(f"borders with a cut that are more than a frame away from it, of {borders:,}", missed, "", 0)
    yield Line("borders without a cut that were moved", moved, "", 0)


def compared(made: Made, metadata: dict[str, Any]) -> Iterator[tuple[float, float, bool]]:
    """Of each border of a scene: its time now, its true time, whether a cut is there."""
    scenes = {scene["sceneId"]: scene["timestamps"] for scene in metadata["scenes"]}
    for number, (truth, cuts) in enumerate(zip(made.borders_s, made.on_cut, strict=True), 1):
        for key, was_s, on_cut in zip(("start_timestamp", "end_timestamp"), truth, cuts, strict=True):
            is_s = read_time(scenes[number][key], is_end=False, first_s=0.0, last_s=0.0, fps=made.video.fps)
            assert is_s is not None
            yield is_s, was_s, on_cut
