"""Looks at frames in a worker process: each is read and decoded once, and all scorers look at it.

Threads read and decode while the model computes: Pillow and FFmpeg leave the interpreter's lock while they do.
"""

import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple, Protocol

import torch

from slurm.errors import ItemError
from stages.core.frames.net import SMALLER, Net, Scorer
from stages.core.frames.reading import Shown, read_frames
from stages.core.models.batches import Batches
from stages.core.models.device import Device, find_device
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables

READ_AT_ONCE = 32  # pictures: a row group of the files that hold them

_loading = threading.Lock()


class Asked(Hashable, Protocol):
    """Of a stage's settings, what decides how its models compute."""

    @property
    def batch(self) -> int: ...
    @property
    def dtype(self) -> str: ...


Load = Callable[[Any, Device, int], dict[str, Scorer]]  # settings, device, threads → scorers by their names


class Loaded(NamedTuple):
    """What looks at frames, by the scorers' names, and each of their nets once."""

    scorers: dict[str, Scorer]
    nets: Sequence[Net]
    batches: Batches

    @property
    def models(self) -> list[str]:
        """Which model each scorer is, as `name model@revision`."""
        return [f"{name} {scorer.model}" for name, scorer in self.scorers.items()]


class Prepared(NamedTuple):
    """A frame as each net takes it."""

    frame: Shown
    arrays: Sequence[Any]


def look_at(job: Row, load: Load, settings: Asked, cores: int, gpus: int) -> Tables:
    """A row a frame of the job, in their order: `time_s` (None: not read), and the scorers' columns or an error.

    A job is one of `choose.make_jobs`. The table `counters` has what was read and how long the nets computed.
    Raises UnloadableError, InputError.
    """
    with _loading:
        loaded = load_once(load, settings, cores, gpus)
    count = len(job["places"])  # type: ignore[arg-type]
    found: list[Row] = [{} for _ in range(count)]
    read, busy_s = 0, 0.0
    waiting: list[Prepared] = []

    def score(frames: Sequence[Prepared]) -> None:
        nonlocal busy_s
        for number, net in enumerate(loaded.nets):
            for part in loaded.batches.run(net, [prepared.arrays[number] for prepared in frames]):
                busy_s += part.took_s
                for scorer in loaded.scorers.values():
                    if scorer.net is net:
                        for name, values in scorer.columns(part.values).items():
                            for prepared, value in zip(frames[part.items], values, strict=True):
                                found[prepared.frame.number][name] = value

    with ThreadPoolExecutor(cores) as pool:
        parts = [range(at, min(at + READ_AT_ONCE, count)) for at in range(0, count, READ_AT_ONCE)]
        for part in pool.map(lambda part: list(prepare(job, part, loaded)), parts):
            for prepared in part:
                frame = prepared.frame
                read += frame.bytes
                found[frame.number]["time_s"] = frame.time_s
                if isinstance(frame.picture, ItemError):
                    found[frame.number] |= {"error": frame.picture.code, "error_detail": frame.picture.detail}
                else:
                    found[frame.number]["models"] = loaded.models
                    waiting.append(prepared)
            while len(waiting) >= settings.batch:
                score(waiting[: settings.batch])
                del waiting[: settings.batch]
    if waiting:
        score(waiting)
    return {"frames": found, "counters": [{"pictures": count, "bytes_read": read, "model_s": round(busy_s, 3)}]}


@cache
def load_once(load: Load, settings: Asked, cores: int, gpus: int) -> Loaded:
    """The scorers of this process."""
    torch.set_num_threads(cores)
    scorers = load(settings, find_device(settings.dtype, gpus=gpus), cores)
    nets = list({id(scorer.net): scorer.net for scorer in scorers.values()}.values())
    return Loaded(scorers, nets, Batches(settings.batch, SMALLER))


def prepare(job: Row, part: range, loaded: Loaded) -> Iterator[Prepared]:
    """The frames of a part of the job, as each net takes them."""
    for frame in read_frames(job, part):
        if isinstance(frame.picture, ItemError):
            yield Prepared(frame, [])
        else:
            yield Prepared(frame._replace(picture=None), [net.prepare(frame.picture) for net in loaded.nets])
