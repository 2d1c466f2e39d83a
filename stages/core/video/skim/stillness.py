"""Estimates what stands still and what moves from the sizes of packets and from sync frames, without decoding the rest.

A frame that repeats the one before it costs an encoder next to nothing, whatever the codec: beside its header 0 to 0.35
bits for each block of 16 x 16 pixels. But so does, in HEVC, VP9 and AV1, a picture that slides by slowly as a whole. So
a span between two sync frames counts as surely still only if its packets are that small and, besides, both sync frames
show the same, or pictures so unlike that a cut lies between them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.read.frames import Image, difference
from stages.core.video.read.sync import Sizes

Floats = NDArray[np.float64]

BLOCK_PIXELS = 16 * 16
HEADER_BYTES = 32  # of a packet in which nothing else is
QUIET_BITS = 0.5  # a block, on the mean of WINDOW_S: frames that repeat the one before
LOUD_BITS = 2.0  # a block: no encoder spends as much on frames that repeat the one before
WINDOW_S = 1.0
REFINED_S = 0.5
LEAST_COUNTED = 0.3  # share of the packets
RUN_S = 2.0  # a freeze lasts at least this long, as analyze's does by default
SAME_LEVELS = 1.5  # mean difference of 255 between two sync frames of the same picture, which are encoded anew
SLOWEST = 0.001  # frame widths a second: half of what the rules of clips ask for
CUT_LEVELS = 10.0  # sync frames on both sides of a cut differ by more
# Fitted to the motion that `analyze` finds in 128 films, most of them of the corpus of known truth
MOTION_AT_1_BIT, MOTION_POWER = 0.023, 0.36  # frame widths a second
MOTION_LEAST, MOTION_MOST = 0.1, 7.0  # times the estimate: between these are nine of ten of these films
FEATURES = 300  # corners that are looked for in a sync frame
PATCH_PX = 15  # around a corner
LEAST_FEATURES = 40  # with fewer, the picture is too plain to tell whether it moved
LEAST_MATCHES, UNLIKE = 10, 0.1  # two pictures of which fewer corners fit, or a smaller share, have a cut between them
WITHIN_PX = 3.0  # so near to its place a corner fits


class Shown(NamedTuple):
    """A sync frame by its time, and what it shows beside the one before: the same, or what only a cut leads to."""

    time_s: float
    same: bool
    behind_cut: bool = False


class Stillness(NamedTuple):
    """The share of the time in which nothing moves, 0 to 1: an estimate, and what it lies between.

    `least` is sure. `most` is so for pictures without grain or noise, which cost as much as motion does.
    """

    estimate: float
    least: float
    most: float


class Motion(NamedTuple):
    """The mean speed of all pixels in frame widths a second: an estimate, and what nine of ten videos lie between."""

    estimate: float
    least: float
    most: float


def spent_bits(mean_bytes: Floats | float, blocks: float) -> Floats:
    """Bits a block beside the header, by the mean size of packets."""
    return np.asarray(8 * np.maximum(0, mean_bytes - HEADER_BYTES) / blocks)


def bits_per_block(packets: Sizes, blocks: float) -> Floats:
    """Mean bits a block and frame in the WINDOW_S around each packet: float64 [packets].

    Sync frames are left out, and what follows within REFINED_S, since the first frame after one adds what that lacks,
    of still pictures, too. Where hardly anything else is there, as in codecs that have only sync frames, all count.
    """
    at_s = packets.time_s[packets.sync]
    since_s = packets.time_s - at_s[np.searchsorted(at_s, packets.time_s, "right").clip(1) - 1] if len(at_s) else np.inf
    counted = np.broadcast_to(~packets.sync & (since_s >= REFINED_S), packets.sync.shape)
    if counted.mean() < LEAST_COUNTED:
        counted = np.ones_like(packets.sync)
    sums = np.concatenate([[0.0], np.cumsum(np.where(counted, packets.bytes, 0))])
    numbers = np.concatenate([[0], np.cumsum(counted)])
    first = np.searchsorted(packets.time_s, packets.time_s - WINDOW_S / 2, "left")
    end = np.searchsorted(packets.time_s, packets.time_s + WINDOW_S / 2, "right")
    inside = numbers[end] - numbers[first]
    bits = spent_bits((sums[end] - sums[first]) / np.maximum(1, inside), blocks)
    return np.where(inside > 0, bits, LOUD_BITS)


def measure_stillness(packets: Sizes, blocks: float, shown: Sequence[Shown], end_s: float) -> tuple[Stillness, Motion]:
    """How still a video is that ends at `end_s`, and how it moves; `blocks` is the number of blocks of a frame."""
    bits = bits_per_block(packets, blocks)
    lasts_s = np.clip(np.diff(packets.time_s, append=end_s), 0.0, None)
    whole_s = float(lasts_s.sum()) or 1.0
    held = lasts_s >= RUN_S  # a frame that is shown for so long, as in videos of variable frame rate
    quiet = in_long_runs((bits <= QUIET_BITS) | held, lasts_s)
    same, unlike = between(packets.time_s, shown)
    sure = held | (quiet & (same | unlike))
    shares = (float(lasts_s[kept].sum()) / whole_s for kept in (quiet, sure, (bits < LOUD_BITS) | same | held))
    return Stillness(*shares), estimate_motion(bits, lasts_s, sure)


def in_long_runs(quiet: NDArray[np.bool_], lasts_s: Floats) -> NDArray[np.bool_]:
    """Those that lie in runs of at least RUN_S."""
    edges = np.flatnonzero(np.diff(quiet, prepend=False, append=False))
    kept = np.zeros_like(quiet)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        kept[first:end] = lasts_s[first:end].sum() >= RUN_S
    return kept


def between(time_s: Floats, shown: Sequence[Shown]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each packet lies between sync frames that show the same, and whether between some with a cut between.

    What follows the last sync frame is taken to be like the span before it.
    """
    same, unlike = np.zeros(len(time_s), dtype=bool), np.zeros(len(time_s), dtype=bool)
    edges = np.searchsorted(time_s, [*(each.time_s for each in shown), np.inf])
    for number in range(len(shown)):
        after = shown[min(number + 1, len(shown) - 1)]
        same[edges[number] : edges[number + 1]] = after.same
        unlike[edges[number] : edges[number + 1]] = after.behind_cut
    return same, unlike


