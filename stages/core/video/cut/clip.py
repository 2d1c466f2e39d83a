"""Cuts a clip from a video: exact to the frame at both ends, with sound in sync; writes a whole file or none."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, dropwhile, takewhile
from math import ceil
from pathlib import Path
from typing import Literal, NamedTuple

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Discard
from av.video.frame import VideoFrame

from slurm.errors import ItemError
from slurm.record.files import replacing
from stages.core.video.cut.convert import Crop, Look
from stages.core.video.cut.encode import Encoding
from stages.core.video.cut.joint import write_joined
from stages.core.video.cut.mp4 import difference, read_back
from stages.core.video.cut.recode import TimedFrame, at_rate, until_next, write_encoded
from stages.core.video.cut.smart import make_plan
from stages.core.video.cut.sound import Sound, read_recorded, read_sound
from stages.core.video.read.bitstream import UncopiableError
from stages.core.video.read.facts import Facts
from stages.core.video.read.opening import open_container
from stages.core.video.read.packets import Video, open_video
from stages.core.video.read.span import (
    EARLY_S,
    JOINT_S,
    UntimedError,
    decode_frames,
    first_pts,
    number_recordings,
    open_in_order,
)
from stages.core.video.read.tone import HDR

TICK_S = Fraction(1, 120_000)  # a frame of every usual rate, NTSC's too, lasts a whole number of these

log = logging.getLogger("reelmill")


@dataclass(frozen=True)
class Cutting:
    """How clips are cut: `fps` is their constant rate, None keeps the video's times; `audio_bit_rate` in bits a second.

    `max_pixels` (width times height of a frame) and `max_s`: larger videos are refused. `crop`: the part of the picture
    that is kept; None: all of it. `square`: pixels are made square; `sdr`: high dynamic range becomes BT.709.
    """

    mode: Literal["smart", "encode"]
    encoding: Encoding
    fps: Fraction | None
    audio_bit_rate: int
    max_pixels: int
    max_s: float
    crop: Crop | None = None
    square: bool = False
    sdr: bool = False

    def copies(self, video: Video) -> bool:
        """Whether packets of the video may be copied: nothing becomes of its pictures."""
        changed = (
            self.crop is not None
            or (self.square and video.facts.sar != 1)
            or (self.sdr and video.stream.codec_context.color_trc in HDR)
        )
        return self.mode == "smart" and not changed


@dataclass(frozen=True)
class Clip:
    """A written clip, as read back from the file; `mode` is copied, joined or encoded.

    Sizes, `sar` (shape of a pixel), `bit_depth` and `transfer` are as in PICTURES. `decode_errors`: packets and frames
    of the source, in the clip's span, that are damaged.
    """

    bytes: int
    width_px: int
    height_px: int
    sar: float
    bit_depth: int
    transfer: str | None
    frames: int
    duration_s: float
    has_audio: bool
    mode: str
    encoded_frames: int
    decode_errors: int


@dataclass(frozen=True)
class Span:
    """[start, end), seconds from the container's start."""

    start_s: Fraction
    end_s: Fraction
    path: str

    def ticks(self, video: Video) -> tuple[int, int]:
        """The smallest pts in the span and the smallest after it."""
        return ceil(video.ticks(self.start_s - EARLY_S)), ceil(video.ticks(self.end_s - EARLY_S))

    def last_end(self, last: int, facts: Facts, tick_s: Fraction) -> int:
        """The end of the span's last frame, whose pts is `last`: that of the span or, if earlier, of the video."""
        declared_s = self.end_s if facts.declared_s is None else Fraction(facts.declared_s)
        over = round((min(self.end_s, declared_s) + facts.start_s) / tick_s)
        one_frame = last + round(1 / facts.fps / tick_s)
        return max(last + 1, over, min(one_frame, round((self.end_s + facts.start_s) / tick_s)))

    def empty(self) -> ItemError:
        borders = f"{float(self.start_s):.3f} to {float(self.end_s):.3f} s"
        return ItemError("encode_failed", f"{self.path}: no frame in {borders}")


