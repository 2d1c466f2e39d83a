"""Makes the clips of a video from its shots, in frames and seconds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.core.schema.video import MIXED

Frames = NDArray[np.int64]
Seconds = NDArray[np.float64]

SAME_S = 0.0005  # times that differ by less are equal: containers round to milliseconds


class Shots(NamedTuple):
    """The shots of a video in order: frames [start_frame, end_frame), displayed from start_s to end_s; [shots] each."""

    start_frame: Frames
    end_frame: Frames
    start_s: Seconds
    end_s: Seconds


class Clock(NamedTuple):
    """Frames of a video, growing, and their times in seconds, [n] each; times in between are interpolated."""

    frames: Frames
    at_s: Seconds


class Clips(NamedTuple):
    """The clips of a video in order, with the columns of Shots; `short`: its shot has no frames beside its margins."""

    start_frame: Frames
    end_frame: Frames
    start_s: Seconds
    end_s: Seconds
    short: NDArray[np.bool_]


def even_clock(shots: Shots, fps: float) -> Clock:
    """The clock of a video without a row in TIMES: frame n at n / fps, or evenly spaced within each shot."""
    frames, places = np.unique(np.column_stack([shots.start_frame, shots.end_frame]), return_index=True)
    at_s = np.column_stack([shots.start_s, shots.end_s]).ravel()[places]
    even_s = at_s[0] + (frames - frames[0]) / fps
    return Clock(frames, even_s if np.abs(even_s - at_s).max() < SAME_S else at_s)


def stored_clock(shots: Shots, first_us: int, steps_us: NDArray[np.int64]) -> Clock:
    """The clock of a video with a row in TIMES: the first frame's time and the steps from frame to frame, in us."""
    at_us = first_us + np.append(0, np.cumsum(steps_us))
    return Clock(np.arange(len(at_us) + 1), np.append(at_us / 1e6, shots.end_s[-1]))


def margins_between(shots: Shots, *, at_cut: int, at_gradual: int) -> Frames:
    """The frames that are trimmed on each side of the border behind each shot but the last.

    Shots that are next to each other, but for frames that a conversion mixed of both, have a cut between them.
    """
    return np.where(shots.start_frame[1:] - shots.end_frame[:-1] > MIXED, at_gradual, at_cut)


def make_clips(shots: Shots, clock: Clock, *, at_cut: int, at_gradual: int, max_s: float) -> Clips:
    """The clips of all shots: each shot without its margins, in parts of at most `max_s`, equal to within a frame.

    `at_cut`/`at_gradual` frames are trimmed on each side of a cut/gradual transition, except at the video's ends. A
    shot with no frames beside its margins is kept whole, and its clips are `short`.
    """
    margin = margins_between(shots, at_cut=at_cut, at_gradual=at_gradual)
    start, end = shots.start_frame + np.append(0, margin), shots.end_frame - np.append(margin, 0)
    short = end <= start
    start, end = np.where(short, shots.start_frame, start), np.where(short, shots.end_frame, end)
    start_s, end_s = np.interp(start, *clock), np.interp(end, *clock)
    parts = np.clip(np.ceil((end_s - start_s - SAME_S) / max_s), 1, end - start).astype(np.int64)
    shot = np.repeat(np.arange(len(parts)), parts)
    part = np.arange(len(shot)) - np.repeat(np.cumsum(parts) - parts, parts)
    begin_s = start_s[shot] + part * ((end_s - start_s) / parts)[shot]
    first = np.rint(np.interp(begin_s, clock.at_s, clock.frames)).astype(np.int64)
    # one long frame, or the shot's end, may be nearest to the starts of several parts: only the first of these is kept
    kept = (first < end[shot]) & np.append(True, (np.diff(shot) > 0) | (np.diff(first) > 0))
    shot, first = shot[kept], first[kept]
    last = np.where(np.append(np.diff(shot) > 0, True), end[shot], np.append(first[1:], 0))
    return Clips(
        first,
        last,
        np.where(first == shots.start_frame[shot], shots.start_s[shot], np.interp(first, *clock)),
        np.where(last == shots.end_frame[shot], shots.end_s[shot], np.interp(last, *clock)),
        short[shot],
    )
