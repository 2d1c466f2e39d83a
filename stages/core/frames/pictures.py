"""Pictures as a model takes them: opened, turned upright, in RGB, scaled (always antialiased) and cropped."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from slurm.errors import ItemError

DEEP = ("I;16", "I;16B", "I;16L", "I")  # 16 bits a pixel, which PIL would cut off at 255


def open_picture(content: bytes | Path) -> Image.Image:
    """The picture, upright and in RGB. Raises ItemError: corrupt, missing."""
    try:
        with Image.open(BytesIO(content) if isinstance(content, bytes) else content) as picture:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            if upright.mode in DEEP:
                upright = Image.fromarray((np.asarray(upright).clip(0, 65535) / 257).round().astype(np.uint8))
            return upright.convert("RGB")
    except FileNotFoundError as error:
        raise ItemError("missing", str(content)) from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ItemError("corrupt", f"not a picture that can be read: {error}") from error


class View(NamedTuple):
    """How a picture is brought to `width_px` x `height_px`, and what its channels are normalised by (0 to 1).

    With `shortest_px` its shorter side is scaled to that, and the middle cut out; else it is stretched.
    """

    width_px: int
    height_px: int
    resample: Image.Resampling
    mean: Sequence[float]
    std: Sequence[float]
    shortest_px: int | None = None

    def fit(self, picture: Image.Image) -> NDArray[np.uint8]:
        """The picture, uint8 [3, height, width]."""
        if self.shortest_px is None:
            fitted = picture.resize((self.width_px, self.height_px), self.resample)
        else:
            short, long = sorted(picture.size)
            other_px = int(self.shortest_px * long / short)
            size = (self.shortest_px, other_px) if picture.width <= picture.height else (other_px, self.shortest_px)
            scaled = picture.resize(size, self.resample)
            left, top = (scaled.width - self.width_px) // 2, (scaled.height - self.height_px) // 2
            fitted = scaled.crop((left, top, left + self.width_px, top + self.height_px))
        return np.ascontiguousarray(np.asarray(fitted).transpose(2, 0, 1))


def view_of(config: Mapping[str, Any]) -> View:
    """The view that an image processor's config (preprocessor_config.json) asks for. Raises ValueError, KeyError."""
    size, crop = config.get("size"), config.get("crop_size")
    mean, std = config["image_mean"], config["image_std"]
    if isinstance(size, int):
        size = {"shortest_edge": size} if config.get("do_center_crop") else {"height": size, "width": size}
    if isinstance(crop, int):
        crop = {"height": crop, "width": crop}
    resample = Image.Resampling(config.get("resample", Image.Resampling.BICUBIC))
    if not isinstance(size, dict):
        raise ValueError("its preprocessor_config.json has no size")
    if "shortest_edge" in size:
        if not (isinstance(crop, dict) and config.get("do_center_crop", True)):
            raise ValueError("its pictures would differ in size: preprocessor_config.json has no crop_size")
        return View(crop["width"], crop["height"], resample, mean, std, size["shortest_edge"])
    return View(size["width"], size["height"], resample, mean, std)