class Decoded(NamedTuple):
    """A frame, its time in the video, and the number of its recording, of those that are joined in the file."""

    recording: int
    at_s: Fraction
    frame: VideoFrame


def cut(path: str, start_s: float, end_s: float, out: Path, how: Cutting) -> Clip:
    """Writes the clip of all frames whose time lies in [start_s, end_s) to `out`; leaves no partial file.

    Times are seconds from the container's start. With a crop all frames are encoded. Raises ItemError: encode_failed,
    also if no frame lies in the span, bad_value for times beyond `max_s` or a crop beyond the picture, and those of
    `open_video`; InputError if the encoder does not work here; RuntimeError or OSError for a full disk.
    """
    if not (abs(start_s) <= how.max_s and abs(end_s) <= how.max_s):  # false for NaN too
        raise ItemError("bad_value", f"{path}: start_s={start_s:g}, end_s={end_s:g}")
    span = Span(Fraction(start_s), Fraction(end_s), path)
    with replacing(out) as unfinished:
        with suppress(UntimedError), open_in_order(path, how.max_pixels, how.max_s) as video:
            if how.copies(video):
                try:
                    return _smart(video, span, unfinished, how)
                except (UncopiableError, ItemError) as reason:  # encoding raises again what is the video's fault
                    log.debug("%s: encoded: %s", path, reason)
            return _encoded(video, span, unfinished, how)
        with open_video(path, how.max_pixels, how.max_s) as video, open_container(path) as heard:
            return _encoded_from_start(video, heard, span, unfinished, how)


def _smart(video: Video, span: Span, out: Path, how: Cutting) -> Clip:
    """Writes the clip with as few frames encoded as possible. Raises UncopiableError, also if the result is wrong."""
    tick_s = video.tick_s
    plan = make_plan(video, *span.ticks(video), how.fps)
    over = span.last_end(plan.times[-1], video.facts, tick_s)
    sound = _sound(video.container, video.facts, plan.times[0] * tick_s, span.end_s + video.facts.start_s, how)
    write_joined(video, plan, over, out, encoding=how.encoding, sound=sound)
    times_s = [float((at - plan.times[0]) * tick_s) for at in plan.times]
    clip = _checked(out, times_s, "joined" if plan.head or plan.tail else "copied", plan.head + plan.tail)
    _play(out, times_s, how)
    return clip


def _encoded(video: Video, span: Span, out: Path, how: Cutting) -> Clip:
    """Writes the clip with all its frames encoded; they are reached by a seek."""
    tick_s = video.tick_s
    first, end = span.ticks(video)
    zero = first_pts(video, first, end)
    if zero is None:
        raise span.empty()
    sound = _sound(video.container, video.facts, zero * tick_s, span.end_s + video.facts.start_s, how)
    shown = ((frame.pts - zero, frame) for frame in decode_frames(video, first, end) if frame.pts is not None)
    until = until_next(shown, lambda last: span.last_end(zero + last, video.facts, tick_s) - zero)
    return _recoded(video, until, tick_s, out=out, sound=sound, how=how)


def _encoded_from_start(video: Video, heard: InputContainer, span: Span, out: Path, how: Cutting) -> Clip:
    """Writes the clip where seeking fails: frames are decoded from the video's start, which also gives their times.

    If several recordings are joined in the file, the sound is that of the first frame's recording.
    """
    upto_end = takewhile(lambda decoded: decoded.at_s < span.end_s - EARLY_S, _from_start(video))
    within = dropwhile(lambda decoded: decoded.at_s < span.start_s - EARLY_S, upto_end)
    begun = next(within, None)
    if begun is None:
        raise span.empty()
    zero = round((begun.at_s + video.facts.start_s) / TICK_S)
    sounds_at_s = zero * TICK_S
    if begun.recording > 0 and begun.frame.pts is not None:
        sounds_at_s = begun.frame.pts * video.tick_s  # on the recording's own clock
    end_s = sounds_at_s + span.end_s - begun.at_s
    sound = _sound(heard, video.facts, sounds_at_s, end_s, how, recording=begun.recording)
    shown = ((round((at_s - begun.at_s) / TICK_S), frame) for _, at_s, frame in chain([begun], within))
    until = until_next(shown, lambda last: span.last_end(zero + last, video.facts, TICK_S) - zero)
    return _recoded(video, until, TICK_S, out=out, sound=sound, how=how)


