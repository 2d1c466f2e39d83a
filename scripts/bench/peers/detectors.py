"""PySceneDetect's detectors over a film, each at many settings, for comparison.

The film is decoded once, by PyAV, since OpenCV cannot read AV1; pictures are 256 pixels wide, the width to which
PySceneDetect brings them itself. What costs time, the score of each frame, is computed once by the detectors' own code;
their thresholds and least lengths of a scene are then tried on it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from scenedetect import (
    AdaptiveDetector,
    ContentDetector,
    FrameTimecode,
    HashDetector,
    HistogramDetector,
    StatsManager,
    ThresholdDetector,
)
from scenedetect.detector import FlashFilter, SceneDetector

WIDTH_PX = 256
LENGTHS = (1, 15)  # least frames of a scene: none to speak of, and the default
WEIGHTS = {
    "": ContentDetector.Components(1.0, 1.0, 1.0, 0.0),
    " luma": ContentDetector.Components(0.0, 0.0, 1.0, 0.0),
    " edges": ContentDetector.Components(1.0, 1.0, 1.0, 1.0),
}
CONTENT = (8, 12, 15, 18, 21, 24, 27, 31, 36, 42)
ADAPTIVE = (1.5, 2.0, 2.5, 3.0, 3.5, 4.5)
HISTOGRAM = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
HASH = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45)

Scores = NDArray[np.float64]


def pictures(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The film's frames, uint8 BGR [height, width, 3]."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            height_px = max(2, round(WIDTH_PX * frame.height / frame.width))
            small = frame.reformat(WIDTH_PX, height_px, "bgr24", interpolation="AREA")
            yield np.asarray(small.to_ndarray(), dtype=np.uint8)


class Replayed:
    """A detector of the content family whose pictures are their scores already."""

    def _calculate_frame_score(self, timecode: FrameTimecode, frame_img: float) -> float:
        return frame_img


class ReplayedContent(Replayed, ContentDetector):  # type: ignore[misc]
    pass


class ReplayedAdaptive(Replayed, AdaptiveDetector):  # type: ignore[misc]
    pass


def fed(detector: SceneDetector, pictures: Iterable[Any], fps: Fraction) -> list[int]:
    """The frames before which a detector finds a cut."""
    cuts, last = [], FrameTimecode(0, fps=float(fps))
    for n, picture in enumerate(pictures):
        last = FrameTimecode(n, fps=float(fps))
        cuts += detector.process_frame(last, picture)
    return sorted(cut.frame_num for cut in [*cuts, *detector.post_process(last)])


def measured(path: Path, fps: Fraction) -> tuple[dict[str, Scores], dict[str, list[int]]]:
    """The scores of all frames by their names, and the cuts of ThresholdDetector, which is quick, by its settings."""
    stats = StatsManager()
    scorers: list[SceneDetector] = [
        ContentDetector(weights=WEIGHTS[" edges"]),
        HistogramDetector(bins=128),
        HistogramDetector(bins=32),
        HashDetector(size=8, lowpass=2),
        HashDetector(size=16, lowpass=2),
    ]
    for scorer in scorers:
        scorer.stats_manager = stats
    floors = {
        f"ThresholdDetector {method.name.lower()}={level}": ThresholdDetector(level, 1, method=method)
        for method, levels in (
            (ThresholdDetector.Method.FLOOR, (8, 12, 20, 32)),
            (ThresholdDetector.Method.CEILING, (215, 235, 245)),
        )
        for level in levels
    }
    cuts: dict[str, list[int]] = {name: [] for name in floors}
    frames = 0
    for frames, picture in enumerate(pictures(path), 1):
        at = FrameTimecode(frames - 1, fps=float(fps))
        for scorer in scorers:
            scorer.process_frame(at, picture)
        for name, floor in floors.items():
            cuts[name] += [cut.frame_num for cut in floor.process_frame(at, picture)]
    names = [name for scorer in scorers for name in scorer.get_metrics()]
    rows = [stats.get_metrics(FrameTimecode(n, fps=float(fps)), names) for n in range(frames)]
    table = np.array([[np.nan if value is None else value for value in row] for row in rows], dtype=np.float64)
    return {name: table[:, n] for n, name in enumerate(names)}, cuts


def apart(suspects: Sequence[bool] | NDArray[np.bool_], least: int) -> list[int]:
    """The frames suspected, but for those that come too soon after one or the start: what two of the detectors do."""
    cuts, last = [], 0
    for n in map(int, np.flatnonzero(suspects)):
        if n - last >= least:
            cuts.append(n)
            last = n
    return cuts


def contents(scores: dict[str, Scores], fps: Fraction) -> Iterator[tuple[str, list[int]]]:
    """ContentDetector and AdaptiveDetector at all their settings."""
    parts = np.nan_to_num(np.stack([scores[name] for name in ContentDetector.Components._fields], axis=1))
    for label, weights in WEIGHTS.items():
        weighed = (parts @ np.array(weights) / sum(map(abs, weights))).tolist()
        for threshold, least, mode in product(CONTENT, LENGTHS, FlashFilter.Mode):
            content = ReplayedContent(threshold, least, filter_mode=mode)
            yield f"ContentDetector {threshold}{label} least={least} {mode.name.lower()}", fed(content, weighed, fps)
        for ratio, least, window, content_val in product(ADAPTIVE, LENGTHS, (2, 3), (5, 10, 15)):
            adaptive = ReplayedAdaptive(ratio, least, window, content_val)
            name = f"AdaptiveDetector {ratio}{label} least={least} window={window} content={content_val}"
            yield name, fed(adaptive, weighed, fps)


def simple(scores: dict[str, Scores]) -> Iterator[tuple[str, list[int]]]:
    """HistogramDetector and HashDetector at all their settings."""
    for bins, threshold, least in product((128, 32), HISTOGRAM, LENGTHS):
        suspects = scores[f"hist_diff [bins={bins}]"] <= 1 - threshold
        yield f"HistogramDetector {threshold} bins={bins} least={least}", apart(suspects, least)
    for size, threshold, least in product((8, 16), HASH, LENGTHS):
        suspects = scores[f"hash_dist [size={size} lowpass=2]"] >= threshold
        yield f"HashDetector {threshold} size={size} least={least}", apart(suspects, least)


def detected(path: Path, fps: Fraction) -> dict[str, list[int]]:
    """The cuts that each detector finds at each setting; kept in a file beside the film, for the next time."""
    kept = path.parent / "scenedetect" / f"{path.name}.json"
    if kept.exists() and kept.stat().st_mtime > max(path.stat().st_mtime, Path(__file__).stat().st_mtime):
        found: dict[str, list[int]] = json.loads(kept.read_text())
        return found
    scores, found = measured(path, fps)
    found |= {**dict(contents(scores, fps)), **dict(simple(scores))}
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(found))
    return found
