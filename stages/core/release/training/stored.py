"""What a trainer that looks neither at rotation nor at the shape of pixels finds in a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import av

from slurm.errors import ItemError
from stages.core.release.training.buckets import Clip
from stages.core.video.read.facts import read_facts
from stages.core.video.read.frames import AS_STORED, read_orientation
from stages.core.video.read.opening import open_container


class Stored(NamedTuple):
    clip: Clip
    has_audio: bool
    turned: bool  # players turn or mirror it
    square: bool  # pixels are as wide as high


def read_stored(path: Path, row: Mapping[str, Any]) -> Stored:
    """What is in a file; its frames by a step before it, where the container does not count them.

    Raises ItemError: corrupt, no_video, no_frames.
    """
    with open_container(str(path)) as container:
        if not container.streams.video:
            raise ItemError("no_video", str(path))
        facts = read_facts(container, container.streams.video[0])
        stream = container.streams.video[0]
        frames = stream.frames or row.get("frames") or int((facts.declared_s or 0) * facts.fps)
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise ItemError("corrupt", f"{path}: {error}") from error
        if first is None or not frames:
            raise ItemError("no_frames", str(path))
        turned = read_orientation(first) != AS_STORED
        clip = Clip(first.width, first.height, frames, float(facts.fps))
        return Stored(clip, facts.audio_index is not None, turned, facts.sar == 1)
