"""Which bucket W×H@F a clip falls into by a trainer's rules, and what of it is not trained on.

Trainers enlarge or shrink a clip until it covers the bucket, and crop the rest evenly; of its frames they take the
first F, finetrainers F at even distances. They look at pixels as stored. Sources: the loaders of LTX-2's trainer,
LTX-Video-Trainer, finetrainers, diffusion-pipe and musubi-tuner, as of 2026.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from slurm.errors import InputError
from stages.core.release.training.settings import Trainer

# What sides are multiples of, and frames less 1. LTX-Video's are the largest, and hold for other models, too
STEPS = {"ltx": (32, 8), "finetrainers": (32, 8), "diffusion_pipe": (32, 8), "musubi": (16, 4)}


class Bucket(NamedTuple):
    """Pixels and frames of what is trained on."""

    width_px: int
    height_px: int
    frames: int

    def __str__(self) -> str:
        return f"{self.width_px}x{self.height_px}x{self.frames}"


class Clip(NamedTuple):
    """A clip as its trainer sees it: pixels as stored, all its frames."""

    width_px: int
    height_px: int
    frames: int
    fps: float


class Place(NamedTuple):
    """The bucket of the config that a clip falls into, what is trained on there, and what that is of the clip."""

    bucket: Bucket
    trained: Bucket  # another size by musubi-tuner, which makes sizes of its own for each shape
    picture_kept: float  # share of the picture that is not cropped
    scale: float  # above 1: enlarged
    frames_used: int
    frames_lost: int  # cut off at the end, or left out in between


def read_buckets(options: Trainer) -> list[Bucket]:
    """The buckets of a config. Raises InputError for what is none by its trainer's rules."""
    usual = STEPS[options.layout]
    side_px, step = options.side_step_px or usual[0], options.frame_step or usual[1]
    found: list[Bucket] = []
    for text in options.buckets:
        if not (read := re.fullmatch(r"(\d+)x(\d+)x(\d+)", text)):
            raise InputError(f"format.buckets: {text!r} is not of the form WIDTHxHEIGHTxFRAMES, such as 768x512x49")
        bucket = Bucket(*map(int, read.groups()))
        if min(bucket) < 1 or bucket.width_px % side_px or bucket.height_px % side_px:
            raise InputError(f"format.buckets: the sides of {text} are no multiples of {side_px} (format.side_step_px)")
        if bucket.frames == 1 or (bucket.frames - 1) % step:
            near = max(step, (bucket.frames - 1) // step * step) + 1
            raise InputError(
                f"format.buckets: {text} has not a multiple of {step} frames and 1 more (format.frame_step): say {near}"
            )
        found.append(bucket)
    if not found:
        raise InputError("format.buckets=[] is empty: say some, such as [768x512x49]")
    return sorted(set(found))


def place(clip: Clip, options: Trainer, buckets: Sequence[Bucket]) -> Place | None:
    """Where a clip falls; None: it is shorter than each bucket."""
    fps = options.model_fps if options.layout == "diffusion_pipe" else clip.fps
    frames = int(clip.frames * fps / clip.fps)  # so many diffusion-pipe makes of them
    bucket = choose(clip, options, [one for one in buckets if one.frames <= frames])
    if bucket is None:
        return None
    trained = bucket
    if options.layout == "musubi":
        trained = Bucket(*derive_size(clip, bucket, options.side_step_px or STEPS["musubi"][0]), bucket.frames)
    ratio = shape(clip) / shape(trained)
    scale = max(trained.width_px / clip.width_px, trained.height_px / clip.height_px)
    used = min(clip.frames, math.ceil(bucket.frames * clip.fps / fps))
    return Place(bucket, trained, min(ratio, 1 / ratio), scale, used, clip.frames - used)


def choose(clip: Clip, options: Trainer, buckets: Sequence[Bucket]) -> Bucket | None:
    """The bucket that the trainer takes of those that the clip has enough frames for.

    finetrainers looks at frames first, LTX-2 at the shape. The others have a folder a bucket, so it is our choice.
    """
    if options.layout == "finetrainers":
        most = max((one.frames for one in buckets), default=0)
        long = [one for one in buckets if one.frames == most]
        key = lambda one: (abs(shape(one) - shape(clip)), -one.height_px, -one.width_px)  # noqa: E731
        return min(long, key=key, default=None)
    return min(
        buckets,
        key=lambda one: (abs(math.log(shape(one) / shape(clip))), -one.frames, -one.width_px * one.height_px),
        default=None,
    )


def shape(size: Clip | Bucket) -> float:
    """Width by height."""
    return size.width_px / size.height_px


def derive_size(clip: Clip, bucket: Bucket, step_px: int) -> tuple[int, int]:
    """The width and height that musubi-tuner makes of a resolution for clips of this shape: about as many pixels."""
    pixels = bucket.width_px * bucket.height_px
    side_px = math.isqrt(pixels)
    sizes = set()
    for long in range(down(side_px // 2, step_px), side_px + step_px, step_px):
        if long and (short := down(pixels // long, step_px)):
            sizes |= {(long, short), (short, long)}
    return min(sorted(sizes), key=lambda size: abs(size[0] / size[1] - shape(clip)))


def down(number: int, step: int) -> int:
    return number - number % step
