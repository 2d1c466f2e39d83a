"""Pictures are as shown where the pixels of a video are not square (anamorphic), turned ones too."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.measured import analyzed, made, skimmed
from support.numbered import X264, ffmpeg

from stages.core.frames.reading import read_frames
from stages.core.frames.similarity import _pictures_of
from stages.core.video.flow.one_pass import view_of
from stages.core.video.read.packets import open_video

# A circle on grey as a viewer sees it: stored, it is an ellipse. Width, height, sample aspect ratio.
SHAPES = {"wide": (180, 144, Fraction(64, 45)), "narrow": (180, 120, Fraction(8, 9)), "square": (192, 144, Fraction(1))}


def circle(path: Path, shape: str, *coding: str, turn: bool = False) -> Path:
    width_px, height_px, sar = SHAPES[shape]
    inside = f"lt(pow((X-W/2)*{float(sar)},2)+pow(Y-H/2,2),2500)"
    picture = f"color=gray:s={width_px}x{height_px}:r=25:d=1,geq=lum='if({inside},235,60)':cb=128:cr=128"
    if not turn:
        return made(path, f"{picture},setsar={sar.numerator}/{sar.denominator}", *coding)
    upright = circle(path.with_stem("upright"), shape, *coding)
    ffmpeg("-i", upright, "-c", "copy", "-metadata:s:v", "rotate=90", path)
    return path


def extent(jpeg: bytes) -> tuple[int, int]:
    """Width and height of what is bright in a picture."""
    bright = np.asarray(Image.open(BytesIO(jpeg)).convert("L")) > 150
    return int(bright.any(axis=0).sum()), int(bright.any(axis=1).sum())


@pytest.mark.parametrize("turn", [False, True], ids=["upright", "turned"])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_circle_is_round_in_every_picture_and_the_row_tells_the_pixels_shape(
    tmp_path: Path, shape: str, turn: bool
) -> None:
    width_px, height_px, sar = SHAPES[shape]
    path = circle(tmp_path / "circle.mp4", shape, *X264, turn=turn)
    for row, pictures in (analyzed(path), skimmed(path)):
        stored, shown_sar = ((height_px, width_px), 1 / sar) if turn else ((width_px, height_px), sar)
        assert (row["width_px"], row["height_px"]) == stored
        assert row["sar"] == pytest.approx(float(shown_sar))
        for one in pictures:
            wide, high = extent(one["jpeg"])
            assert wide == pytest.approx(high, abs=2)
            assert one["width_px"] / one["height_px"] == pytest.approx(
                stored[0] * float(shown_sar) / stored[1], rel=0.02
            )


@pytest.mark.parametrize("name", ["a.mkv", "a.mpg", "a.avi", "a.ts"])
def test_every_container_tells_the_shape(tmp_path: Path, name: str) -> None:
    coding = X264 if name != "a.mpg" else ("-c:v", "mpeg2video", "-aspect", "16:9")
    row, pictures = analyzed(circle(tmp_path / name, "wide", *coding))
    assert row["sar"] == pytest.approx(64 / 45, rel=0.01)
    assert pictures[0]["width_px"] / pictures[0]["height_px"] == pytest.approx(16 / 9, rel=0.01)


def test_frames_that_models_read_are_as_shown(tmp_path: Path) -> None:
    path = circle(tmp_path / "circle.mp4", "wide", *X264)
    places = {"start_s": [0.0, 0.0], "end_s": [1.0, 1.0], "share": [0.0, 0.5]}
    job = {"name": "v", "file": str(path), "side_px": 200, "columns": tuple(places), **places}
    sizes = [shown.picture.size for shown in read_frames(job, range(2))]
    assert sizes == [(200, 112)] * 2
    (picture, *_) = _pictures_of(path, 1)
    assert picture.size == (256, 144)
    with open_video(str(path), 10**8, 10**5) as video:
        frame = next(frame for _, frame in video.frames())
        assert view_of(frame, video).width_px > view_of(frame, video).height_px


def test_a_shape_that_no_pixel_has_is_not_believed(tmp_path: Path) -> None:
    path = made(tmp_path / "a.mp4", "testsrc2=s=128x96:r=25:d=1,setsar=1000/1", *X264)
    row, pictures = analyzed(path)
    assert row["sar"] == 1
    assert (pictures[0]["width_px"], pictures[0]["height_px"]) == (128, 96)
