"""One decode of every video: shots, freezes, motion, brightness, sharpness and key frames.

Reads the catalogue's `video_id`, `path` and `url`; writes a row a video (VIDEO), and the tables shots (SHOTS), signals
(SIGNALS, a row a second), freezes (FREEZES) and key_frames (KEY_FRAMES). Everything later works on these; no later
step decodes a video again but to cut what is released.

    python -m stages.analyze run=NAME
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from slurm.attempt import Output
from slurm.errors import ItemError
from stages.core.schema import FREEZES, KEY_FRAMES, SHOTS, SIGNALS, VIDEO, Row
from stages.core.stage import Stage, main
from stages.core.work import Rows

STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=STRICT)
class Shots:
    """PySceneDetect's detector and its threshold; see stages/core/video/shots.py."""

    detector: Literal["adaptive", "content"]
    threshold: float
    min_change: float
    min_s: float


@dataclass(frozen=True, config=STRICT)
class Freeze:
    """ffmpeg freezedetect's `noise` (share of the full range) and shortest duration."""

    noise: float
    min_s: float


@dataclass(frozen=True, config=STRICT)
class Motion:
    """Measurements of flow a second, and the time between the two frames of each."""

    per_s: float
    gap_s: float


@dataclass(frozen=True, config=STRICT)
class Pictures:
    """Longest side and JPEG quality (1 to 100) of key frames."""

    max_px: int
    quality: int


@dataclass(frozen=True, config=STRICT)
class Limits:
    """What is too large to be decoded at all: pixels of a frame (width times height), seconds."""

    max_px: int
    max_s: float


@dataclass(frozen=True, config=STRICT)
class Config:
    """Values are in conf/analyze.yaml. `width_px` is the width at which signals are measured, a multiple of 4."""

    width_px: int
    shots: Shots
    freeze: Freeze
    motion: Motion
    key_frames: Pictures
    limits: Limits
    min_coverage: float


def analyze_video(row: Row, config: Config) -> dict[str, list[Row]]:
    """The video's rows for every table, from a single pass over its frames.

    Raises ItemError: not_downloaded, missing, unreadable, empty, corrupt, no_video, no_frames, too_large.
    """
    from stages.core.scratch import local
    from stages.core.video.frames import shrink, small_size, upright_px
    from stages.core.video.freeze import FreezeDetector, share
    from stages.core.video.key_frames import KeyFrames
    from stages.core.video.look import LookMeter
    from stages.core.video.motion import MotionMeter, within_shots
    from stages.core.video.packets import open_video
    from stages.core.video.shots import ShotDetector, spans
    from stages.core.video.signals import per_second

    settings = config.shots
    if not row["path"]:
        raise ItemError("not_downloaded", f"no local file of {row.get('url') or 'a video without a URL'}")
    limits = config.limits
    with local(str(row["path"])) as path, open_video(str(path), limits.max_px, limits.max_s) as video:
        declared = video.facts
        shots = ShotDetector(settings.detector, settings.threshold, settings.min_change, settings.min_s, declared.fps)
        freezes = FreezeDetector(config.freeze.noise, config.freeze.min_s)
        motion = MotionMeter(config.motion.per_s, config.motion.gap_s)
        look = LookMeter(config.motion.per_s)
        key_frames = KeyFrames(config.key_frames.max_px, config.key_frames.quality, shots.delay_frames)
        times_s: list[float] = []
        size: tuple[int, int] | None = None
        for time_s, frame in video.frames():
            size = size or small_size(frame, config.width_px)
            small = shrink(frame, size)
            times_s.append(time_s)
            cuts = shots.add(small.bgr)
            freezes.add(time_s, small.yuv)
            motion.add(time_s, small.luma)
            look.add(time_s, small.luma)
            key_frames.add(time_s, frame, cuts)

        end_s = times_s[-1] + float(1 / declared.fps)
        coverage = video.coverage(end_s)
        if coverage < config.min_coverage:
            raise ItemError(
                "corrupt", f"{row['path']}: only {coverage:.0%} of {declared.declared_s} s could be decoded"
            )
        frozen = freezes.finish(end_s)
        moving = within_shots(motion.samples, [times_s[cut] for cut in shots.cuts])
        width_px, height_px = upright_px(frame, declared.width_px, declared.height_px)
        facts: dict[str, object] = {
            "codec": declared.codec,
            "pix_fmt": declared.pix_fmt,
            "width_px": width_px,
            "height_px": height_px,
            "fps": float(declared.fps),
            "duration_s": end_s,
            "frames": len(times_s),
            "has_audio": declared.audio_index is not None,
            "shots": len(shots.cuts) + 1,
            "freeze_share": share(frozen, times_s[0], end_s),
            "motion": mean([sample.widths_per_s for sample in moving]),
            "luma": mean([sample.luma for sample in look.samples]),
            "decode_errors": video.decode_errors,
            "coverage": coverage,
        }
    tables: dict[str, list[dict[str, object]]] = {
        "rows": [facts],
        "shots": spans(shots.cuts, times_s, end_s),
        "signals": per_second(
            end_s, looks=look.samples, motion=moving, frozen=frozen, times_s=times_s, cut_scores=shots.scores
        ),
        "freezes": [{"start_s": start, "end_s": end} for start, end in frozen],
        "key_frames": [key_frame._asdict() for key_frame in key_frames.finish()],
    }
    return {name: [{"video_id": row["video_id"], **record} for record in table] for name, table in tables.items()}


def mean(values: list[float]) -> float | None:
    """The mean; None of nothing."""
    return sum(values) / len(values) if values else None


def run(rows: Rows, config: Config) -> Iterator[Output]:
    yield from rows.each(analyze_video, config)


STAGE = Stage(
    name="analyze",
    kind="map",
    config=Config,
    run=run,
    gives=VIDEO,
    needs=("path", "url"),
    tables={"shots": SHOTS, "signals": SIGNALS, "freezes": FREEZES, "key_frames": KEY_FRAMES},
)

if __name__ == "__main__":
    main(STAGE)
