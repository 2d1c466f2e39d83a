"""Measures motion by dense optical flow, a few times a second; camera and objects apart, and how the camera moves."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.measure.match import warp
from stages.core.video.measure.signals import Samples, make_samples
from stages.core.video.read.frames import Image, Small

Flow = NDArray[np.float32]
Pair = tuple[float, float, Image, Image]  # the times of two frames in seconds, and their luma

GRID_PX = 8  # side of a block
ROUNDING = 0.3  # mean squared difference, in levels of 255, that rounding alone makes
BETTER = 0.7  # a flow that leaves more than this share of the squared difference is not used; grain leaves 0.8
CHANGED = 6  # times the noise: blocks that differ by more count as moving even if no flow explains them (covered)
STILL = 0.03  # share of a block's variance: a block that differs by less stands still
REST_PX = 0.03  # a camera that moves less counts as still
KNOWN = 0.02  # share of the blocks that must move or stand still clearly for the camera's motion to be fitted
MOVING = 0.01  # frame widths a second: five times what codec noise makes of a still picture
AT_ONCE = 24  # pairs measured together: after a decode the caches are cold, one alone takes twice as long
ROUNDS = 3  # of fitting the camera's motion; the third changes it by less than a hundredth


class Sample(NamedTuple):
    """Speeds between two times, in frame widths a second; the first six are never negative.

    `motion` is the mean speed of all pixels, beside its median and 90th percentile; `camera` the mean speed of the one
    motion that fits the whole picture (pan, zoom, rotation), `object` that of what is left beside it; `moving` is the
    share of the picture that moves at all, 0 to 1.

    The last four are parts of the camera's motion, with signs. `pan_x` and `pan_y` are the speed in the middle of the
    picture: above 0 the camera turns right and down, so that the picture goes left and up. `zoom` and `roll` are the
    mean speeds of all pixels by growing and turning alone: above 0 what is shown grows, the camera turns clockwise.
    """

    start_s: float
    end_s: float
    motion: float
    motion_median: float
    motion_p90: float
    moving: float
    camera: float
    object: float
    pan_x: float
    pan_y: float
    zoom: float
    roll: float


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
        # where frames are further apart than the gap, this one begins the next pair too
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

    A block of GRID_PX has the flow's motion where that explains the block's change, none where nothing changed, and the
    camera's where neither is clear, as in a clear sky or in grain. Every second line is enough to decide it.
    """
    # an array as third argument would be a first guess; OpenCV's type stub does not know that it may be None
    flows = [np.asarray(dense.calc(first, second, None), np.float32) for _, _, first, second in pairs]  # type: ignore[call-overload]
    seconds = np.array([end_s - start_s for start_s, end_s, _, _ in pairs])
    lines = [first[::2] for _, _, first, _ in pairs]
    stood = np.stack([difference(first, pair[3][::2]) for first, pair in zip(lines, pairs, strict=True)])
    left = np.stack([difference(lines[n], warp(pairs[n][3], flow, 2)) for n, flow in enumerate(flows)])
    spread = np.stack([texture(first) for first in lines])
    count, high, wide = stood.shape
    noise = medians(left.reshape(count, -1))[:, None, None]
    moves = (left < BETTER * stood - ROUNDING) | (stood > CHANGED * (1 + noise))
    stands = ~moves & (stood < STILL * spread)
    middles = (slice(GRID_PX // 2, None, GRID_PX),) * 2  # the flow is smooth within a block
    blocks = np.stack([flow[middles][:high, :wide] for flow in flows]) * moves[..., None]
    fit = fit_camera(blocks, moves | stands)
    camera = camera_field(fit, high, wide)
    for n in np.flatnonzero(stands.any((1, 2)) & (np.abs(camera) > REST_PX).any((1, 2, 3))).tolist():
        second = pairs[n][3]
        whole = np.asarray(cv2.resize(camera[n], second.shape[::-1], interpolation=cv2.INTER_LINEAR), np.float32)
        stands[n] &= stood[n] < BETTER * difference(lines[n], warp(second, whole, 2)) - ROUNDING
    motion = np.where((moves | stands)[..., None], blocks, camera)
    per_px = 1 / flows[0].shape[1] / seconds[:, None]
    speeds, cameras, own = (length(field).reshape(count, -1) * per_px for field in (motion, camera, motion - camera))
    ordered = np.sort(speeds)
    columns = (
        speeds.mean(1),
        ordered[:, high * wide // 2],
        ordered[:, high * wide * 9 // 10],
        (speeds > MOVING).mean(1),
        cameras.mean(1),
        own.mean(1),
        *(camera_moves(fit, high, wide) * per_px.T),
    )
    return [Sample(*pair[:2], *map(float, of)) for pair, of in zip(pairs, zip(*columns, strict=True), strict=True)]


def length(flow: Flow) -> NDArray[np.float32]:
    """The length of each vector, [...] of [..., 2]."""
    return np.asarray(np.hypot(flow[..., 0], flow[..., 1]), np.float32)


def difference(first: Image, second: Image) -> NDArray[np.float32]:
    """The mean squared difference in each block; both pictures are every second line, uint8 [height / 2, width]."""
    return shrunk(np.square(cv2.absdiff(first, second).astype(np.float32)))


def texture(lines: Image) -> NDArray[np.float32]:
    """The variance in each block, of every second line, uint8 [height / 2, width]."""
    values = lines.astype(np.float32)
    return shrunk(np.square(values)) - np.square(shrunk(values))


def shrunk(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each block, of every second line, float32 [height / GRID_PX, width / GRID_PX]."""
    size = (values.shape[1] // GRID_PX, 2 * values.shape[0] // GRID_PX)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def camera_flow(flows: Flow, known: NDArray[np.bool_]) -> Flow:
    """The flow of the camera's motion that fits most of the known blocks of each picture; 0 if few are.

    `flows` and the result are float32 [pictures, height, width, 2], `known` is bool [pictures, height, width].
    """
    _, high, wide, _ = flows.shape
    return camera_field(fit_camera(flows, known), high, wide)


def fit_camera(flows: Flow, known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The affine flow (pan, zoom, rotation, shear) that fits most of the known blocks of each picture; 0 if few are.

    `flows` and `known` are as in `camera_flow`. The result, [pictures, 3, 2], is the flow right and down in pixels: in
    the middle of the picture, what the right edge has more than that, and what the lower edge has. Least squares,
    reweighted in each round by how well each block fits (Geman-McClure), so that moving objects do not pull the
    camera's motion along.
    """
    count, high, wide, _ = flows.shape
    observed, grid = flows.reshape(count, -1, 2), _grid(high, wide)
    inside = known.reshape(count, -1)
    too_few = inside.mean(1) < KNOWN
    inside = inside | too_few[:, None]
    products = (grid[:, :, None] * grid[:, None, :]).reshape(-1, 9)
    fitted = np.stack([medians(np.where(inside, observed[..., axis], np.inf)) for axis in (0, 1)], axis=1)[:, None]
    for _ in range(ROUNDS):
        apart = observed - fitted
        off = np.square(apart[..., 0]) + np.square(apart[..., 1])
        scale = np.maximum(medians(np.where(inside, off, np.inf)), 0.01)[:, None]  # a tenth of a pixel squared
        weight = inside / np.square(1 + off / scale)
        normal = (weight @ products).reshape(-1, 3, 3) + 1e-9 * np.eye(3)
        solution = np.linalg.solve(normal, grid.T @ (weight[..., None] * observed))
        fitted = grid @ solution
    return np.where(too_few[:, None, None], 0, solution)


def camera_field(fit: NDArray[np.float64], high: int, wide: int) -> Flow:
    """The flow of each block by what `fit_camera` gives, float32 [pictures, high, wide, 2], in pixels."""
    return (_grid(high, wide) @ fit).reshape(-1, high, wide, 2).astype(np.float32)


def camera_moves(fit: NDArray[np.float64], high: int, wide: int) -> NDArray[np.float64]:
    """Pan to the right, pan down, zoom and roll as `Sample` has them, [4, pictures], in pixels, by `fit_camera`."""
    middle, across, down = fit[:, 0], fit[:, 1] * 2 / (wide - 1), fit[:, 2] * 2 / (high - 1)  # a block
    x, y = np.mgrid[-1 : 1 : wide * 1j, -1 : 1 : high * 1j]
    far = float(np.hypot(x * (wide - 1) / 2, y * (high - 1) / 2).mean())  # mean distance from the middle, in blocks
    growth, turn = (across[:, 0] + down[:, 1]) / 2, (down[:, 0] - across[:, 1]) / 2
    return np.stack([-middle[:, 0], -middle[:, 1], far * growth, far * turn])


def medians(values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The median of each row's finite values, the upper one of two; each row has at least one."""
    half = np.isfinite(values).sum(axis=1, keepdims=True) // 2
    return np.take_along_axis(np.sort(values), half, axis=1)[:, 0]


@cache
def _grid(height: int, width: int) -> NDArray[np.float64]:
    """1, x and y of every point of a grid, x and y from -1 to 1, [height * width, 3]."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones(x.size), x.ravel(), y.ravel()], axis=1)


def within_shots(samples: Sequence[Sample], borders_s: Sequence[float]) -> list[Sample]:
    """The samples whose two frames are of one shot: flow between two shots means nothing. `borders_s` is sorted."""
    return [s for s in samples if bisect_right(borders_s, s.start_s) == bisect_right(borders_s, s.end_s)]
