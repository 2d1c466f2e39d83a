"""Everything that is measured on a video, from a single pass over its frames."""

from array import array
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from slurm.errors import ItemError
from stages.core.video.measure.freeze import FreezeDetector, share
from stages.core.video.measure.key_frames import KeyFrame, KeyFrames
from stages.core.video.measure.look import LookMeter
from stages.core.video.measure.motion import MotionMeter, within_shots
from stages.core.video.measure.settings import Settings
from stages.core.video.measure.shots import ShotDetector
from stages.core.video.measure.signals import overall, per_second
from stages.core.video.read.frames import Stance, shrink, small_size, stance, upright_px
from stages.core.video.read.packets import open_video

EVEN_S = 0.0004  # the times of Matroska are rounded to milliseconds, which is uneven
Records = list[dict[str, object]]


def measure(path: str, settings: Settings, take: Callable[[KeyFrame], object]) -> dict[str, Records]:
    """The video's records for the tables of `analyze`, but for its id: rows, shots, changes, times, signals, freezes.

    Its key frames are given to `take` as they are found: of a long video they are more than memory should hold. Raises
    ItemError: missing, unreadable, empty, corrupt, encrypted, no_video, no_frames, too_large.
    """
    limits, decoder = settings.limits, settings.decoder
    with open_video(path, limits.max_pixels, limits.max_s, decoder.speed, decoder.hwaccel) as video:
        declared = video.facts
        fps = float(declared.fps)
        shots = ShotDetector(settings.shots.cut, settings.shots.gradual, fps)
        freezes = FreezeDetector(settings.freeze.noise, settings.freeze.min_s)
        motion = MotionMeter(settings.motion.per_s, settings.motion.gap_s)
        look = LookMeter()
        key_frames = KeyFrames(settings.key_frames, fps, shots.horizon, take)
        times_s = array("d")
        shape: tuple[tuple[int, int], Stance] | None = None
        for time_s, frame in video.frames():
            shape = shape or (small_size(frame, settings.width_px), stance(frame))
            small = shrink(frame, *shape)
            times_s.append(time_s)
            freezes.add(time_s, small)
            motion.add(time_s, small.luma)
            look.add(time_s, small)
            key_frames.add(len(times_s) - 1, time_s, small)
            shots.add(small)
            key_frames.close(shots.shots)
        shots.finish()
        key_frames.finish()
        key_frames.close(shots.shots)

        end_s = video.end_s(times_s[-1])
        coverage = video.coverage(end_s)
        if coverage < settings.min_coverage:
            raise ItemError("corrupt", f"{path}: only {coverage:.0%} of {declared.declared_s} s could be decoded")
        frozen = freezes.finish(end_s)
        looks = look.finish()
        moving = within_shots(motion.finish(), [times_s[change.end] for change in shots.changes if change.taken])
        width_px, height_px = upright_px(frame, declared.width_px, declared.height_px)
        left, top, right, bottom = look.borders()
        numbers, stored_s = np.append(video.numbers(), video.frame_count()), video.stored_s(times_s)
        at_s = np.append(times_s, end_s)
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
            "freeze_share": share(frozen, times_s[0], end_s),
            **overall(looks, moving),
            "border_left": left,
            "border_top": top,
            "border_right": right,
            "border_bottom": bottom,
            "interlaced": look.interlaced(),
            "decode_errors": video.decode_errors,
            "coverage": coverage,
            "hwaccel": video.hwaccel(),
        }

    def borders(start: int, end: int) -> dict[str, object]:
        return {
            "start_frame": int(numbers[start]),
            "end_frame": int(numbers[end]),
            "start_s": float(at_s[start]),
            "end_s": float(at_s[end]),
        }

    return {
        "rows": [facts],
        "shots": [
            {"shot": n, **borders(shot.start, shot.end), "start_score": shot.score, "hash": hash_}
            for n, (shot, hash_) in enumerate(zip(shots.shots, key_frames.hashes, strict=True))
        ],
        "changes": [
            {"kind": c.kind, **borders(c.start, c.end), "score": c.score, "taken": c.taken} for c in shots.changes
        ],
        "times": uneven(stored_s, fps),
        "signals": per_second(
            end_s, looks=looks, motion=moving, frozen=frozen, times_s=times_s, cut_scores=shots.scores
        ),
        "freezes": [{"start_s": start, "end_s": end} for start, end in frozen],
    }


def uneven(at_s: NDArray[np.float64], fps: float) -> Records:
    """A record as TIMES has it; none where frame n is shown n / fps after the first."""
    even_s = at_s[0] + np.arange(len(at_s)) / fps
    if np.abs(at_s - even_s).max() <= EVEN_S:
        return []
    at_us = np.round(at_s * 1e6).astype(np.int64)
    return [{"first_us": int(at_us[0]), "steps_us": np.diff(at_us).tolist()}]
