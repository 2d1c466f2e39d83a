"""What workers do, but that they are killed over one item: as by a decoder that crashes."""

import os
import signal
from collections.abc import Sequence
from typing import Any, cast

from stages.core.frames.one_pass import look_at
from stages.core.schema.types import Row
from stages.core.storage.spill import Tables
from stages.core.video.flow.jobs import measure_job

CLIP, TIME_S = "a1", 2.0  # the item: a clip by its id, a frame by its time


def measure_or_die(job: Row, *given: Any) -> Tables:
    if any(clip["clip_id"] == CLIP for clip in cast(Sequence[Row], job["clips"])):
        os.kill(os.getpid(), signal.SIGKILL)
    return measure_job(job, *given)


def look_or_die(job: Row, *given: Any) -> Tables:
    if TIME_S in cast(Sequence[float], job["time_s"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return look_at(job, *given)
