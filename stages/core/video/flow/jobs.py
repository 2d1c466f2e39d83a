"""What a worker gets at once, clips of one video that follow each other, and what it does with them."""

import threading
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from math import inf
from typing import Any, cast

from stages.core.schema.types import Row
from stages.core.storage.scratch import open_video_of
from stages.core.storage.spill import Tables
from stages.core.video.flow.clips import measure_clips
from stages.core.video.flow.dis import DisMeter
from stages.core.video.flow.meter import Meter
from stages.core.video.flow.one_pass import Span
from stages.core.video.flow.settings import Settings

JOB_CLIPS = 16  # a minute of work or two; what is done of a job is lost where its task is killed

_loading = threading.Lock()


def make_jobs(rows: Sequence[Row], size: int = JOB_CLIPS) -> Iterator[Row]:
    """What workers get: `name`, `path`, `url`, and the rows of the `clips`, which are whole videos without a span."""
    for video_id, group in groupby(rows, key=lambda row: row["video_id"]):
        clips = list(group)
        for at in range(0, len(clips), size):
            part = clips[at : at + size]
            yield {"name": f"{len(part)} of {video_id}", "path": part[0]["path"], "url": part[0]["url"], "clips": part}


def split_job(job: Row) -> Iterator[Row]:
    """A job for each of its clips."""
    return make_jobs(cast(Sequence[Row], job["clips"]), 1)


def measure_job(job: Row, settings: Settings, cores: int, gpus: int) -> Tables:
    """The table `clips` has a row for each clip of the job, in their order: columns of CLIP_FLOW, or its error.

    Raises ItemError for what is wrong with the video: not_downloaded, missing, unreadable, empty, corrupt, no_video,
    too_large, disk; UnloadableError, InputError.
    """
    clips = cast(Sequence[Row], job["clips"])
    spans = [Span(_or(row.get("start_s"), -inf), _or(row.get("end_s"), inf)) for row in clips]
    meter = make_meter(settings, cores, gpus)
    with open_video_of(job) as path:
        flows = measure_clips(str(path), spans, settings, meter)
    found: list[Row] = []
    for number, values in enumerate(flows.found):
        if error := flows.errors.get(number):
            found.append({"error": error.code, "error_detail": error.detail})
        else:
            mean = sum(values) / len(values) if values else None
            found.append({"flow": mean, "flow_pairs": len(values), "flows": values, "flow_model": meter.name})
    return {"clips": found}


def _or(value: object, missing: float) -> float:
    return missing if value is None else cast(float, value)


def make_meter(settings: Settings, cores: int, gpus: int) -> Meter[Any]:
    """What measures pairs of frames. Raises UnloadableError, InputError."""
    if settings.backend == "dis":
        return DisMeter()
    with _loading:
        return _raft(settings, cores, gpus)


@cache
def _raft(settings: Settings, cores: int, gpus: int) -> Meter[Any]:
    """The net of this process, loaded once."""
    import torch

    from stages.core.models.device import find_device
    from stages.core.video.flow.raft import RaftMeter  # seconds and hundreds of MB that DIS does not need

    torch.set_num_threads(cores)
    return RaftMeter(settings.raft, settings.batch, find_device(settings.dtype, gpus=gpus))