def _from_start(video: Video) -> Iterator[Decoded]:
    timed = ((frame.pts, (at_s, frame)) for at_s, frame in video.frames())
    for recording, (at_s, frame) in number_recordings(timed, round(JOINT_S / video.tick_s)):
        yield Decoded(recording, Fraction(at_s), frame)


def _recoded(
    video: Video, shown: Iterator[TimedFrame], tick_s: Fraction, *, out: Path, sound: Sound | None, how: Cutting
) -> Clip:
    if how.fps is not None:
        shown, tick_s = at_rate(shown, tick_s, how.fps), 1 / how.fps
    times_s = write_encoded(
        shown,
        tick_s,
        out,
        encoding=how.encoding,
        fps=how.fps or video.facts.fps,
        sar=video.facts.sar,
        sound=sound,
        look=Look(how.crop, how.square, how.sdr),
    )
    return _checked(out, times_s, "encoded", len(times_s), video.decode_errors)


def _sound(
    container: InputContainer,
    facts: Facts,
    zero_s: Fraction,
    end_s: Fraction,
    how: Cutting,
    *,
    recording: int | None = None,
) -> Sound | None:
    """The sound of [zero_s, end_s) on the stream's clock; None if the video has none.

    It is reached by a seek or, with a `recording`, by reading from the file's start. Afterwards the container reads the
    same streams as before.
    """
    stream = None if facts.audio_index is None else container.streams[facts.audio_index]
    if not isinstance(stream, AudioStream) or stream.codec_context is None:
        return None
    before = [(other, other.discard) for other in container.streams]
    for other in container.streams:
        other.discard = Discard.default if other is stream else Discard.all
    try:
        if recording is not None:
            return read_recorded(container, stream, recording, zero_s, end_s, bit_rate=how.audio_bit_rate)
        return read_sound(container, stream, zero_s, end_s, bit_rate=how.audio_bit_rate, copies=how.mode == "smart")
    finally:
        for other, discard in before:
            other.discard = discard


def _checked(out: Path, times_s: list[float], mode: str, encoded_frames: int, decode_errors: int = 0) -> Clip:
    """The written clip. Raises UncopiableError, or ItemError if `encoded`, unless its frames' times are `times_s`."""
    written = read_back(out)
    wrong = difference(written.times_s, times_s)
    if wrong is not None:
        raise ItemError("encode_failed", wrong) if mode == "encoded" else UncopiableError(wrong)
    return Clip(
        bytes=written.bytes,
        width_px=written.width_px,
        height_px=written.height_px,
        sar=written.sar,
        bit_depth=written.bit_depth,
        transfer=written.transfer,
        frames=len(times_s),
        duration_s=written.duration_s,
        has_audio=written.has_audio,
        mode=mode,
        encoded_frames=encoded_frames,
        decode_errors=decode_errors,
    )


def _play(out: Path, times_s: list[float], how: Cutting) -> None:
    """Raises UncopiableError unless exactly the frames of these times can be decoded from the clip, all undamaged."""
    with open_video(str(out), how.max_pixels, how.max_s) as video:
        tick_s = video.tick_s
        first, last = round(times_s[0] / tick_s), round(times_s[-1] / tick_s)
        whole = (frame.pts or 0 for frame in decode_frames(video, first, last + 1) if not frame.is_corrupt)
        wrong = difference([float(at * tick_s) for at in whole], times_s)
    if wrong is not None:
        raise UncopiableError(f"as it is decoded: {wrong}")
