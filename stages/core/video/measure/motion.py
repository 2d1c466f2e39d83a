"""How fast the picture moves: dense optical flow at a few moments a second, of camera and objects apart."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.match import moved
from stages.core.video.measure.signals import Samples, make_samples
from stages.core.video.read.frames import Image, Small

Flow = NDArray[np.float32]
Pair = tuple[float, float, Image, Image]  # two moments in seconds, and their pictures

GRID_PX = 8  # side of a block
ROUNDING = 0.3  # squared levels that rounding alone makes of a difference
BETTER = 0.7  # a flow that leaves more than this share of the squared difference explains nothing; grain leaves 0.8
CHANGED = 6  # times the noise: what differs by more has changed, even where no flow explains how (it was covered)
STILL = 0.03  # share of a block's variance by which it may differ and yet be the same
REST_PX = 0.03  # a camera that moves less is as good as still
KNOWN = 0.02  # of the blocks that must show something before the camera can be told
MOVING = 0.01  # widths per second: five times what codec noise makes of a still picture
AT_ONCE = 24  # pairs: after a frame was decoded the caches hold nothing of this, one alone takes twice as long
ROUNDS = 3  # of the camera's fit; the third changes it by less than a hundredth


class Sample(NamedTuple):
    """Speeds between two times, in frame widths a second, never negative.

    `motion` is the mean speed of all pixels, beside its median and 90th percentile; `camera` the mean speed of the one
    motion that fits the whole picture (pan, zoom, rotation), `object` that of what is left beside it; `moving` is the
    share of the picture that moves at all, 0 to 1.
    """

    start_s: float
    end_s: float
    motion: float
    motion_median: float
    motion_p90: float
    moving: float
    camera: float
    object: float


class MotionMeter:
    """A Meter of motion, in `samples`: `per_s` times a second, each time between two frames `gap_s` apart.

    A fixed gap in time makes the numbers independent of the frame rate. Flow is DIS (Kroeger et al. 2016, "Fast optical
    flow using dense inverse search"), preset ultrafast. `borders_s` are the times at which shots begin, sorted and
    complete when the signals are asked for: they leave out what was measured across one.
    """

    def __init__(self, per_s: float, gap_s: float, borders_s: Sequence[float]) -> None:
        self._every_s = 1 / per_s
        self._gap_s = gap_s
        self._borders_s = borders_s
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._first: tuple[float, Image] | None = None
        self._next_s = float("-inf")
        self._pairs: list[Pair] = []
        self.samples: list[Sample] = []

    def add(self, number: int, time_s: float, small: Small) -> None:
        """The luma is of one size for the whole video; it is kept and must not be written to."""
        luma = small.luma
        if self._first is None:
            if time_s >= self._next_s:
                self._first = (time_s, luma)
                self._next_s = time_s + self._every_s
            return
        start_s, first = self._first
        if time_s - start_s < self._gap_s - 1e-6:
            return
        self._pairs.append((start_s, time_s, first, luma))
        if len(self._pairs) == AT_ONCE:
            self._measure()
        # where frames are rarer than the gap, this one begins the next pair
        self._first = None
        if time_s >= self._next_s:
            self.add(number, time_s, small)

    def finish(self, end_s: float) -> None:
        self._measure()

    def signals(self) -> Mapping[str, Samples]:
        kept = within_shots(self.samples, self._borders_s)
        starts, ends = [one.start_s for one in kept], [one.end_s for one in kept]
        return {name: make_samples(starts, ends, [getattr(one, name) for one in kept]) for name in Sample._fields[2:]}

    def _measure(self) -> None:
        if self._pairs:
            self.samples += measure_pairs(self._pairs, self._flow)
        self._pairs.clear()


def measure_pairs(pairs: Sequence[Pair], dense: cv2.DISOpticalFlow) -> list[Sample]:
    """A sample of each pair, by the dense flow from its first to its second picture.

    In each block of GRID_PX the flow is taken for what it is only where it explains what changed; where nothing
    changed the block stands still; where neither can be told, as in a clear sky or in grain, it goes with the camera.
    Every second line tells it nearly as well as all.
    """
    # an array here would be taken for a first guess; OpenCV's stub does not know that it may be left out
    flows = [np.asarray(dense.calc(first, second, None), np.float32) for _, _, first, second in pairs]  # type: ignore[call-overload]
    seconds = np.array([end_s - start_s for start_s, end_s, _, _ in pairs])
    lines = [first[::2] for _, _, first, _ in pairs]
    stood = np.stack([difference(first, pair[3][::2]) for first, pair in zip(lines, pairs, strict=True)])
    left = np.stack([difference(lines[n], moved(pairs[n][3], flow, 2)) for n, flow in enumerate(flows)])
    spread = np.stack([texture(first) for first in lines])
    count, high, wide = stood.shape
    noise = medians(left.reshape(count, -1))[:, None, None]
    moves = (left < BETTER * stood - ROUNDING) | (stood > CHANGED * (1 + noise))
    stands = ~moves & (stood < STILL * spread)
    middles = (slice(GRID_PX // 2, None, GRID_PX),) * 2  # the flow is smooth within a block
    blocks = np.stack([flow[middles][:high, :wide] for flow in flows]) * moves[..., None]
    camera = camera_flow(blocks, moves | stands)
    for n in np.flatnonzero(stands.any((1, 2)) & (np.abs(camera) > REST_PX).any((1, 2, 3))).tolist():
        second = pairs[n][3]
        whole = np.asarray(cv2.resize(camera[n], second.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        stands[n] &= stood[n] < BETTER * difference(lines[n], moved(second, whole, 2)) - ROUNDING
    told = np.where((moves | stands)[..., None], blocks, camera)
    per_px = 1 / flows[0].shape[1] / seconds[:, None]
    speeds, cameras, own = (length(field).reshape(count, -1) * per_px for field in (told, camera, told - camera))
    ordered = np.sort(speeds)
    columns = (
        speeds.mean(1),
        ordered[:, high * wide // 2],
        ordered[:, high * wide * 9 // 10],
        (speeds > MOVING).mean(1),
        cameras.mean(1),
        own.mean(1),
    )
    return [Sample(*pair[:2], *map(float, of)) for pair, of in zip(pairs, zip(*columns, strict=True), strict=True)]


def length(flow: Flow) -> NDArray[np.float32]:
    return np.asarray(np.hypot(flow[..., 0], flow[..., 1]), np.float32)


def difference(first: Image, second: Image) -> NDArray[np.float32]:
    """The mean squared difference in each block, of every second line."""
    return shrunk(np.square(cv2.absdiff(first, second).astype(np.float32)))


def texture(lines: Image) -> NDArray[np.float32]:
    """The variance in each block, of every second line."""
    values = lines.astype(np.float32)
    return shrunk(np.square(values)) - np.square(shrunk(values))


def shrunk(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each block, of every second line."""
    size = (values.shape[1] // GRID_PX, 2 * values.shape[0] // GRID_PX)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def camera_flow(flows: Flow, known: NDArray[np.bool_]) -> Flow:
    """The affine flow (pan, zoom, rotation, shear) that most of what is known of each picture follows; 0 if little is.

    `flows` is float32 [pictures, height, width, 2], `known` [pictures, height, width]. Least squares, weighed anew each
    round by how well each place fits (Geman-McClure), so that what moves on its own does not drag the camera along.
    """
    count, high, wide, _ = flows.shape
    seen, grid = flows.reshape(count, -1, 2), _grid(high, wide)
    inside = known.reshape(count, -1)
    too_few = inside.mean(1) < KNOWN
    inside = inside | too_few[:, None]
    products = (grid[:, :, None] * grid[:, None, :]).reshape(-1, 9)
    fitted = np.stack([medians(np.where(inside, seen[..., axis], np.inf)) for axis in (0, 1)], axis=1)[:, None]
    for _ in range(ROUNDS):
        apart = seen - fitted
        off = np.square(apart[..., 0]) + np.square(apart[..., 1])
        scale = np.maximum(medians(np.where(inside, off, np.inf)), 0.01)[:, None]  # a tenth of a pixel squared
        weight = inside / np.square(1 + off / scale)
        normal = (weight @ products).reshape(-1, 3, 3) + 1e-9 * np.eye(3)
        found = np.linalg.solve(normal, grid.T @ (weight[..., None] * seen))
        fitted = grid @ found
    fitted[too_few] = 0
    return fitted.reshape(flows.shape).astype(np.float32)


def medians(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The median of each row's finite values, the upper one of two; each row has at least one."""
    half = np.isfinite(values).sum(axis=1, keepdims=True) // 2
    return np.take_along_axis(np.sort(values), half, axis=1)[:, 0]


@cache
def _grid(height: int, width: int) -> NDArray[np.float64]:
    """1, x and y of every place of a grid, from -1 to 1, [height * width, 3]."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones(x.size), x.ravel(), y.ravel()], axis=1)


def within_shots(samples: Sequence[Sample], borders_s: Sequence[float]) -> list[Sample]:
    """The samples whose two frames are of one shot: flow between two shots means nothing. `borders_s` is sorted."""
    return [s for s in samples if bisect_right(borders_s, s.start_s) == bisect_right(borders_s, s.end_s)]
