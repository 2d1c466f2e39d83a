"""Scores frames in a worker process: each JPEG is read and decoded once, and all scorers look at it.

Threads read and decode while the model computes: Pillow leaves the interpreter's lock while it does.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch

from slurm.errors import ItemError
from stages.core.frames.pictures import open_picture
from stages.core.frames.scorers import Loaded, load_scorers
from stages.core.frames.settings import Settings
from stages.core.models.device import find_device
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables

READ_AT_ONCE = 32  # pictures: a row group of the files that hold them

_loading = threading.Lock()


class Prepared(NamedTuple):
    """A frame as each net takes it, or why it cannot be read."""

    place: int  # among the frames of the job
    arrays: Sequence[Any]
    bytes: int
    error: ItemError | None = None


def score_frames(job: Row, settings: Settings, cores: int, gpus: int) -> Tables:
    """A row a frame of the job (`file`, a Parquet file, and `rows` in it), in their order: columns of FRAME_SCORES.

    The table `counters` has what it read and how long the nets computed. Raises UnloadableError, InputError.
    """
    with _loading:
        loaded = _load(settings, cores, gpus)
    places: list[int] = list(job["rows"])  # type: ignore[call-overload]
    found: list[Row] = [{} for _ in places]
    read, busy_s = 0, 0.0
    waiting: list[Prepared] = []

    def score(frames: Sequence[Prepared]) -> None:
        nonlocal busy_s
        for number, net in enumerate(loaded.nets):
            features, took_s = loaded.batches.run(net, [frame.arrays[number] for frame in frames])
            busy_s += took_s
            for scorer in loaded.scorers.values():
                if scorer.net is net:
                    for name, values in scorer.columns(features).items():
                        for frame, value in zip(frames, values, strict=True):
                            found[frame.place][name] = value

    with ThreadPoolExecutor(cores) as pool:
        parts = [range(at, min(at + READ_AT_ONCE, len(places))) for at in range(0, len(places), READ_AT_ONCE)]
        file = Path(str(job["file"]))
        for part in pool.map(lambda part: list(_prepare(file, places, part, loaded)), parts):
            for frame in part:
                read += frame.bytes
                if frame.error is not None:
                    found[frame.place] = {"error": frame.error.code, "error_detail": frame.error.detail}
                else:
                    waiting.append(frame)
            while len(waiting) >= settings.batch:
                score(waiting[: settings.batch])
                del waiting[: settings.batch]
    if waiting:
        score(waiting)
    models: list[str] = loaded.models
    rows = [row if "error" in row else {**row, "models": models} for row in found]
    return {"frames": rows, "counters": [{"pictures": len(rows), "bytes_read": read, "model_s": round(busy_s, 3)}]}


@cache
def _load(settings: Settings, cores: int, gpus: int) -> Loaded:
    """The scorers of this process, loaded once."""
    torch.set_num_threads(cores)
    return load_scorers(settings, find_device(settings.dtype, gpus=gpus), cores)


def _prepare(file: Path, places: Sequence[int], part: range, loaded: Loaded) -> Iterator[Prepared]:
    """The frames of a part of the job, as each net takes them."""
    rows = [places[place] for place in part]
    first = min(rows)
    table = pl.scan_parquet(file, glob=False, hive_partitioning=False).slice(first, max(rows) - first + 1)
    pictures = table.select("jpeg").collect().to_series()
    for place, row in zip(part, rows, strict=True):
        jpeg = pictures[row - first]
        try:
            if not jpeg:
                raise ItemError("missing", "its table has no picture of it")
            picture = open_picture(jpeg)
            yield Prepared(place, [net.prepare(picture) for net in loaded.nets], len(jpeg))
        except ItemError as error:
            yield Prepared(place, [], len(jpeg or b""), error)
