"""Looks again at borders of shots that are in doubt, by a net that sees the frames around each as tiny pictures.

The pictures are kept of the frames that the one pass decodes anyway, as long as a border near them may still change.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.read.frames import (
    BLACK,
    BT601,
    BT709,
    BT2020,
    WHITE,
    Image,
    Plane,
    Planes,
    Small,
    halve,
    orient,
    resize,
    to_eight_bits,
)

WIDTH_PX, HEIGHT_PX = 48, 27  # what the net looks at
# Pictures that it is given. With 100, on which it was trained, a look costs 1.7 times as much; of 37 borders in doubt
# in real and drawn films 5 come out otherwise, 2 of them wrongly.
WINDOW = 64
LINES = 2  # of chroma that are read for each of a picture

Pictures = NDArray[np.uint8]  # [frames, HEIGHT_PX, WIDTH_PX, 3]
Floats = NDArray[np.float32]


class Seen(NamedTuple):
    """What the net says of each picture, 0 to 1, float32 [frames]: a shot ends with it; it is part of a transition."""

    ends: Floats
    part: Floats


Net = Callable[[Pictures], Seen]  # of pictures in R, G, B


class SecondLook:
    """Gets every frame in order; `probability` tells how sure the net is of a border between frames that are kept."""

    def __init__(self, net: Net) -> None:
        self._net = net
        self._kept: deque[Image] = deque()  # Y, Cb, Cr
        self._first = 0  # number of the first frame that is kept
        self._native: Planes | None = None

    def __len__(self) -> int:
        """The number of frames that are kept."""
        return len(self._kept)

    def add(self, small: Small) -> None:
        self._native = small.native
        self._kept.append(make_tiny(small))

    def forget(self, before: int) -> None:
        """Drops the frames before this one; at least one stays."""
        while self._first < before and len(self._kept) > 1:
            self._kept.popleft()
            self._first += 1

    def probability(self, start: int, end: int, *, gradual: bool) -> float:
        """How sure the net is that a shot ends before frame `start`, and the next one has begun at frame `end`.

        Of a transition that is longer than the window it sees the middle. Left out frames would make all of it visible,
        but slow motion fast, which the net takes for a transition.
        """
        numbers = (start + end) // 2 + np.arange(-WINDOW // 2, WINDOW // 2)
        places = (numbers - self._first).clip(0, len(self._kept) - 1)
        seen = self._net(self._show(np.stack([self._kept[place] for place in places])))
        near = (numbers >= start - 2) & (numbers < end + 2)
        return float((seen.part if gradual else seen.ends)[near].max())

    def _show(self, pictures: Pictures) -> Pictures:
        """Pictures of Y, Cb, Cr as R, G, B."""
        native = self._native
        assert native
        matrix = BT2020 if native.hdr else BT709 if native.bt709 else BT601
        to_bgr = matrix * (255 / (WHITE - BLACK), 255 / 224, 255 / 224)
        to_rgb = np.column_stack([to_bgr, -to_bgr @ (BLACK, 128, 128)])[::-1].astype(np.float32)
        shown = cv2.transform(pictures.reshape(-1, WIDTH_PX, 3), to_rgb)
        return np.asarray(shown, dtype=np.uint8).reshape(pictures.shape)


def make_tiny(small: Small) -> Image:
    """The frame as displayed, stretched to 48 x 27: Y, Cb, Cr in limited range, uint8 [27, 48, 3]."""
    native = small.native
    luma = cv2.resize(halve(small.luma, 1), (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.merge([luma, *(tiny_chroma(plane, native) for plane in native.chroma())]), dtype=np.uint8)


def tiny_chroma(plane: Plane, native: Planes) -> Image:
    """Cb or Cr of a frame at 48 x 27, as displayed; of a large one not all lines are read."""
    wide, high = (WIDTH_PX, HEIGHT_PX) if native.orientation.turns % 2 == 0 else (HEIGHT_PX, WIDTH_PX)
    small = to_eight_bits(resize(plane[:: max(1, len(plane) // (LINES * high))], wide, high), native.bits)
    if native.full_range:
        small = np.asarray(cv2.convertScaleAbs(small, alpha=224 / 255, beta=128 * 31 / 255), dtype=np.uint8)
    return orient(small, native.orientation)
