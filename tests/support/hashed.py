"""Made-up hashes of videos, as analyze's table `hashes` has them, and dedup's config with changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from support.steps import CONF

from slurm.conf import load
from stages.core.dedup.find import find_duplicates
from stages.core.dedup.settings import Config, Perceptual, Semantic
from stages.core.schema.video import HASH_VERSION, HASHES

Hashes = NDArray[np.uint64]


def config(**changes: Any) -> Config:
    """conf/stage/dedup.yaml with changes; those of `perceptual` and `semantic` are mappings."""
    read: dict[str, Any] = dict(load(CONF / "stage" / "dedup.yaml"))
    parts = {"perceptual": Perceptual(**read["perceptual"]), "semantic": Semantic(**read["semantic"])}
    made = Config(**{**{key: read[key] for key in Config.__dataclass_fields__}, **parts})
    own = {key: replace(getattr(made, key), **value) if key in parts else value for key, value in changes.items()}
    return replace(made, **own)


def some_hashes(count: int, seed: int) -> Hashes:
    """Unrelated hashes."""
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def turned(hashes: Hashes, bits: int, seed: int = 0) -> Hashes:
    """The hashes, of each so many bits turned."""
    rng = np.random.default_rng(seed)
    places = rng.permuted(np.tile(np.arange(64, dtype=np.uint64), (len(hashes), 1)), axis=1)[:, :bits]
    masks = np.bitwise_or.reduce(np.uint64(1) << places, axis=1, initial=np.uint64(0))
    return np.asarray(hashes ^ masks, dtype=np.uint64)


def hash_table(videos: Mapping[str, Hashes], contrast: float = 0.2) -> pl.DataFrame:
    """HASHES of these videos, a hash every half second."""
    parts = [
        pl.DataFrame({"video_id": video, "time_s": np.arange(len(own)) * 0.5, "hash": own})
        for video, own in videos.items()
    ]
    every = pl.concat(parts).with_columns(contrast=pl.lit(contrast), version=pl.lit(HASH_VERSION))
    return every.select(pl.col(name).cast(kind) for name, kind in HASHES.items())


def video_table(videos: Mapping[str, Hashes], **columns: object) -> pl.DataFrame:
    """A row a video with its length; `columns` are those of all, or lists."""
    lengths = [len(own) * 0.5 for own in videos.values()]
    return pl.DataFrame({"video_id": [*videos], "duration_s": lengths, "width_px": 640, "height_px": 360, **columns})


def found(
    videos: Mapping[str, Hashes],
    rows: pl.DataFrame | None = None,
    *,
    former: Mapping[str, Any] | None = None,
    **how: Any,
) -> dict[str, pl.DataFrame]:
    """The tables of dedup over these videos."""
    table = video_table(videos) if rows is None else rows
    return find_duplicates(table, ["video_id"], hash_table(videos), config(**how), former or {})


def groups_of(tables: Mapping[str, pl.DataFrame]) -> dict[str, str]:
    """The group of each video."""
    return dict(tables["rows"].select("video_id", "group").iter_rows())
