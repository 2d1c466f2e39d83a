"""Pictures that slide by a known distance over a canvas, and films of them: quick to draw, for tests."""

import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from stages.core.video.cut.encode import ffmpeg_path

Picture = NDArray[np.uint8]

HALF_S, FPS = 0.5, 24  # half a second is a whole number of frames
SPAN_PX, FINE = 1600, 2  # sides of a canvas, in units of the view; its pixels are finer
MIDDLE = SPAN_PX / 2


@cache
def canvas(kind: str) -> Picture:
    """shapes: things of all sizes over clouds; hills: a clear sky over them; fog: nothing but soft blobs."""
    chance, side = np.random.default_rng(len(kind)), SPAN_PX * FINE
    made = np.zeros((side, side), np.float32)
    for cells in (6, 12) if kind == "fog" else (6, 12, 25, 50, 100, 200, 400):
        layer = chance.normal(0, 30 / cells**0.35, (cells, cells)).astype(np.float32)
        made += cv2.resize(layer, (side, side), interpolation=cv2.INTER_CUBIC)
    made += 120
    for _ in range(0 if kind == "fog" else 900):
        corner, reach = chance.integers(0, side, 2), chance.integers(10, 260, 2) // 2
        cv2.rectangle(made, corner.tolist(), (corner + reach).tolist(), float(chance.uniform(40, 220)), -1)
    if kind == "hills":
        made[: side // 2] = np.linspace(210, 180, side // 2, dtype=np.float32)[:, None]
    return made.clip(17, 235).astype(np.uint8)


def look(x_px: float, y_px: float, view: tuple[int, int], kind: str = "shapes", grain: float = 1.0) -> Picture:
    """What is seen, of the view's width and height, after the canvas slid right and down by so many of its pixels."""
    wide, high = view
    left, top = (FINE * (MIDDLE - half / 2 - slid) for half, slid in ((wide, x_px), (high, y_px)))
    moved = np.array([[1, 0, -left], [0, 1, -top]])
    seen = cv2.warpAffine(canvas(kind), moved, (FINE * wide, FINE * high), flags=cv2.INTER_LINEAR)
    small = cv2.resize(seen, view, interpolation=cv2.INTER_AREA).astype(np.float32)
    noise = np.random.default_rng(round(abs(x_px) + 1000 * abs(y_px))).normal(0, grain, small.shape)
    return np.asarray((small + noise).round().clip(0, 255), np.uint8)


def write_film(path: Path, pictures: Iterable[Picture], size: tuple[int, int], *arguments: str, fps: int = FPS) -> Path:
    """The pictures, stretched to this size, as a film; `arguments` are ffmpeg's for its output."""
    raw = b"".join(cv2.resize(one, size, interpolation=cv2.INTER_AREA).tobytes() for one in pictures)
    shape = ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{size[0]}x{size[1]}", "-r", str(fps), "-i", "pipe:0"]
    coded = ["-pix_fmt", "yuv420p", "-color_range", "tv", *arguments, str(path)]
    subprocess.run([ffmpeg_path(), "-v", "error", "-y", *shape, *coded], input=raw, check=True)
    return path


def slide(shift_px: tuple[float, float], frames: int, view: tuple[int, int] = (960, 520)) -> Iterable[Picture]:
    """The frames of a shot in which the canvas slides by so many of the view's pixels in half a second."""
    for number in range(frames):
        share = number / FPS / HALF_S
        yield look(shift_px[0] * share, shift_px[1] * share, view)
