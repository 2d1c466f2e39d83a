"""What frames are compared with: reference pictures and videos, as embeddings."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from slurm.errors import InputError, ItemError
from stages.core.frames.encoder import Encoder
from stages.core.frames.net import SMALLER
from stages.core.frames.pictures import open_picture
from stages.core.frames.references import PICTURES
from stages.core.models.batches import Batches
from stages.core.video.measure.key_frames import to_bgr
from stages.core.video.read.frames import planes, read_orientation
from stages.core.video.read.packets import open_video
from stages.core.video.read.sync import SyncFrames

MAX_PIXELS, MAX_S = 36_000_000, 43_200.0
SIDE_PX = 512  # the longer side of a video's frames, as in key frames


class References(NamedTuple):
    """Unit vectors, float32 [references, size]: of a video the normalised mean over its frames."""

    names: list[str]
    vectors: NDArray[np.float32]

    def nearest(self, embeddings: NDArray[np.float32]) -> tuple[list[float], list[str]]:
        """For each embedding the cosine with the reference that is nearest to it, and that one's name."""
        cosines = embeddings @ self.vectors.T
        places = cosines.argmax(axis=1)
        return cosines[np.arange(len(places)), places].tolist(), [self.names[place] for place in places]


def embed_references(files: Sequence[Path], encoder: Encoder, batch: int, most_frames: int) -> References:
    """The embeddings of all references. Raises InputError for one that cannot be read."""
    vectors = []
    for file in files:
        try:
            pictures = list(_pictures_of(file, most_frames))
        except ItemError as error:
            raise InputError(f"similarity.references: {file}: {error.code}: {error.detail}") from error
        found = Batches(batch, SMALLER).run(encoder, [encoder.prepare(picture) for picture in pictures])
        mean = np.concatenate([part.values for part in found]).mean(axis=0)
        vectors.append(mean / np.linalg.norm(mean))
    return References([file.name for file in files], np.stack(vectors).astype(np.float32))


def _pictures_of(file: Path, most: int) -> Iterator[Image.Image]:
    """A picture itself; of a video `most` of its sync frames, evenly spaced. Raises ItemError."""
    if file.suffix.lower() in PICTURES:
        yield open_picture(file)
        return
    with open_video(str(file), MAX_PIXELS, MAX_S) as video:
        sar = float(video.facts.sar)
        frames = [
            to_bgr(planes(found.frame, read_orientation(found.frame, sar)), SIDE_PX)
            for found in SyncFrames(video, 0.0).frames()
        ]
    for place in sorted({round(step * (len(frames) - 1) / max(1, most - 1)) for step in range(most)}):
        yield Image.fromarray(np.ascontiguousarray(frames[place][:, :, ::-1]))
