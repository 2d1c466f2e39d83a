"""Reads all packets of a video and decodes only sync frames: a few hundredths of what decoding all frames costs.

Packets between sync frames never reach the decoder, so this works for every codec and needs nothing of its options.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from slurm.errors import ItemError
from stages.core.video.read.packets import NO_TIME, Video


class Sizes(NamedTuple):
    """Packets in the order in which they are shown: float64 and int64 [n]; seconds from the container's start, bytes.

    `sync` marks those that the container calls sync frames.
    """

    time_s: NDArray[np.float64]
    bytes: NDArray[np.int64]
    sync: NDArray[np.bool_]


class SyncFrame(NamedTuple):
    """A decoded sync frame. `bytes_before`: the mean size of the other packets since the one before it; inf if none."""

    time_s: float
    frame: VideoFrame
    bytes_before: float


@dataclass
class SyncFrames:
    """The sync frames of an open video that are at least `every_s` apart; others are not decoded."""

    video: Video
    every_s: float
    _pts: "array[int]" = field(default_factory=lambda: array("q"), init=False)  # dts where there is no pts
    _bytes: "array[int]" = field(default_factory=lambda: array("q"), init=False)
    _sync: "array[int]" = field(default_factory=lambda: array("b"), init=False)

    def frames(self) -> Iterator[SyncFrame]:
        """Each of them that can be decoded, in order, with its time in seconds from the container's start.

        Raises ItemError: no_frames if there is none, too_large if a frame or its time exceeds the limits, encrypted.
        """
        video, next_s, any_frame = self.video, float("-inf"), False
        others, others_bytes = 0, 0
        tick_s, start_s, mean_s = float(video.tick_s), float(video.facts.start_s), float(1 / video.facts.fps)
        for packet in video.read():
            if packet.size == 0:
                continue
            at = packet.pts if packet.pts is not None else packet.dts
            self._pts.append(NO_TIME if at is None else at)
            self._bytes.append(packet.size)
            self._sync.append(packet.is_keyframe)
            time_s = (len(self._pts) - 1) * mean_s if at is None else at * tick_s - start_s
            video.check_seconds(time_s)
            if not packet.is_keyframe:
                others, others_bytes = others + 1, others_bytes + packet.size
            elif time_s >= next_s:
                next_s = time_s + self.every_s
                for frame in self._decode_alone(packet):
                    any_frame = True
                    yield SyncFrame(time_s, frame, others_bytes / others if others else math.inf)
                others = others_bytes = 0
        if not any_frame:
            video.check_size(video.facts.width_px, video.facts.height_px)
            counts = f"{video.packets} packets, {sum(self._sync)} sync frames, {video.decode_errors} decode errors"
            raise ItemError("no_frames", f"{video.path}: {counts}")

    def packets(self) -> Sizes:
        """All packets that `frames` has read."""
        pts = np.asarray(self._pts)
        known = pts != NO_TIME
        time_s = pts * float(self.video.tick_s) - float(self.video.facts.start_s)
        time_s = time_s if known.all() else np.arange(len(pts)) / float(self.video.facts.fps)
        order = np.argsort(time_s, kind="stable")
        return Sizes(time_s[order], np.asarray(self._bytes)[order], np.asarray(self._sync, dtype=bool)[order])

    def _decode_alone(self, packet: "Packet[VideoStream]") -> list[VideoFrame]:
        """The packet's frame, if it can be decoded; the decoder forgets what came before, by which it orders frames."""
        frames = [*self.video.decode(packet), *self.video.decode(None)][:1]
        self.video.stream.codec_context.flush_buffers()
        for frame in frames:
            self.video.check_size(frame.width, frame.height)
        return frames