def compare(before: Image, after: Image, apart_s: float, *, calm: bool) -> tuple[bool, bool]:
    """Whether two pictures show the same, and whether they are so unlike that no motion leads from one to the other.

    The same: they differ by less than what a motion of SLOWEST would have made of the first in these `apart_s`. The
    other is asked only of a `calm` span, in which little was spent.
    """
    differ = difference(before, after)
    slope = min(difference(before[:, 1:], before[:, :-1]), difference(before[1:], before[:-1]))  # levels a pixel
    same = differ <= min(SAME_LEVELS, SLOWEST * apart_s * before.shape[1] * slope)
    return bool(same), calm and not same and differ >= CUT_LEVELS and are_unlike(before, after)


def are_unlike(before: Image, after: Image) -> bool:
    """Whether no shift, turn or zoom brings more than a few corners of one picture to where they are in the other.

    False where one of them has too few corners to tell. Corners are ORB's (Rublee et al. 2011).
    """
    orb = cv2.ORB.create(FEATURES, nlevels=4, edgeThreshold=PATCH_PX, patchSize=PATCH_PX)
    at, first = orb.detectAndCompute(before, None)
    then_at, second = orb.detectAndCompute(after, None)
    if first is None or second is None or min(len(first), len(second)) < LEAST_FEATURES:
        return False
    least = max(LEAST_MATCHES, UNLIKE * min(len(first), len(second)))
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(first, second)
    if len(matches) < least:
        return True
    here = np.array([at[match.queryIdx].pt for match in matches], dtype=np.float32)
    there = np.array([then_at[match.trainIdx].pt for match in matches], dtype=np.float32)
    _, fits = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=WITHIN_PX)
    return int(np.count_nonzero(fits)) < least


def estimate_motion(bits: Floats, lasts_s: Floats, still: NDArray[np.bool_]) -> Motion:
    """The motion of a video by the bits of its blocks, which also grow with its detail and its quality.

    So it is rough: see MOTION_LEAST and MOTION_MOST. What is `still` does not move.
    """
    speeds = np.where(still, 0.0, MOTION_AT_1_BIT * bits**MOTION_POWER)
    mean = float(np.average(speeds, weights=lasts_s)) if lasts_s.sum() else 0.0
    return Motion(mean, mean * MOTION_LEAST, mean * MOTION_MOST)
