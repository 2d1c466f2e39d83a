"""Measures a video by its packets and sync frames: what `analyze` would find, for a few hundredths of its cost."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from slurm.errors import ItemError
from stages.core.schema.second import LOOKS
from stages.core.video.measure.key_frames import encode_jpeg, to_bgr
from stages.core.video.measure.look import LookMeter
from stages.core.video.measure.signals import over_video
from stages.core.video.read.columns import describe
from stages.core.video.read.frames import Image, read_orientation, shrink, small_size
from stages.core.video.read.packets import Video, open_video
from stages.core.video.read.sync import Sizes, SyncFrames
from stages.core.video.skim.settings import Settings
from stages.core.video.skim.stillness import (
    BLOCK_PIXELS,
    QUIET_BITS,
    Shown,
    compare,
    measure_stillness,
    spent_bits,
)

CALM_BITS = 4 * QUIET_BITS  # only a span that costs less on the mean has quiet parts that are worth a comparison


class Picture(NamedTuple):
    """A sync frame as JPEG."""

    time_s: float
    width_px: int
    height_px: int
    jpeg: bytes


def skim(path: str, settings: Settings, take: Callable[[Picture], object]) -> dict[str, object]:
    """The video's row as SKIM has it, without its id; its sync frames are handed to `take` one by one.

    Raises ItemError: missing, unreadable, empty, corrupt, encrypted, no_video, no_frames, too_large.
    """
    with open_video(path, settings.limits.max_pixels, settings.limits.max_s) as video:
        sync, look = SyncFrames(video, settings.every_s), LookMeter()
        shown: list[Shown] = []
        before: Image | None = None
        for time_s, frame, bytes_before in sync.frames():
            if before is None:
                sar = float(video.facts.sar)
                size, orientation = small_size(frame, settings.width_px, sar), read_orientation(frame, sar)
                picture = describe(video.stream, video.facts, frame, (frame.width, frame.height))
                blocks = frame.width * frame.height / BLOCK_PIXELS
            small = shrink(frame, size, orientation)
            look.add(len(shown), time_s, small)
            calm = bool(spent_bits(bytes_before, blocks) <= CALM_BITS)
            apart_s = time_s - shown[-1].time_s if shown else 0.0
            found = (False, False) if before is None else compare(before, small.luma, apart_s, calm=calm)
            shown.append(Shown(time_s, *found))
            before = small.luma
            bgr = to_bgr(small.native, settings.sync_frames.max_side_px)
            height_px, width_px = bgr.shape[:2]
            take(Picture(time_s, width_px, height_px, encode_jpeg(bgr, settings.sync_frames.quality)))
        row = make_row(video, sync.packets(), look, shown, picture)
        video.doubt_end(row["duration_s"])
        row["notes"] = video.notes or None
        if (coverage := video.coverage(row["duration_s"])) < settings.min_coverage:
            raise ItemError("corrupt", f"{path}: only {coverage:.0%} of {video.facts.declared_s} s could be read")
        return {**row, "coverage": coverage}


def make_row(
    video: Video, packets: Sizes, look: LookMeter, shown: list[Shown], picture: dict[str, Any]
) -> dict[str, Any]:
    """The row of `skim` but for its coverage; `picture` has the columns of PICTURES."""
    fps = float(video.facts.fps)
    end_s = float(packets.time_s[-1]) + 1 / fps
    look.finish(end_s)
    pixels = picture["width_px"] * picture["height_px"]
    still, motion = measure_stillness(packets, pixels / BLOCK_PIXELS, shown, end_s)
    lasts_s = max(1 / fps, end_s - float(packets.time_s[0]))
    gaps_s = np.diff(packets.time_s[packets.sync], append=end_s)
    bits = 8 * float(packets.bytes.sum())
    return {
        **picture,
        "duration_s": end_s,
        "has_audio": video.facts.audio_index is not None,
        "bits_per_s": bits / lasts_s,
        "bits_per_pixel": bits / len(packets.bytes) / pixels,
        "sync_every_s": float(gaps_s.mean()),
        "still": still.estimate,
        "still_least": still.least,
        "still_most": still.most,
        "motion": motion.estimate,
        "motion_least": motion.least,
        "motion_most": motion.most,
        **over_video(look.signals(), LOOKS),
        **look.columns(),
        "decode_errors": video.decode_errors,
    }
