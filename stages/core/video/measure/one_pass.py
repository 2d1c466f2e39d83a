"""Everything that is measured on a video, from a single pass over its frames."""

from array import array
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from slurm.errors import ItemError
from stages.core.video.measure.freeze import FreezeDetector, share
from stages.core.video.measure.key_frames import KeyFrame, KeyFrames
from stages.core.video.measure.look import LookMeter
from stages.core.video.measure.meter import Meter
from stages.core.video.measure.motion import MotionMeter
from stages.core.video.measure.settings import Settings
from stages.core.video.measure.shots import ShotDetector
from stages.core.video.measure.signals import Samples, over_video, per_second
from stages.core.video.read.frames import Stance, shrink, small_size, stance, upright_px
from stages.core.video.read.packets import open_video

EVEN_S = 0.0004  # Matroska rounds times to milliseconds, so they are off by this much where frames are evenly spaced
Records = list[dict[str, object]]


def measure(path: str, settings: Settings, take: Callable[[KeyFrame], object]) -> dict[str, Records]:
    """The video's rows, without its id, for these tables of `analyze`: rows, shots, changes, times, signals, freezes.

    Key frames are handed to `take` one by one as they are made: those of a long video would fill the memory. Raises
    ItemError: missing, unreadable, empty, corrupt, encrypted, no_video, no_frames, too_large.
    """
    limits, decoder = settings.limits, settings.decoder
    with open_video(path, limits.max_pixels, limits.max_s, decoder.speed, decoder.hwaccel) as video:
        declared = video.facts
        fps = float(declared.fps)
        shots = ShotDetector(settings.shots.cut, settings.shots.gradual, fps)
        freezes = FreezeDetector(settings.freeze.noise, settings.freeze.min_s)
        motion = MotionMeter(settings.motion.per_s, settings.motion.gap_s, shots.borders_s)
        look = LookMeter()
        key_frames = KeyFrames(settings.key_frames, fps, shots.shots, shots.horizon, take)
        meters: Sequence[Meter] = (freezes, motion, look, shots, key_frames)  # key_frames asks shots for what is new
        times_s = array("d")
        shape: tuple[tuple[int, int], Stance] | None = None
        for number, (time_s, frame) in enumerate(video.frames()):
            times_s.append(time_s)
            shape = shape or (small_size(frame, settings.width_px), stance(frame))
            small = shrink(frame, *shape)
            for meter in meters:
                meter.add(number, time_s, small)

        end_s = video.end_s(times_s[-1])
        coverage = video.coverage(end_s)
        if coverage < settings.min_coverage:
            raise ItemError("corrupt", f"{path}: only {coverage:.0%} of {declared.declared_s} s could be decoded")
        for meter in meters:
            meter.finish(end_s)
        samples: Mapping[str, Samples] = {name: of for meter in meters for name, of in meter.signals().items()}

        width_px, height_px = upright_px(frame, declared.width_px, declared.height_px)
        left, top, right, bottom = look.borders()
        numbers, stored_s = np.append(video.numbers(), video.frame_count()), video.stored_s(times_s)
        facts: dict[str, object] = {
            "codec": declared.codec,
            "pix_fmt": declared.pix_fmt,
            "width_px": width_px,
            "height_px": height_px,
            "fps": fps,
            "duration_s": end_s,
            "frames": int(numbers[-1]),
            "has_audio": declared.audio_index is not None,
            "shots": len(shots.shots),
            "gradual": sum(change.taken and change.kind == "gradual" for change in shots.changes),
            "freeze_share": share(freezes.spans, times_s[0], end_s),
            **over_video(samples),
            "border_left": left,
            "border_top": top,
            "border_right": right,
            "border_bottom": bottom,
            "interlaced": look.interlaced(),
            "decode_errors": video.decode_errors,
            "coverage": coverage,
            "hwaccel": video.hwaccel(),
        }

    at_s = np.append(times_s, end_s)

    def span(start: int, end: int) -> dict[str, object]:
        """The columns of decoded frames [start, end): the decoder may skip some, so stored ones have other numbers."""
        return {
            "start_frame": int(numbers[start]),
            "end_frame": int(numbers[end]),
            "start_s": float(at_s[start]),
            "end_s": float(at_s[end]),
        }

    return {
        "rows": [facts],
        "shots": [
            {"shot": n, **span(shot.start, shot.end), "start_score": shot.score, "hash": hash_}
            for n, (shot, hash_) in enumerate(zip(shots.shots, key_frames.hashes, strict=True))
        ],
        "changes": [
            {"kind": c.kind, **span(c.start, c.end), "score": c.score, "taken": c.taken} for c in shots.changes
        ],
        "times": uneven(stored_s, fps),
        "signals": per_second(samples, times_s[-1], end_s),
        "freezes": [{"start_s": start, "end_s": end} for start, end in freezes.spans],
    }


def uneven(at_s: NDArray[np.float64], fps: float) -> Records:
    """One row as TIMES has it; none where frame n is shown n / fps after the first. `at_s`: [frames], in seconds."""
    even_s = at_s[0] + np.arange(len(at_s)) / fps
    if np.abs(at_s - even_s).max() <= EVEN_S:
        return []
    at_us = np.round(at_s * 1e6).astype(np.int64)
    return [{"first_us": int(at_us[0]), "steps_us": np.diff(at_us).tolist()}]
