"""Frames of a video as pictures: upright, in RGB, of a bounded size."""

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from support.numbered import ffmpeg

from slurm.errors import ItemError
from stages.core.frames.choose import make_jobs, spread_frames
from stages.core.frames.reading import Shown, read_frames


def shown(file: Path, count: int, side_px: int, *clip: float) -> list[Shown]:
    items = pl.DataFrame({"path": [str(file)], **dict(zip(("start_s", "end_s"), ([s] for s in clip), strict=False))})
    (job,) = make_jobs(spread_frames(items, count), side_px)
    return sorted(read_frames(job, range(count)))


def make_film(folder: Path, *coding: str) -> Path:
    """A left half that is red and a right one that is blue; 2 s of 25 frames."""
    drawn = "color=red:s=640x360:r=25:d=2,drawbox=x=320:w=320:h=360:color=blue:t=fill"
    ffmpeg("-f", "lavfi", "-i", drawn, *coding, folder / "film.mp4")
    return folder / "film.mp4"


def test_pictures_are_those_of_the_times_asked_for_in_colour_and_not_too_large(tmp_path: Path) -> None:
    film = make_film(tmp_path, "-c:v", "libx264")
    found = shown(film, 4, 320)
    assert [frame.time_s for frame in found] == [0.24, 0.72, 1.24, 1.72]
    for frame in found:
        assert isinstance(frame.picture, Image.Image)
        assert frame.picture.size == (320, 180)
        assert frame.bytes > 0
        pixels = np.asarray(frame.picture, dtype=int)
        assert np.abs(pixels[90, 40] - (254, 0, 0)).max() < 12
        assert np.abs(pixels[90, 280] - (0, 0, 254)).max() < 12


def test_a_rotated_video_is_upright(tmp_path: Path) -> None:
    film = make_film(tmp_path, "-c:v", "libx264")
    ffmpeg("-i", film, "-c", "copy", "-metadata:s:v", "rotate=90", tmp_path / "turned.mp4")
    (frame,) = shown(tmp_path / "turned.mp4", 1, 320)
    assert isinstance(frame.picture, Image.Image)
    assert frame.picture.size == (180, 320)
    pixels = np.asarray(frame.picture, dtype=int)
    assert sorted((int(pixels[20, 90].argmax()), int(pixels[300, 90].argmax()))) == [0, 2], "red and blue, one on top"


def test_what_cannot_be_read_is_told_of_each_frame(tmp_path: Path) -> None:
    found = shown(tmp_path / "gone.mp4", 3, 320)
    assert [(frame.time_s, type(frame.picture)) for frame in found] == [(None, ItemError)] * 3
    film = make_film(tmp_path, "-c:v", "libx264")
    (beyond,) = shown(film, 1, 320, 5.0, 6.0)
    assert isinstance(beyond.picture, ItemError)
    assert beyond.picture.code == "no_frames"
