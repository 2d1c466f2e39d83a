"""Measures how far pictures move: the mean optical flow in pixels at 2 fps, on frames stretched to 960 x 520.

That is the `total score` of LVD-2M, whose clips have at least 20. Reads `path` and, where a step before it gives them,
`start_s` and `end_s`, else whole videos; writes a row a clip (CLIP_FLOW). Frames are those shown at even times from the
clip's first frame on, never beyond its end; a clip that is shorter than the time between two has no pair, and null.

    python -m stages.motion_flow run=NAME
    python -m stages.filter run=NAME step=lively after=motion_flow rules=flow
"""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from math import isfinite
from pathlib import Path
from typing import cast

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.clip import CLIP_FLOW
from stages.core.schema.types import Row
from stages.core.video.flow.settings import Settings

TORCHVISION = "torchvision==0.28.0"  # the release that belongs to the torch of constraints.txt


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    from stages.core.video.flow.jobs import make_jobs, measure_job, split_job

    items = rows.table.to_dicts()
    spans = [is_span(row) for row in items]
    for row in (row for row, good in zip(items, spans, strict=True) if not good):
        yield rows.failed(row, ItemError("bad_value", f"start_s={row.get('start_s')}, end_s={row.get('end_s')}"))
    jobs = list(make_jobs([row for row, good in zip(items, spans, strict=True) if good]))
    given = (settings, rows.cores, rows.gpus)
    for job, tables, error, detail in rows.give_whole(measure_job, jobs, *given, split=split_job):
        clips = cast(Sequence[Row], job["clips"])
        if error is not None:
            yield from (rows.failed(row, ItemError(error, detail or "")) for row in clips)
            continue
        for row, found in zip(clips, cast(Sequence[Row], tables["clips"]), strict=True):
            own: Row = {name: row[name] for name in rows.keys}
            yield Output([str(row[rows.keys[0]])], {"rows": [{**own, **found}]}, failed=int("error" in found))


def is_span(row: Row) -> bool:
    """Whether a row's times are some of a clip; what is null is the video's own start or end."""
    start_s, end_s = (cast(float | None, row.get(name)) for name in ("start_s", "end_s"))
    if not all(at_s is None or isfinite(at_s) for at_s in (start_s, end_s)):
        return False
    return end_s is None or end_s > (start_s or 0.0)


def files(settings: Settings) -> list[str]:
    """The weights, where they are a file."""
    own = settings.raft.weights if settings.backend == "raft" else None
    return [str(Path(own).expanduser())] if own else []


def check(settings: Settings) -> None:
    """Raises InputError for what can be told before submission, without a model."""
    for key, value in (("fps", settings.fps), ("batch", settings.batch)):
        if value <= 0:
            raise InputError(f"{key}={value} is not above 0")
    if settings.backend == "raft" and find_spec("torchvision") is None:
        raise InputError(
            f"backend=raft needs torchvision, which is not installed: pip install --no-deps {TORCHVISION}, from the "
            f"same index as torch; backend=dis needs nothing"
        )
    if settings.backend == "raft" and settings.raft.weights and not Path(settings.raft.weights).expanduser().is_file():
        raise InputError(f"raft.weights={settings.raft.weights}: there is no such file")


STAGE = Stage(
    name="motion_flow",
    kind="map",
    config=Settings,
    run=run,
    gives=CLIP_FLOW,
    needs=("path", "url"),
    takes=("start_s", "end_s"),
    check=check,
    files=files,
    runtime_keys=("batch",),
    holds_model=lambda settings: settings.backend == "raft",
)

if __name__ == "__main__":
    main(STAGE)
