"""Finds logos and lines of text that stand still over moving pictures, by edges that stay where they are.

An edge stands where the gradient of the picture is the same in several frames that otherwise differ: a watermark's are
what many pictures have in common (Dekel et al. 2017, "On the effectiveness of visible watermarks"). Where the camera
stands still, so does the background: then frames of other shots must show the same edges.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.crop.box import Box
from stages.core.video.read.frames import Image

Floats = NDArray[np.float32]
Cells = NDArray[np.bool_]

EDGE = 5.0  # levels a pixel: gradients from which on there is an edge
SAME = 0.5  # gradients are the same if they differ from their mean by less than this share of it
CELL_PX = 8
FULL = 0.1  # share of a cell's pixels that are edges: fewer say nothing
STANDS, MOVES = 0.6, 0.3  # a cell stands (moves) if more (less) than this share of its edges stand
FEW = 0.2  # share of the cells with edges that stand, above which the picture itself stands still
MOVING = 0.05  # share of a quarter's cells that must move, in three of the four quarters
FRAMES = 3  # of the clip, at least
OTHERS = 2  # other shots that must show the same
LIKE = 0.4  # a shot that shares more than this of its edges with the clip shows the same place
LEAST_CELLS = 8  # fewer stand by chance where textures repeat
DENSE = 0.2  # share of a box's cells that stand
REACH = (5, 3)  # cells across and down within which parts are one: words of a line
PAD_PX = 3


class Gradients(NamedTuple):
    """The gradient of a frame, levels a pixel, float32 [height, width] each, and where it has an edge."""

    right: Floats
    down: Floats
    edge: Cells


def gradients(frame: Image) -> Gradients:
    """The gradients of a frame, uint8 [height, width]."""
    right = np.asarray(cv2.Sobel(frame, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32)
    down = np.asarray(cv2.Sobel(frame, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32)
    return Gradients(right, down, np.hypot(right, down) >= EDGE)


def is_elsewhere(own: Gradients, other: Gradients) -> bool:
    """Whether the other frame shows another place: few of the edges are the same."""
    return bool(standing([own, other]).sum() <= LIKE * own.edge.sum())


def find_standing(own: Sequence[Gradients], others: Sequence[Gradients], camera_moves: bool, inside: Box) -> list[Box]:
    """The boxes of what stands still in the clip's frames `own` and is no part of the scene, in their pixels.

    `others` are frames of other shots of the video, one of each, that show other places; `inside` is the picture
    without its black bars.
    """
    within = np.zeros(own[0].edge.shape, bool)
    within[round(inside.top) + 2 : round(inside.bottom) - 2, round(inside.left) + 2 : round(inside.right) - 2] = True
    stood = standing(own) & within
    edges = np.mean([one.edge for one in own], axis=0, dtype=np.float32) * within
    found: list[Box] = []
    if camera_moves and len(own) >= FRAMES:
        found += boxes_of(stood, edges)
    if len(others) >= OTHERS:
        same = np.sum([standing([own[len(own) // 2], other]) for other in others], axis=0)
        found += boxes_of(stood & (same >= OTHERS), edges)
    return found


def standing(frames: Sequence[Gradients]) -> Cells:
    """Where all frames have the same gradient, bool [height, width]."""
    right, down = (np.mean([getattr(one, axis) for one in frames], axis=0) for axis in ("right", "down"))
    length = np.hypot(right, down)
    off = np.max([np.hypot(one.right - right, one.down - down) for one in frames], axis=0)
    return np.asarray((length >= EDGE) & (off < SAME * length), bool)


def boxes_of(stood: Cells, edges: Floats) -> list[Box]:
    """The boxes of cells whose edges stand, one for each group of neighbours; none if the picture itself stands still.

    `stood`: which pixels stand; `edges`: in what share of the frames each is an edge; [height, width].
    """
    standing_share, edge_share = in_cells(stood.astype(np.float32)), in_cells(edges)
    stands = (standing_share >= FULL) & (standing_share >= STANDS * edge_share)
    moves = (edge_share >= FULL) & (standing_share < MOVES * edge_share)
    if stands.sum() > FEW * (stands.sum() + moves.sum()) or not moves_all_over(moves):
        return []
    joined = cv2.dilate(stands.astype(np.uint8), np.ones(REACH[::-1], np.uint8))
    count, labels = cv2.connectedComponents(joined)
    high, wide = stood.shape
    found = []
    for label in range(1, count):
        cells = stands & (np.asarray(labels) == label)
        rows, columns = np.flatnonzero(cells.any(1)), np.flatnonzero(cells.any(0))
        if cells.sum() < max(LEAST_CELLS, DENSE * np.ptp(rows) * np.ptp(columns)):
            continue
        top, left = int(rows[0]) * CELL_PX, int(columns[0]) * CELL_PX
        part = stood[top : (int(rows[-1]) + 1) * CELL_PX, left : (int(columns[-1]) + 1) * CELL_PX]
        y, x = np.flatnonzero(part.any(1)), np.flatnonzero(part.any(0))
        box = (left + x[0] - PAD_PX, top + y[0] - PAD_PX, left + x[-1] + 1 + PAD_PX, top + y[-1] + 1 + PAD_PX)
        found.append(Box(*map(float, box)).common(Box(0, 0, wide, high)))
    return found


def moves_all_over(moves: Cells) -> bool:
    """Whether something moves in three quarters of the picture, at least."""
    high, wide = (side // 2 for side in moves.shape)
    quarters = moves[:high, :wide], moves[:high, wide:], moves[high:, :wide], moves[high:, wide:]
    return sum(bool(quarter.mean() >= MOVING) for quarter in quarters) >= 3


def in_cells(values: Floats) -> Floats:
    """The mean of each cell of CELL_PX, float32 [height / CELL_PX, width / CELL_PX], both rounded up."""
    high, wide = (-(-side // CELL_PX) * CELL_PX for side in values.shape)
    whole = cv2.copyMakeBorder(
        values, 0, high - values.shape[0], 0, wide - values.shape[1], cv2.BORDER_CONSTANT, value=[0.0]
    )
    return np.asarray(
        cv2.resize(whole, (wide // CELL_PX, high // CELL_PX), interpolation=cv2.INTER_AREA), dtype=np.float32
    )
