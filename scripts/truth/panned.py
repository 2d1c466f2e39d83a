"""Films that pan by a known number of pixels in half a second, of the frame on which `motion_flow` measures.

They are no part of the corpus: its benchmark and its tests draw them.
"""

from collections.abc import Sequence
from fractions import Fraction

from scripts.truth.cuts import cut
from scripts.truth.drawing.camera import pan
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.scenes import Scene
from scripts.truth.encodings import h264
from scripts.truth.film import Encoding, Film
from stages.core.video.flow.one_pass import LONG_PX, SHORT_PX

HALF_S = 0.5
FPS = Fraction(24)  # half a second is a whole number of frames
Shift = tuple[float, float]  # right and down


def panned(
    name: str,
    shifts_px: Sequence[Shift],
    *,
    picture: tuple[str, str] = ("leaves", "warm"),
    size: tuple[int, int] = (640, 360),
    seconds: float = 2,
    encoding: Encoding | None = None,
    grain: float = 2.0,
) -> Film:
    """A film of a shot for each shift, with hard cuts between them."""
    shots = tuple(
        (scene(shift, picture=picture, size=size, seed=number), round(seconds * FPS))
        for number, shift in enumerate(shifts_px)
    )
    return cut(name, shots, encoding or h264(23), fps=FPS, size=size, grain=grain)


def scene(shift_px: Shift, *, picture: tuple[str, str], size: tuple[int, int], seed: int = 0) -> Scene:
    """A picture under a camera that moves it so far in half a second, at this size of the film."""
    wide_px, high_px = (LONG_PX, SHORT_PX) if size[0] >= size[1] else (SHORT_PX, LONG_PX)
    heights = shift_px[1] / high_px
    move = pan(-shift_px[0] / wide_px / HALF_S, -heights * size[1] / size[0] / HALF_S)  # in widths a second
    return Scene(Backdrop(*picture, seed), (1400.0, 760.0), (move,))
