"""The signals: numbers that are measured all along a video, each declared once, in MEASURED.

The columns of SIGNALS (a row a second), the means in VIDEO and the lists in CLIP follow from it. To add a signal,
declare it here and let a meter (`stages/core/video/measure/`) give its samples under this name.
"""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from stages.core.schema.types import INT, REAL, TEXT, Schema


class Signal(NamedTuple):
    """A signal's name, what its numbers mean, and how its samples are reduced; None: not in that table.

    `second`: the mean or the largest (`peak`) of the samples that begin in the second, or the share of the second that
    lies in them. `video`: over all samples. `clip`: whether a clip has the list of its seconds' values.
    """

    name: str
    unit: str
    second: Literal["mean", "peak", "share"] | None = "mean"
    video: Literal["mean"] | None = "mean"
    clip: bool = True


MEASURED = (
    Signal("motion", "frame widths a second: mean speed of all pixels"),
    Signal("motion_median", "frame widths a second: median speed of the pixels", second=None, clip=False),
    Signal("motion_p90", "frame widths a second: 90th percentile of the pixels' speeds", second=None, clip=False),
    Signal("moving", "share of the picture that moves, 0 to 1"),
    Signal("camera", "frame widths a second: mean speed of what moves the whole picture"),
    Signal("object", "frame widths a second: mean speed of what moves beside the camera"),
    Signal("pan_x", "frame widths a second by which the camera turns right: the picture goes left", video=None),
    Signal("pan_y", "frame widths a second by which the camera turns down: the picture goes up", video=None),
    Signal("zoom", "frame widths a second: mean speed of the pixels by zooming in; below 0: out", video=None),
    Signal("roll", "frame widths a second: mean speed of the pixels as the camera rolls clockwise", video=None),
    Signal("luma", "mean brightness, 0 black to 1 white"),
    Signal("contrast", "standard deviation of the brightness, 0 to 0.5"),
    Signal("black", "share of the picture that is black, 0 to 1"),
    Signal("white", "share of the picture that is white, 0 to 1", clip=False),
    Signal("sharpness", "variance of the Laplacian, 0 upwards; depends on the width at which it is measured"),
    Signal("colour", "colourfulness of Hasler and Süsstrunk, 0 upwards: 15 is slight, 60 is much"),
    Signal("frozen", "share of the time that lies in a freeze, 0 to 1", second="share", video=None),
    Signal("cut_score", "score of a hard cut, 0 to 1", second="peak", video=None, clip=False),
)


LOOKS = tuple(one for one in MEASURED if one.name in ("luma", "contrast", "black", "white", "sharpness", "colour"))


def second_columns(signals: Iterable[Signal]) -> Schema:
    """The columns of SIGNALS."""
    return {one.name: REAL for one in signals if one.second}


def video_columns(signals: Iterable[Signal]) -> Schema:
    """The columns of VIDEO that hold a signal's mean."""
    return {one.name: REAL for one in signals if one.video}


def clip_columns(signals: Iterable[Signal]) -> tuple[str, ...]:
    """The signals of which a clip has the values of its seconds."""
    return tuple(one.name for one in signals if one.clip)


SIGNALS: Schema = {"video_id": TEXT, "second": INT, **second_columns(MEASURED)}
CLIP_SIGNALS = clip_columns(MEASURED)
