"""The scorers that a config names, loaded; those that look through the same net share it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.core.frames.aesthetic import load_head
from stages.core.frames.encoder import Encoder
from stages.core.frames.net import Scorer
from stages.core.frames.nsfw import NsfwNet, OpenNsfwNet
from stages.core.frames.references import list_references
from stages.core.frames.settings import Settings
from stages.core.frames.similarity import embed_references
from stages.core.frames.watermark import WatermarkNet
from stages.core.models.device import Device
from stages.core.models.hub import find_file, find_model
from stages.core.models.weights import name_file

Features = NDArray[np.float32]
HEAD = "aesthetic.head="  # key of the config


def load_scorers(settings: Settings, device: Device, threads: int) -> dict[str, Scorer]:
    """The scorers by their names. Raises UnloadableError, InputError."""
    encoders: dict[Path, Encoder] = {}

    def encoder(model: str, revision: str | None, key: str) -> Encoder:
        folder = find_model(model, revision, f"{key}.model=")
        if folder not in encoders:
            encoders[folder] = Encoder(folder, model, key, device)
        return encoders[folder]

    def aesthetic() -> Scorer:
        own = settings.aesthetic
        net, file = encoder(own.model, own.revision, "aesthetic"), find_file(own.head, own.head_revision, HEAD)
        factors, offset = load_head(file, net.size, HEAD)
        name = f"{net.name} {name_file(file)}"
        return Scorer(net, lambda vectors: {"aesthetic": (vectors @ factors + offset).tolist()}, name)

    def watermark() -> Scorer:
        own = settings.watermark
        net = WatermarkNet(find_file(own.weights, own.revision, "watermark.weights="), own.weights, device)
        return Scorer(net, lambda found: {"watermark": found[:, 0].tolist()}, net.name)

    def nsfw() -> Scorer:
        net = NsfwNet(settings.nsfw.model, settings.nsfw.revision, settings.nsfw.label, device)
        return Scorer(net, lambda found: {"nsfw": found[:, 0].tolist()}, net.name)

    def open_nsfw() -> Scorer:
        net = OpenNsfwNet(threads)
        return Scorer(net, lambda found: {"open_nsfw": found[:, 0].tolist()}, net.name)

    def similarity() -> Scorer:
        own = settings.similarity
        net = encoder(own.model, own.revision, "similarity")
        references = embed_references(list_references(own.references), net, settings.batch, own.most_frames)

        def columns(vectors: Features) -> Mapping[str, Sequence[object]]:
            cosines, names = references.nearest(vectors)
            return {"similarity": cosines, "similar_to": names}

        return Scorer(net, columns, net.name)

    def embed() -> Scorer:
        net = encoder(settings.embed.model, settings.embed.revision, "embed")
        return Scorer(net, lambda vectors: {"embedding": vectors.astype(np.float16).tolist()}, net.name)

    made: Mapping[str, Callable[[], Scorer]] = {
        "aesthetic": aesthetic,
        "watermark": watermark,
        "nsfw": nsfw,
        "open_nsfw": open_nsfw,
        "similarity": similarity,
        "embed": embed,
    }
    return {name: made[name]() for name in settings.scorers}
