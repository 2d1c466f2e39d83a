"""Measures a video in a single pass over its frames: each frame is scaled down once and handed to every meter."""

from array import array
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from slurm.errors import ItemError
from stages.core.schema.types import Row
from stages.core.video.measure.freeze import FreezeDetector, share
from stages.core.video.measure.hashes import HashMeter
from stages.core.video.measure.key_frames import KeyFrame, KeyFrames
from stages.core.video.measure.look import LookMeter
from stages.core.video.measure.meter import Meter
from stages.core.video.measure.motion import MotionMeter
from stages.core.video.measure.settings import Settings
from stages.core.video.measure.shots import ShotDetector
from stages.core.video.measure.signals import over_video, per_second
from stages.core.video.read.columns import describe
from stages.core.video.read.frames import (
    Orientation,
    read_orientation,
    shrink,
    small_size,
)
from stages.core.video.read.packets import Video, open_video
from stages.core.video.second_look.look import SecondLook

EVEN_S = 0.0004  # Matroska rounds times to milliseconds, so they are off by this much where frames are evenly spaced
Records = list[dict[str, object]]


class Meters(NamedTuple):
    """All that measures a video, in the order in which a frame is handed out: the last two read what shots found."""

    freezes: FreezeDetector
    motion: MotionMeter
    look: LookMeter
    shots: ShotDetector
    key_frames: KeyFrames
    hashes: HashMeter


def measure(path: str, settings: Settings, take: Callable[[KeyFrame], object]) -> dict[str, Records]:
    """The video's rows, without its id, for these tables of `analyze`: all but key_frames.

    Key frames are handed to `take` one by one as they are made: those of a long video would fill the memory. Raises
    ItemError: missing, unreadable, empty, corrupt, encrypted, no_video, no_frames, too_large.
    """
    limits, decoder = settings.limits, settings.decoder
    with open_video(path, limits.max_pixels, limits.max_s, decoder.speed, decoder.hwaccel) as video:
        meters = make_meters(settings, float(video.facts.fps), take)
        times_s, picture = hand_out(video, meters, settings.width_px)
        end_s = video.end_s(times_s[-1])
        video.doubt_end(end_s)
        coverage = video.coverage(end_s)
        if coverage < settings.min_coverage:
            raise ItemError("corrupt", f"{path}: only {coverage:.0%} of {video.facts.declared_s} s could be decoded")
        for meter in meters:
            meter.finish(end_s)
        return make_tables(video, meters, times_s, picture)


def make_meters(settings: Settings, fps: float, take: Callable[[KeyFrame], object]) -> Meters:
    """Meters that have seen no frame; `fps` is the declared frame rate."""
    shots = ShotDetector(
        settings.shots.cut, settings.shots.gradual, fps, make_second_look(settings), settings.shots.doubt
    )
    return Meters(
        FreezeDetector(settings.freeze.noise, settings.freeze.min_s),
        MotionMeter(settings.motion.per_s, settings.motion.gap_s, shots.borders_s),
        LookMeter(),
        shots,
        KeyFrames(settings.key_frames, fps, shots.shots, shots.horizon, take),
        HashMeter(shots.shots),
    )


def make_second_look(settings: Settings) -> SecondLook | None:
    """What looks again at borders in doubt; None if nothing does."""
    if settings.shots.second_look is None:
        return None
    from stages.core.video.second_look.transnet import load_net  # torch takes seconds to import

    return SecondLook(load_net())


def hand_out(video: Video, meters: Sequence[Meter], width_px: int) -> tuple["array[float]", Row]:
    """Hands every frame to every meter; the frames' times in seconds, and the columns of PICTURES.

    `width_px` is that of the small frames. Raises ItemError as `Video.frames` does.
    """
    times_s = array("d")
    shape: tuple[tuple[int, int], Orientation] | None = None
    sar = float(video.facts.sar)
    for number, (time_s, frame) in enumerate(video.frames()):
        times_s.append(time_s)
        shape = shape or (small_size(frame, width_px, sar), read_orientation(frame, sar))
        small = shrink(frame, *shape)
        for meter in meters:
            meter.add(number, time_s, small)
    return times_s, describe(video.stream, video.facts, frame, (video.facts.width_px, video.facts.height_px))


def make_tables(video: Video, meters: Meters, times_s: Sequence[float], picture: Row) -> dict[str, Records]:
    """The tables of `measure` from meters that are finished; `times_s` are those of the decoded frames.

    `picture` has the columns of PICTURES.
    """
    freezes, _, look, shots, key_frames, hashes = meters
    declared, fps, end_s = video.facts, float(video.facts.fps), video.end_s(times_s[-1])
    samples = {name: of for meter in meters for name, of in meter.signals().items()}
    numbers, at_s = np.append(video.numbers(), video.frame_count()), np.append(times_s, end_s)

    def span(start: int, end: int) -> dict[str, object]:
        """The columns of decoded frames [start, end): the decoder may skip some, so stored ones have other numbers."""
        return {
            "start_frame": int(numbers[start]),
            "end_frame": int(numbers[end]),
            "start_s": float(at_s[start]),
            "end_s": float(at_s[end]),
        }

    facts: dict[str, object] = {
        **picture,
        "duration_s": end_s,
        "frames": int(numbers[-1]),
        "stored_frames": video.packets,
        "has_audio": declared.audio_index is not None,
        "shots": len(shots.shots),
        "gradual": sum(change.taken and change.kind == "gradual" for change in shots.changes),
        "freeze_share": share(freezes.spans, times_s[0], end_s),
        **over_video(samples),
        **look.columns(),
        "decode_errors": video.decode_errors,
        "coverage": video.coverage(end_s),
        "hwaccel": video.hwaccel(),
        "notes": video.notes or None,
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
        "times": uneven(video.stored_s(times_s), fps),
        "signals": per_second(samples, times_s[-1], end_s),
        "freezes": [{"start_s": start, "end_s": end} for start, end in freezes.spans],
        "hashes": hashes.choose(times_s),
    }


def uneven(at_s: NDArray[np.float64], fps: float) -> Records:
    """One row as TIMES has it; none if frame n is displayed n / fps after the first. `at_s`: [frames], in seconds."""
    even_s = at_s[0] + np.arange(len(at_s)) / fps
    if np.abs(at_s - even_s).max() <= EVEN_S:
        return []
    at_us = np.round(at_s * 1e6).astype(np.int64)
    return [{"first_us": int(at_us[0]), "steps_us": np.diff(at_us).tolist()}]
