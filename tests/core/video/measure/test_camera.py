"""How the camera moves, measured on drawn films: the signs of its parts, their sizes, and that things do not matter."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from scripts.bench.video.camera import move_of
from scripts.truth.cameras import MOVES, SHAPES, films, fronts
from scripts.truth.cuts import cut
from scripts.truth.drawing.camera import Move, pan, roll, zoom
from scripts.truth.drawing.canvas import Backdrop
from scripts.truth.drawing.drawing import drawn
from scripts.truth.drawing.scenes import Scene
from scripts.truth.drawing.writing import make as write
from scripts.truth.encodings import h264
from scripts.truth.film import Film
from stages.core.video.measure.motion import MotionMeter, Sample, camera_moves, fit_camera
from stages.core.video.read.frames import shrink, small_size
from stages.core.video.read.packets import open_video

FAR = 0.3  # mean distance of the pixels of a picture of 16:9 from its middle, in widths


def film(move: Move, front: str = "nothing", size: tuple[int, int] = (320, 180)) -> Film:
    scene = Scene(Backdrop("leaves", "warm", 1), (1300.0, 720.0), (move,), fronts(front, 3))
    return cut("camera", ((scene, 38),), h264(24), fps=Fraction(25), size=size)


def samples(path: Path) -> list[Sample]:
    motion = MotionMeter(4, 0.06, [])
    with open_video(str(path), 10**8, 10**5) as video:
        for number, (time_s, frame) in enumerate(video.frames()):
            motion.add(number, time_s, shrink(frame, small_size(frame, 256)))
        motion.finish(video.end_s(time_s))
    return motion.samples


def parts(path: Path) -> dict[str, float]:
    found = samples(path)
    names = ("pan_x", "pan_y", "zoom", "roll")
    return {name: float(np.mean([getattr(one, name) for one in found])) for name in names}


def test_as_the_camera_turns_right_the_picture_goes_left(tmp_path: Path, wall: Callable[[float], Path]) -> None:
    first, later = (picture.y for number, picture in enumerate(drawn(film(pan(0.25)), 7)) if number in (0, 4))
    moved = 13  # pixels to the left in four frames
    assert np.abs(later[:, :-moved] - first[:, moved:]).mean() < 0.5 * np.abs(later - first).mean()
    write(film(pan(0.25)), 7, tmp_path)
    assert parts(tmp_path / "camera.mp4")["pan_x"] == pytest.approx(0.25, rel=0.05)
    assert parts(wall(0.2))["pan_x"] == pytest.approx(0.2, rel=0.1)  # ffmpeg's window goes right over a wall
    assert parts(wall(-0.2))["pan_x"] == pytest.approx(-0.2, rel=0.1)


@pytest.mark.parametrize("front", ["nothing", "thing"])
@pytest.mark.parametrize(
    ("part", "move", "value"),
    [
        ("pan_x", pan(-0.1), -0.1),
        ("pan_y", pan(0, 0.1), 0.1),
        ("pan_y", pan(0, -0.1), -0.1),
        ("zoom", zoom(0.2), 0.2 * FAR),
        ("zoom", zoom(-0.2), -0.2 * FAR),
        ("roll", roll(0.3), 0.3 * FAR),
        ("roll", roll(-0.3), -0.3 * FAR),
    ],
)
def test_a_move_is_in_its_part_with_its_sign_and_in_no_other(
    part: str, move: Move, value: float, front: str, tmp_path: Path
) -> None:
    write(film(move, front), 7, tmp_path)
    found = parts(tmp_path / "camera.mp4")
    assert found.pop(part) == pytest.approx(value, rel=0.1)
    assert all(abs(other) < 0.1 * abs(value) for other in found.values())


def test_pans_are_in_frame_widths_whatever_the_shape(tmp_path: Path) -> None:
    for size in ((180, 320), (240, 240)):
        write(film(pan(0.2, 0.1), size=size), 7, tmp_path)
        found = parts(tmp_path / "camera.mp4")
        assert (found["pan_x"], found["pan_y"]) == pytest.approx((0.2, 0.1), rel=0.05)


def test_the_parts_of_an_affine_flow_are_those_that_were_put_in() -> None:
    y, x = np.mgrid[0:18, 0:32] - np.array([8.5, 15.5])[:, None, None]  # blocks from the middle
    flow = np.dstack([3 + 0.02 * x - 0.01 * y, -2 + 0.02 * y + 0.01 * x])[None].astype(np.float32)  # pixels
    fit = fit_camera(flow, np.ones((1, 18, 32), bool))
    far = np.hypot(x, y).mean()
    assert camera_moves(fit, 18, 32)[:, 0] == pytest.approx([-3, 2, 0.02 * far, -0.01 * far], abs=1e-4)
    unknown = fit_camera(flow, np.zeros((1, 18, 32), bool))
    assert not camera_moves(unknown, 18, 32).any()


@pytest.mark.parametrize("name", MOVES)
def test_every_move_has_its_name_with_a_thing_in_front(name: str, tmp_path: Path) -> None:
    for strength in ("slow", "fast"):
        one = next(f for move, front, f in films() if move == name and front == "thing" and strength in f.name)
        write(one, 7, tmp_path)
        assert move_of(tmp_path / one.file) == name
    assert {f.size for _, _, f in films()} == {*SHAPES}
